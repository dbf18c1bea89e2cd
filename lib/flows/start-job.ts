// Creates the Kubernetes Job of a step, then its payload Secret, which belongs to the Job. A mounted Secret may come about
// a second later than its pod at no cost, and this order leaves no Secret behind that nobody owns.
import type { V1Job } from '@kubernetes/client-node';
import { type CreateVerdict, createVerdict, type WaitCause } from '../domain/create-answer.ts';
import { nameTakenReason } from '../domain/dispatch-reasons.ts';
import type { DispatchRequest } from '../domain/dispatch-request.ts';
import type { ExecutorSettings } from '../domain/executor-settings.ts';
import type { Reason } from '../domain/failure-text.ts';
import { buildJob } from '../domain/job-manifest.ts';
import { type Installation, jobName } from '../domain/job-name.ts';
import { hasEnded, isOurs, nextStart } from '../domain/next-start.ts';
import { buildPayloadSecret } from '../domain/payload-secret.ts';
import { needsSecret } from '../domain/payload-transport.ts';
import { recordedVerdict } from '../domain/recorded-verdict.ts';
import { type Seconds, seconds } from '../domain/time.ts';
import type { ApiAnswer, Clock, JobStore } from '../ports.ts';
import { stopJob } from './stop-job.ts';

/** What starting a Job needs. */
export interface StartDeps {
  readonly jobs: JobStore;
  readonly clock: Clock;
  readonly executor: ExecutorSettings;
  readonly installation: Installation;
}

/** A request, and what was decided about it. */
export interface StartRequest extends DispatchRequest {
  /** Whether the payload may still become a Job; one that exists is given it all the same. */
  readonly isFresh: boolean;
}

/** How long a message has to wait: exactly, or between bounds of the usual growing delay. */
export interface Wait {
  readonly exactly?: Seconds;
  readonly atLeast?: Seconds;
  readonly atMost?: Seconds;
}

/** What became of the Job. */
export type StartResult =
  | { readonly kind: 'created' | 'exists'; readonly jobName: string }
  | { readonly kind: 'wait'; readonly cause: WaitCause; readonly text: string; readonly wait: Wait }
  /** The payload is too old for a new Job. */
  | { readonly kind: 'stale' }
  /** @property isStopped a Job was made and stopped in place with this reason. */
  | { readonly kind: 'terminal'; readonly reason: Reason; readonly isStopped: boolean };

/** A name that is being given free, or a Secret that goes with its old Job: the garbage collector needs a moment. */
const UNTIL_COLLECTED = seconds(2);

/**
 * Makes sure that the step has its Job and the Job its Secret.
 *
 * @param known the step's Jobs, as listed just before.
 */
export async function startJob(deps: StartDeps, request: StartRequest, known: readonly V1Job[]): Promise<StartResult> {
  const next = nextStart(request.ids, deps.installation, known);
  switch (next.kind) {
    case 'create':
      return request.isFresh ? create(deps, request, next.start) : { kind: 'stale' };
    case 'ensureSecret':
      return giveSecret(deps, request, next.job, 'exists');
    case 'done':
      return carriedVerdict(next.job) ?? { kind: 'exists', jobName: next.job.metadata?.name ?? '' };
    case 'retry':
      return later('beingDeleted', 'an older Job of this step is being deleted', { exactly: UNTIL_COLLECTED });
  }
}

async function create(deps: StartDeps, request: StartRequest, start: number): Promise<StartResult> {
  const { jobs, clock, executor, installation } = deps;
  const job = buildJob({ request, settings: executor, installation, start, now: clock.now() });
  const answer = await jobs.createJob(job);
  if (answer.kind === 'ok') return giveSecret(deps, request, answer.object, 'created');
  const verdict = createVerdict('Job', refusalOf(answer), executor.namespace);
  switch (verdict.kind) {
    case 'wait':
      return waitFor(verdict);
    case 'terminal':
      return { kind: 'terminal', reason: verdict.reason, isStopped: false };
    case 'readByName': {
      const name = jobName(request.ids, installation, start);
      const found = await jobs.getJob(name);
      if (found === 'notFound') return later('noAnswer', 'the Kubernetes API gave no answer to the create', {});
      if (!isOurs(found, installation)) {
        return { kind: 'terminal', reason: nameTakenReason(name, executor.namespace), isStopped: false };
      }
      return startJob(deps, request, [found]);
    }
  }
}

async function giveSecret(
  deps: StartDeps,
  request: StartRequest,
  job: V1Job,
  kind: 'created' | 'exists',
): Promise<StartResult> {
  const owner = { name: job.metadata?.name ?? '', uid: job.metadata?.uid ?? '' };
  const { jobs } = deps;
  if (!needsSecret(job)) return { kind, jobName: owner.name };
  const answer = await jobs.createSecret(buildPayloadSecret(job, owner, request.payload));
  if (answer.kind === 'ok') return resume(deps, job, kind);
  const verdict = createVerdict('Secret', refusalOf(answer), deps.executor.namespace);
  switch (verdict.kind) {
    case 'wait':
      return waitFor(verdict);
    case 'terminal':
      // A policy refuses before the name is looked at: another delivery may have made the Secret, and its executor runs.
      return isOwned(await jobs.getSecretOwners(owner.name), owner.uid)
        ? resume(deps, job, kind)
        : stopWithoutPayload(deps, owner.name, verdict.reason);
    case 'readByName': {
      const owners = await jobs.getSecretOwners(owner.name);
      if (owners === 'forbidden')
        return later('noAnswer', 'the dispatcher may not read Secrets; apply deploy/kubernetes', {});
      if (owners === 'notFound')
        return later('noAnswer', 'the Kubernetes API gave no answer to the create', { exactly: seconds(1) });
      return isOwned(owners, owner.uid)
        ? resume(deps, job, kind)
        : later('beingDeleted', 'the Secret of an older Job is being deleted', { exactly: UNTIL_COLLECTED });
    }
  }
}

/** A kubelet and a controller may change a Job between our read and our patch; three looks outlast that. */
const LOOKS = 3;

/** Lets a suspended Job start, now that its Secret is there; not one that was judged or has ended meanwhile. */
async function resume(deps: StartDeps, job: V1Job, kind: 'created' | 'exists'): Promise<StartResult> {
  const name = job.metadata?.name ?? '';
  let current: V1Job | 'notFound' = job;
  for (let look = 0; look < LOOKS; look += 1) {
    if (current === 'notFound') return later('beingDeleted', 'the Job was deleted', { exactly: UNTIL_COLLECTED });
    const isStarted = current.spec?.suspend !== true || hasEnded(current) || recordedVerdict(current) !== undefined;
    if (isStarted) return { kind, jobName: name };
    const resumed = await deps.jobs.resumeJob(name, current.metadata?.resourceVersion ?? '');
    if (resumed === 'patched') return { kind, jobName: name };
    current = await deps.jobs.getJob(name);
  }
  return later('noAnswer', 'the Job changes too often to be resumed', { exactly: seconds(1) });
}

const isOwned = (owners: Awaited<ReturnType<JobStore['getSecretOwners']>>, uid: string): boolean =>
  typeof owners !== 'string' && owners.includes(uid);

/** Without its payload the pod would wait for its volume until the Job's deadline. */
async function stopWithoutPayload(deps: StartDeps, name: string, reason: Reason): Promise<StartResult> {
  const stopped = await stopJob(deps, name, { action: 'fail', cause: 'payloadMissing', ...reason });
  return stopped === 'contended'
    ? later('noAnswer', 'the Job changes too often to be stopped', { exactly: seconds(1) })
    : { kind: 'terminal', reason, isStopped: true };
}

/** An earlier delivery stopped the Job and was itself stopped before it could tell. */
function carriedVerdict(job: V1Job): StartResult | undefined {
  const verdict = recordedVerdict(job);
  if (typeof verdict !== 'object' || verdict.action !== 'fail') return undefined;
  const { title, evidence, advice } = verdict;
  return { kind: 'terminal', reason: { title, evidence, advice }, isStopped: true };
}

const refusalOf = <T>(answer: Exclude<ApiAnswer<T>, { kind: 'ok' }>) =>
  answer.kind === 'refused' ? answer.refusal : 'noAnswer';

const waitFor = ({ text, cause, atLeast, atMost }: Extract<CreateVerdict, { kind: 'wait' }>): StartResult => ({
  kind: 'wait',
  cause,
  text,
  wait: { ...(atLeast === undefined ? {} : { atLeast }), ...(atMost === undefined ? {} : { atMost }) },
});

const later = (cause: WaitCause, text: string, wait: Wait): StartResult => ({ kind: 'wait', cause, text, wait });
