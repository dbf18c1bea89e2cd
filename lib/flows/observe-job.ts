// One Job: read both worlds, take the verdict, do its one action. Any number of doors may observe the same Job at once:
// what is done in the cluster is a compare-and-swap, what is written to Terrakube is read again just before.
import type { V1Job } from '@kubernetes/client-node';
import { DispatcherError } from '../domain/errors.ts';
import { durationMs } from '../domain/time.ts';
import type { Action, Verdict } from '../domain/verdict-types.ts';
import { carryOut, type Deed } from './carry-out.ts';
import { type Look, type LookDeps, lookAtJob, REPORT_MAY_TAKE } from './look-at-job.ts';

/** What observing came to. */
export interface Observed {
  /** Number of the verdict's row; 0 for a name that is none of our Jobs. */
  readonly row: number;
  readonly action: Action['kind'];
  readonly deed: Deed;
  /** The outcome's kind and, where it has one, its cause. */
  readonly outcome: string;
  readonly terrakubeJobId?: string;
  readonly stepId?: string;
}

/** Kubelet, controllers and other doors change a Job several times around its start and end; three looks outlast that. */
const LOOKS = 3;
/** Pauses between attempts to tell about a Job that is gone: nobody else remembers it. */
const UNTIL_TOLD = [1000, 2000, 4000, 8000].map(durationMs);

/** Another door may know more of a Job that is gone, and may be waiting for a report. */
const BETTER_WORD_MAY_TAKE = durationMs(15_000);

/**
 * Observes the Job of this name.
 *
 * @param final the document that an event carried; it counts only when the Job is gone.
 * @throws DispatcherError (retryable) when the cluster or Terrakube cannot be read or written.
 */
export async function observeJob(deps: LookDeps, name: string, final?: V1Job): Promise<Observed> {
  for (const pause of UNTIL_TOLD) {
    try {
      return await observe(deps, name, final);
    } catch (error) {
      const isGone = final !== undefined && error instanceof DispatcherError && error.retryable;
      if (!isGone || (await deps.cluster.getJob(name)) !== 'notFound') throw error;
      await deps.clock.sleep(pause);
    }
  }
  return observe(deps, name, final);
}

async function observe(deps: LookDeps, name: string, final: V1Job | undefined): Promise<Observed> {
  let look = await lookAtJob(deps, name, final);
  if (look && isEarly(look)) {
    await deps.clock.sleep(REPORT_MAY_TAKE);
    look = await lookAtJob(deps, name, final, look);
  } else if (look && isTrace(look, final)) {
    await deps.clock.sleep(BETTER_WORD_MAY_TAKE);
    look = await lookAtJob(deps, name, final, look);
  }
  for (let looks = 1; look && looks <= LOOKS; looks += 1) {
    const { action } = look.verdict;
    const again = isWritten(action) ? await lookAtJob(deps, name, final, look) : look;
    // Something changed in between: what was decided was about another world.
    const deed = again && isSame(look.verdict, again.verdict) ? await carryOut(deps, again) : 'conflict';
    if (deed !== 'conflict' && !(deed === 'done' && isUnfinished(look))) return observed(look, deed);
    // What was read before a write that was made, or refused, is out of date.
    look =
      again && again !== look && !isSame(look.verdict, again.verdict)
        ? again
        : await lookAtJob(deps, name, final, look);
  }
  if (!look) return { row: 0, action: 'leave', deed: 'none', outcome: 'missing' };
  throw new DispatcherError('clusterUnavailable', `Job ${name} changed at each of ${LOOKS} looks.`);
}

/** What is written to Terrakube, or follows from it, is decided on a second look: the first one may be seconds old. */
const isWritten = ({ kind }: Action): boolean =>
  ['fail', 'tell', 'patchJob', 'patchStep', 'restart', 'annotate'].includes(kind);

const isSame = (one: Verdict, other: Verdict): boolean =>
  one.row === other.row && one.action.kind === other.action.kind;

/** A suspended Job has no clock that would end it, and no change that would ring again: it is finished here. */
const isUnfinished = ({ outcome, verdict }: Look): boolean =>
  verdict.action.kind !== 'delete' &&
  (outcome.kind === 'suspended' ? verdict.action.kind === 'stop' : outcome.kind === 'failed' && outcome.isSuspended);

/** A Job that has ended, or is gone, while its step has not: Terrakube's side may be about to change. Then nobody rings. */
const isEarly = ({ outcome, verdict, soon }: Look): boolean =>
  ['succeeded', 'failed', 'missing'].includes(outcome.kind) &&
  verdict.action.kind === 'leave' &&
  soon.action.kind !== 'leave';

/** All that is known of a Job that is gone is whose it was. */
const isTrace = ({ job, verdict }: Look, final: V1Job | undefined): boolean =>
  job === undefined && final?.status === undefined && verdict.action.kind !== 'leave';

const observed = ({ ids, outcome, verdict }: Look, deed: Deed): Observed => ({
  row: verdict.row,
  action: verdict.action.kind,
  deed,
  outcome: outcomeWord(outcome),
  terrakubeJobId: ids.jobId,
  stepId: ids.stepId,
});

function outcomeWord(outcome: Look['outcome']): string {
  const cause = outcome.kind === 'waiting' ? outcome.blocker?.cause : 'cause' in outcome ? outcome.cause : undefined;
  return cause === undefined ? outcome.kind : `${outcome.kind}: ${cause}`;
}
