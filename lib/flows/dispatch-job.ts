// From a job event to a Kubernetes Job: read both worlds, decide, act. Every step can be repeated, because names are
// derived from the request, and every delivery may be the second one.
import type { V1Job } from '@kubernetes/client-node';
import { oversizedReason } from '../domain/dispatch-reasons.ts';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import type { Reason } from '../domain/failure-text.ts';
import { type GateDecision, gate, type SkipReason } from '../domain/gate.ts';
import { startRecord } from '../domain/job-comments.ts';
import { stepSelector } from '../domain/job-name.ts';
import { anotherDeliveryGotThrough, nextStart } from '../domain/next-start.ts';
import { freshness } from '../domain/payload-age.ts';
import { payloadLimitBytes } from '../domain/payload-transport.ts';
import { type StepSettings, stepSettings } from '../domain/step-settings.ts';
import type { TerrakubeJob } from '../domain/terrakube-job.ts';
import { durationMs, elapsedMs, seconds } from '../domain/time.ts';
import { type RenewDeps, renewPayload } from './renew-payload.ts';
import { type StartDeps, startJob } from './start-job.ts';
import type { StartResult, Wait, WaitResult } from './start-result.ts';
import { finishTelling, tellTerrakube } from './tell-terrakube.ts';

/** What dispatch needs. */
export type DispatchDeps = StartDeps & RenewDeps;

/** What became of a request. Everything but `waiting` and `retried` is acknowledged. */
export type DispatchResult =
  | { readonly outcome: 'created' | 'exists'; readonly jobName: string }
  | {
      readonly outcome: 'skipped';
      readonly reason: SkipReason | 'alreadyTold' | 'anotherDelivery' | 'renewed' | 'freshPayloadAsked';
    }
  /** We refused it, or Kubernetes did; the user reads why in Terrakube. */
  | { readonly outcome: 'refused' | 'failed'; readonly reason: string }
  /** It waits for the cluster, or something went wrong that may be mended; it comes again. */
  | {
      readonly outcome: 'waiting' | 'retried';
      readonly reason: string;
      readonly wait: Wait;
      /** What the cluster is waited for; absent when Terrakube is. */
      readonly on?: Pick<WaitResult, 'cause' | 'mayRun'>;
    };

/**
 * Terrakube commits a moment after it has our answer, and a warm dispatch is often faster. Looking again here costs a
 * few hundredths of a second; giving the message back costs a whole one, the shortest delay that SQS knows.
 */
const LOOKS_AGAIN_AFTER = [20, 50, 100, 200, 400].map(durationMs);

/** While Terrakube still writes the job down, a PATCH could be lost or corrupt it. */
const UNTIL_COMMITTED = seconds(1);

/**
 * Dispatches one request.
 *
 * @throws DispatcherError (retryable) when Terrakube or the cluster cannot be read or written.
 */
export async function dispatchJob(
  deps: DispatchDeps,
  request: DispatchRequest | OversizedRequest,
): Promise<DispatchResult> {
  const [first, jobs] = await readBoth(deps, request);
  const { job, decision } = await passGate(deps, request, first);
  switch (decision.kind) {
    case 'skip':
      return { outcome: 'skipped', reason: decision.reason };
    case 'wait':
      return notCommitted(decision.delaySeconds);
    case 'finishTelling':
      return finish(deps, request);
    case 'go':
      return job === 'notFound' ? { outcome: 'skipped', reason: 'jobGone' } : go(deps, request, job, jobs);
  }
}

async function passGate(
  { clock, terrakube }: DispatchDeps,
  { ids, acceptedAt }: Pick<DispatchRequest, 'ids' | 'acceptedAt'>,
  first: TerrakubeJob | 'notFound',
): Promise<{ readonly job: TerrakubeJob | 'notFound'; readonly decision: GateDecision }> {
  let job = first;
  let decision = gate(ids, job, elapsedMs(acceptedAt, clock.now()));
  for (const pause of LOOKS_AGAIN_AFTER) {
    if (decision.kind !== 'wait') break;
    await clock.sleep(pause);
    job = await terrakube.getJob(ids);
    decision = gate(ids, job, elapsedMs(acceptedAt, clock.now()));
  }
  return { job, decision };
}

async function go(
  deps: DispatchDeps,
  request: DispatchRequest | OversizedRequest,
  job: TerrakubeJob,
  jobs: () => ReturnType<DispatchDeps['jobs']['listJobs']>,
): Promise<DispatchResult> {
  const known = await jobs();
  const settings = settingsOf(deps, request, known);
  if ('reason' in settings) return refuse(deps, request, settings.reason);
  if (!('payload' in request)) return { outcome: 'skipped', reason: 'alreadyTold' };
  const record = startRecord(job.comments, request.ids.stepId);
  const age = freshness({ record, acceptedAt: request.acceptedAt }, deps.patience, deps.clock.now());
  if (age === 'renewed') return { outcome: 'skipped', reason: 'renewed' };
  const started = await startJob(
    { ...deps, executor: settings.settings },
    { ...request, isFresh: age === 'fresh', isPaused: deps.patience.isPaused },
    known,
  );
  switch (started.kind) {
    case 'created':
    case 'exists':
      return { outcome: started.kind, jobName: started.jobName };
    case 'wait': {
      const { cause, text, wait, mayRun } = started;
      const isPatience = cause === 'quota' || cause === 'paused';
      return { outcome: isPatience ? 'waiting' : 'retried', reason: text, wait, on: { cause, mayRun } };
    }
    case 'stale':
      return renew(deps, request);
    case 'terminal':
      return fail(deps, request, started);
  }
}

/**
 * What the executor of a step gets, or why it cannot have one. Only a Job that is still to be made can be refused: one
 * that is there was made under the settings of its time, and may lack nothing but its Secret.
 */
function settingsOf(
  { executor, installation }: DispatchDeps,
  request: DispatchRequest | OversizedRequest,
  known: readonly V1Job[],
): StepSettings {
  const isThere = nextStart(request.ids, installation, known).kind !== 'create';
  if (isThere && 'payload' in request) return { settings: executor };
  const tooLarge = oversizedReason(request, payloadLimitBytes(executor.transport));
  if (tooLarge) return { reason: tooLarge };
  return 'payload' in request ? stepSettings(request.asked, executor) : { settings: executor };
}

async function renew(deps: DispatchDeps, request: DispatchRequest): Promise<DispatchResult> {
  const renewed = await renewPayload(deps, request);
  switch (renewed.kind) {
    case 'asked':
      return { outcome: 'skipped', reason: 'freshPayloadAsked' };
    case 'renewed':
    case 'anotherDelivery':
      return { outcome: 'skipped', reason: renewed.kind };
    case 'gone':
      return { outcome: 'skipped', reason: 'stepEnded' };
    case 'gaveUp':
      return { outcome: 'failed', reason: renewed.reason };
    case 'tooEarly':
      return notCommitted();
  }
}

/** Reads both worlds side by side. A cluster that cannot be read matters only once the gate lets the request through. */
async function readBoth({ jobs, terrakube, installation }: DispatchDeps, { ids }: Pick<DispatchRequest, 'ids'>) {
  const list = jobs.listJobs(stepSelector(ids, installation)).then(
    (found) => () => Promise.resolve(found),
    (error: unknown) => () => Promise.reject(error),
  );
  return Promise.all([terrakube.getJob(ids), list]);
}

async function refuse(
  deps: DispatchDeps,
  request: Pick<DispatchRequest, 'ids'>,
  reason: Reason,
): Promise<DispatchResult> {
  return tell(deps, request, 'refused', reason, () => isOvertaken(deps, request));
}

async function fail(
  deps: DispatchDeps,
  request: DispatchRequest,
  started: Extract<StartResult, { kind: 'terminal' }>,
): Promise<DispatchResult> {
  // A Job that we stopped ourselves is not another delivery's.
  const check = started.isStopped ? undefined : () => isOvertaken(deps, request);
  return tell(deps, request, 'failed', started.reason, check);
}

/** Between our read and our refusal another delivery of the step may have got through: its executor must not be failed. */
async function isOvertaken(
  { jobs, installation }: DispatchDeps,
  { ids }: Pick<DispatchRequest, 'ids'>,
): Promise<boolean> {
  return anotherDeliveryGotThrough(ids, installation, await jobs.listJobs(stepSelector(ids, installation)));
}

const ANOTHER_DELIVERY = { outcome: 'skipped', reason: 'anotherDelivery' } as const;

async function tell(
  deps: DispatchDeps,
  { ids }: Pick<DispatchRequest, 'ids'>,
  outcome: 'refused' | 'failed',
  reason: Reason,
  check: (() => Promise<boolean>) | undefined,
): Promise<DispatchResult> {
  // Before the first word, too: the run's log should not tell of a failure that is none.
  if (await check?.()) return ANOTHER_DELIVERY;
  const told = await tellTerrakube(check === undefined ? deps : { ...deps, isOvertaken: check }, ids, reason);
  if (told === 'overtaken') return ANOTHER_DELIVERY;
  return told === 'tooEarly' ? notCommitted() : { outcome, reason: reason.title };
}

/** Fails the job of a step that we failed, unless an executor of it runs after all. */
async function finish(deps: DispatchDeps, { ids }: Pick<DispatchRequest, 'ids'>): Promise<DispatchResult> {
  const { jobs, installation } = deps;
  // A Job that has ended may be the one that we stopped.
  const isRunning = async () =>
    nextStart(ids, installation, await jobs.listJobs(stepSelector(ids, installation))).kind === 'ensureSecret';
  const told = await finishTelling({ ...deps, isOvertaken: isRunning }, ids);
  if (told === 'overtaken') return ANOTHER_DELIVERY;
  return told === 'tooEarly' ? notCommitted() : { outcome: 'skipped', reason: 'alreadyTold' };
}

const notCommitted = (exactly = UNTIL_COMMITTED): DispatchResult => ({
  outcome: 'retried',
  reason: 'Terrakube has not committed the job yet',
  wait: { exactly },
});
