/**
 * A stand-in for the Terrakube API (2.33): it sends the dispatch POSTs, answers the JSON:API and behaves as the real one was recorded,
 * its faults included. For tests and for `npm start`. It keeps everything in memory, and answers 501 where nothing was recorded.
 */
import type { Server } from 'node:http';
import { createChanges } from './changes.ts';
import { buildDispatchBody } from './dispatch-body.ts';
import { sendDispatch } from './dispatch-post.ts';
import { type DispatchVerdict, judgeAnswer } from './dispatch-verdict.ts';
import { createFaults, type Fault } from './faults.ts';
import { type SweepOptions, startSweep } from './heartbeat-sweep.ts';
import { parseInternalKey, signDispatchToken } from './internal-key.ts';
import { createRoutes } from './routes.ts';
import { createScheduler } from './scheduler.ts';
import { createApiServer, type SeenRequest } from './server.ts';
import { type Command, createWorld, type Job, type JobStatus, type NewJob, type TerrakubeEvent } from './world.ts';

/** How the stand-in starts. Durations are milliseconds. */
export interface TerrakubeOptions {
  /** Base64url text, as Terrakube's setting `InternalSecret`. */
  readonly internalSecret: string;
  /** Where the dispatch POSTs go, with the path (`…/api/v1/terraform-rs`). */
  readonly executorUrl: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** The clock of a job that waits for its dispatch. Default 30 000, as Terrakube's. */
  readonly resendAfterMs?: number;
  /** How long Terrakube waits for the answer to a POST. Default 60 000, as Terrakube's. */
  readonly answerTimeoutMs?: number;
  /** The heartbeat sweep. Default: off. */
  readonly sweep?: SweepOptions;
  onEvent?(event: TerrakubeEvent): void;
}

/** A job as it can be read now. */
interface JobSnapshot {
  readonly jobId: string;
  readonly organizationId: string;
  readonly workspaceId: string;
  readonly status: JobStatus;
  readonly comments: string | null;
  readonly output: string | null;
  /** By step number; empty until the first dispatch of the job is over. */
  readonly steps: readonly StepSnapshot[];
}

/** A step as it can be read now. */
interface StepSnapshot {
  readonly stepId: string;
  readonly type: string;
  readonly stepNumber: number;
  readonly name: string;
  readonly status: JobStatus;
  readonly output: string | null;
}

/** A running stand-in. Job ids are text, as on the wire. */
export interface StandInTerrakube {
  readonly url: string;
  /** Every request to the API that was answered, oldest first. */
  readonly requests: readonly SeenRequest[];
  createJob(job: NewJob): { readonly jobId: string; readonly organizationId: string; readonly workspaceId: string };
  /** @throws Error when there is no such job. */
  job(jobId: string): JobSnapshot;
  /** What is in the log stream of a job now: the stream vanishes with the job's end. */
  logs(jobId: string): readonly string[];
  /** What a user's PATCH of the status does. Settles when it is written: a dispatch under way holds it up. */
  cancel(jobId: string): Promise<void>;
  approve(jobId: string): Promise<void>;
  /** With commands, Terrakube dispatches them as a step of type `approval`. */
  reject(jobId: string, onReject?: readonly Command[]): Promise<void>;
  /** Locks or unlocks the workspace of a job: Terrakube leaves its jobs and their steps alone meanwhile. */
  lockWorkspace(jobId: string, isLocked: boolean): void;
  /** Lets Terrakube die during the dispatch POST of a job: nothing is committed, and the next POST has other step ids. */
  loseDispatch(jobId: string): void;
  answerNext(fault: Fault): void;
  setExecutorUrl(url: string): void;
  close(): Promise<void>;
}

const RESEND_AFTER_MS = 30_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** Starts a stand-in on 127.0.0.1. @throws Error when the InternalSecret is none. */
export async function startTerrakube(options: TerrakubeOptions): Promise<StandInTerrakube> {
  const key = parseInternalKey(options.internalSecret);
  const tell = (event: TerrakubeEvent): void => options.onEvent?.(event);
  const world = createWorld(tell);
  const posts = createPosts(options, tell);
  const scheduler = createScheduler({
    world,
    send: posts.send,
    resendAfterMs: options.resendAfterMs ?? RESEND_AFTER_MS,
  });
  const changes = createChanges(world, scheduler);
  const faults = createFaults();
  const requests: SeenRequest[] = [];
  const server = createApiServer({
    answer: createRoutes({ world, changes, key }),
    faults,
    seen: (request) => requests.push(request),
  });
  const stopSweep = options.sweep === undefined ? undefined : startSweep(world, options.sweep);
  const url = await listen(server, options.port ?? 0);

  function find(jobId: string): Job {
    const job = world.findJob(Number(jobId));
    if (job === undefined) throw new Error(`The stand-in Terrakube has no job ${jobId}.`);
    return job;
  }

  const setStatus = (job: Job, status: JobStatus): Promise<void> => changes.patchJob(job, { attributes: { status } });

  return {
    url,
    requests,
    createJob(request) {
      const job = world.addJob(request);
      scheduler.wake(job);
      return { jobId: String(job.id), organizationId: job.organizationId, workspaceId: job.workspaceId };
    },
    job: (jobId) => snapshot(find(jobId)),
    logs: (jobId) => world.logs(Number(jobId)),
    cancel: (jobId) => setStatus(find(jobId), 'cancelled'),
    approve: (jobId) => setStatus(find(jobId), 'approved'),
    reject(jobId, onReject = []) {
      const job = find(jobId);
      job.onReject = onReject;
      return setStatus(job, 'rejected');
    },
    lockWorkspace(jobId, isLocked) {
      const { workspaceId } = find(jobId);
      if (isLocked) world.lockedWorkspaces.add(workspaceId);
      else world.lockedWorkspaces.delete(workspaceId);
    },
    loseDispatch: (jobId) => posts.lose(find(jobId)),
    answerNext: faults.add,
    setExecutorUrl: posts.setUrl,
    async close() {
      stopSweep?.();
      scheduler.stop();
      posts.loseAll();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The dispatch POSTs that are under way. */
interface Posts {
  send(job: Job, step: JobStep, commands: readonly Command[] | null): Promise<DispatchVerdict | undefined>;
  lose(job: Job): void;
  loseAll(): void;
  setUrl(url: string): void;
}

type JobStep = Job['steps'][number];

function createPosts(options: TerrakubeOptions, tell: (event: TerrakubeEvent) => void): Posts {
  const key = parseInternalKey(options.internalSecret);
  const underWay = new Map<number, AbortController>();
  const sent = new Set<string>();
  let url = options.executorUrl;
  return {
    async send(job, step, commands) {
      const life = new AbortController();
      underWay.set(job.id, life);
      const about = { jobId: String(job.id), stepId: step.stepId };
      tell({ atMs: Date.now(), kind: sent.has(step.stepId) ? 'resent' : 'posted', ...about });
      sent.add(step.stepId);
      const target = url;
      const answer = await sendDispatch({
        url: target,
        token: await signDispatchToken(key),
        body: buildDispatchBody(job, step, commands),
        answerTimeoutMs: options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
        signal: life.signal,
      });
      underWay.delete(job.id);
      if (life.signal.aborted) return undefined;
      const verdict = judgeAnswer(answer, target);
      const httpStatus = 'status' in answer ? { httpStatus: answer.status } : {};
      tell({ atMs: Date.now(), kind: 'answered', ...about, status: verdict.kind, ...httpStatus });
      return verdict;
    },
    lose: (job) => underWay.get(job.id)?.abort(),
    loseAll() {
      for (const life of underWay.values()) life.abort();
    },
    setUrl(next) {
      url = next;
    },
  };
}

function listen(server: Server, port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  server.on('error', reject);
  server.listen(port, '127.0.0.1', () => {
    const address = server.address();
    resolve(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}`);
  });
  return promise;
}

function snapshot(job: Job): JobSnapshot {
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return {
    jobId: String(job.id),
    organizationId: job.organizationId,
    workspaceId: job.workspaceId,
    status: job.row.status,
    comments: text(job.row.values.comments),
    output: text(job.row.values.output),
    steps: job.steps
      .map(({ stepId, type, stepNumber, name, status, output }) => ({ stepId, type, stepNumber, name, status, output }))
      .toSorted((a, b) => a.stepNumber - b.stepNumber),
  };
}
