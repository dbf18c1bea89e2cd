// Does one thing after the other, a few at a time. Whatever a plan says, the deed is decided by a fresh look at its one Job
// or step, so a plan from an old list does no harm.
import { ANNOTATION } from '../domain/job-manifest.ts';
import { hasEnded } from '../domain/next-start.ts';
import { observedMetrics } from '../domain/observed-metrics.ts';
import { payloadLeft } from '../domain/payload-left.ts';
import type { PlannedAction } from '../domain/plan-types.ts';
import { isAbsent, isOnAbsence } from '../domain/reconcile-brake.ts';
import { targetKey, terrakubeJobOf } from '../domain/reconcile-plan.ts';
import { findStep, isLiveJob, isOpenStep } from '../domain/terrakube-job.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, isoTime } from '../domain/time.ts';
import type { Log, LogFields, Metrics, ReconciledCluster } from '../ports.ts';
import type { LookDeps } from './look-at-job.ts';
import type { Mirror, Ring } from './mirror.ts';
import { type Observed, observeJob, observeStep } from './observe-job.ts';
import type { ReconcileMemory } from './reconcile-memory.ts';
import { sayNotObserved } from './say-not-observed.ts';
import { SIDE_BY_SIDE } from './side-by-side.ts';
import { createWorkQueue } from './work-queue.ts';

/** What doing needs. */
export interface HandDeps extends LookDeps {
  readonly cluster: ReconciledCluster;
  readonly memory: ReconcileMemory;
  readonly log: Log;
  readonly metrics: Metrics;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
}

/** Who does the work. */
export interface Hand {
  /** Looks at a Job that has changed. */
  answer(ring: Ring): void;
  /** Does what a plan says, unless a look at it has just found nothing to do. */
  take(planned: PlannedAction): void;
  /**
   * Notes that there is nothing to do, so that a Job which has ended for good is not asked for again.
   *
   * @returns whether a look has to say that, which is for {@link Hand.take}.
   */
  leave(planned: PlannedAction): boolean;
  isIdle(): boolean;
  /** Takes nothing more; resolves when what is under way is done. */
  rest(): Promise<void>;
  /** How many targets there are whose last look failed. */
  failed(): number;
}

/** One thing to do; its key tells whom it is about. */
interface Work {
  readonly key: string;
  /** Number of the planned verdict's row; a look that found nothing to do says so of one row. */
  readonly row: number;
  readonly name: string;
  /** A stop: an executor that is cancelled goes on booting meanwhile. */
  readonly isInHaste?: boolean;
  run(): Promise<Observed>;
}

/** {@link Work.row} of a look that no plan has asked for. */
const RUNG = -1;

/** A look that found nothing to do finds nothing a second later; nor does one at a Job that has ended for half a minute. */
const REST: DurationMs = durationMs(5000);
const LONG_REST: DurationMs = durationMs(30_000);
/** An ended Job under an ended Terrakube job: whatever was under way is over by then. */
const SETTLED_AFTER: DurationMs = durationMs(60_000);

/** Creates a hand. */
export function createHand(deps: HandDeps, mirror: Mirror): Hand {
  const { clock, log, metrics, errorFields, memory } = deps;
  const looking: LookDeps = {
    ...deps,
    startsAgain: true,
    isInHaste: true,
    unchangedSince(jobId, job) {
      // A list did not show it: what was concluded from that is wrong.
      if (mirror.terrakube.get(jobId) === 'notFound') mirror.terrakube.delete(jobId);
      return memory.unchangedSince(jobId, job, clock.now());
    },
  };
  // A look at one Job does not know how many others seem to be gone: that is for a plan, with its brake.
  const careful: LookDeps = { ...looking, mayStop: ({ terrakube, ids }) => !isAbsent(terrakube, ids) };
  // A change rings in each run that watches, at the same moment; which of them keeps a job alive is for their plans.
  const rung: LookDeps = { ...careful, settings: { ...deps.settings, keepAlive: false } };
  const failed = new Set<string>();
  const restSince = new Map<string, { readonly row: number; readonly at: EpochMs; readonly rest: DurationMs }>();
  const queue = createWorkQueue(async (work: Work): Promise<void> => {
    const { key, row, name, run } = work;
    const startedAt = clock.now();
    let rest = REST;
    try {
      const done = await run();
      failed.delete(key);
      metrics.put(...observedMetrics(done));
      if (done.deed === 'none' && settle(deps, mirror, name)) rest = LONG_REST;
      logDone(deps, name, done, elapsedMs(startedAt, clock.now()));
    } catch (error) {
      failed.add(key);
      sayNotObserved(log, name, errorFields(error));
    }
    restSince.set(key, { row, at: clock.now(), rest });
    // What was planned will be planned again; what rang once may be about a Job that is gone, and rings no more.
    if (row === RUNG && failed.has(key)) void clock.sleep(REST).then(() => failed.has(key) && take(work));
  }, SIDE_BY_SIDE);
  const take = (work: Work): void => {
    const rested = restSince.get(work.key);
    const isResting = rested?.row === work.row && elapsedMs(rested.at, clock.now()) < rested.rest;
    if (!isResting && !queue.has(work.key, work.isInHaste)) queue.add(work.key, work, work.isInHaste);
  };
  const workOf = (planned: PlannedAction): Work =>
    workFor(isOnAbsence(planned) ? looking : careful, deps, mirror, planned);
  return {
    answer({ name, final }) {
      const key = `job ${name}`;
      queue.add(key, { key, row: RUNG, name, run: () => observeJob(rung, name, final) });
    },
    take: (planned) => {
      if (planned.action.kind !== 'deletePayload' || !memory.mayNotDeletePayloads) take(workOf(planned));
    },
    leave(planned) {
      const { target } = planned;
      if (target.kind !== 'job' || !planned.isOver || !isOver(deps, mirror, target.name)) return false;
      // What a failed step could still be told depends on pods that a list of live ones does not have, and no list says
      // that a job is gone.
      const terrakube = mirror.terrakube.get(target.ids.jobId);
      const step = typeof terrakube === 'object' ? findStep(terrakube, target.ids.stepId) : undefined;
      if (step?.status === 'failed' || terrakube === 'notFound') return true;
      settle(deps, mirror, target.name);
      return false;
    },
    isIdle: queue.isIdle,
    rest() {
      queue.close();
      return queue.idle();
    },
    failed: () => failed.size,
  };
}

function workFor(looking: LookDeps, deps: HandDeps, mirror: Mirror, planned: PlannedAction): Work {
  const { target, action, row } = planned;
  if (target.kind === 'step') {
    return { key: targetKey(target), row, name: '', run: () => observeStep(looking, target.ids) };
  }
  const { name } = target;
  if (action.kind === 'deletePayload') {
    return { key: `payload ${name}`, row, name, run: () => deletePayload(deps, mirror, name) };
  }
  const isInHaste = action.kind === 'stop';
  return { key: targetKey(target), row, name, isInHaste, run: () => observeJob(looking, name) };
}

/** The Job remembers that its payload is gone; when it was changed meanwhile, the next look writes it down. */
async function deletePayload({ cluster, memory, log }: HandDeps, mirror: Mirror, name: string): Promise<Observed> {
  const job = mirror.job(name);
  const left = job && payloadLeft(job);
  const nothing: Observed = { row: 0, action: 'leave', deed: 'none', outcome: 'payload' };
  if (!left) return nothing;
  const answer = await cluster.deletePayload(name, left.jobUid);
  if (answer === 'forbidden') {
    if (!memory.mayNotDeletePayloads)
      log.warn('payload Secrets may not be deleted: the role lacks get or delete on secrets');
    memory.mayNotDeletePayloads = true;
    return nothing;
  }
  const at = { [ANNOTATION.payloadDeletedAt]: isoTime(cluster.serverNow()) };
  await cluster.annotateJob(name, job.metadata?.resourceVersion ?? '', at);
  return { ...nothing, action: 'delete', deed: 'done' };
}

/** Job and Terrakube job have ended, and nothing has changed for so long that nothing is under way. */
function isOver({ memory, clock }: HandDeps, mirror: Mirror, name: string): boolean {
  const job = mirror.job(name);
  if (!job || !hasEnded(job) || (payloadLeft(job) !== undefined && !memory.mayNotDeletePayloads)) return false;
  const jobId = terrakubeJobOf(job);
  const terrakube = mirror.terrakube.get(jobId);
  if (terrakube === undefined || terrakube === 'notFound') return terrakube === 'notFound';
  // Such a step is still to be failed, or the job goes on when somebody approves it.
  if (terrakube.steps.some(isOpenStep)) return false;
  const since = memory.unchangedSince(jobId, terrakube, clock.now());
  return !isLiveJob(terrakube) && elapsedMs(since, clock.now()) >= SETTLED_AFTER;
}

/** Settles a Job that is over. @returns whether it has ended, so that nothing moves it soon. */
function settle(deps: HandDeps, mirror: Mirror, name: string): boolean {
  const job = mirror.job(name);
  if (job && isOver(deps, mirror, name)) deps.memory.settle(job);
  return job !== undefined && hasEnded(job);
}

function logDone({ log }: HandDeps, jobName: string, done: Observed, durationMs: DurationMs): void {
  const { row, action, deed, told: _, ...fields } = done;
  const name = jobName === '' ? {} : { jobName };
  log.info('job observed', { ...name, ...fields, reason: `row ${row}: ${action}, ${deed}`, durationMs });
}
