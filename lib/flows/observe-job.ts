// One Job: read both worlds, take the verdict, do its one action. Any number of doors may observe the same Job at once:
// what is done in the cluster is a compare-and-swap, what is written to Terrakube is read again just before.
import type { V1Job } from '@kubernetes/client-node';
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { type Told, toldOf } from '../domain/observed-metrics.ts';
import { type DurationMs, durationMs } from '../domain/time.ts';
import type { Action, Verdict } from '../domain/verdict-types.ts';
import { carryOut } from './carry-out.ts';
import type { Deed } from './deed.ts';
import { type Look, type LookDeps, lookAtJob, lookAtStep, REPORT_MAY_TAKE } from './look-at-job.ts';

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
  readonly told?: Told;
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
  const subject: Subject = { name, final, look: (before) => lookAtJob(deps, name, final, before) };
  for (const pause of UNTIL_TOLD) {
    try {
      return await observe(deps, subject);
    } catch (error) {
      const isGone = final !== undefined && error instanceof DispatcherError && error.retryable;
      if (!isGone || (await deps.cluster.getJob(name)) !== 'notFound') throw error;
      await deps.clock.sleep(pause);
    }
  }
  return observe(deps, subject);
}

/** Observes a step that has no Job. @throws DispatcherError as {@link observeJob} */
export const observeStep = (deps: LookDeps, ids: DispatchIds): Promise<Observed> =>
  observe(deps, {
    name: `of step ${ids.stepId}`,
    final: undefined,
    look: (before) => lookAtStep(deps, ids, before),
  });

/** Whom is looked at, and how. */
interface Subject {
  readonly name: string;
  readonly final: V1Job | undefined;
  look(before?: Look): Promise<Look | undefined>;
}

async function observe(deps: LookDeps, { name, final, look: lookAt }: Subject): Promise<Observed> {
  let look = await lookAt();
  const pause = look && pauseBefore(deps, look, final);
  if (pause !== undefined) {
    await deps.clock.sleep(pause);
    look = await lookAt(look);
  }
  for (let looks = 1; look && looks <= LOOKS; looks += 1) {
    const { action } = look.verdict;
    const again = isWritten(action) ? await lookAt(look) : look;
    // Something changed in between: what was decided was about another world.
    const deed = again && isSame(look.verdict, again.verdict) ? await carryOut(deps, again) : 'conflict';
    if (deed !== 'conflict' && !(deed === 'done' && isUnfinished(look))) return observed(deps, look, deed);
    // What was read before a write that was made, or refused, is out of date.
    look = again && again !== look && !isSame(look.verdict, again.verdict) ? again : await lookAt(look);
  }
  if (!look) return { row: 0, action: 'leave', deed: 'none', outcome: 'missing' };
  throw new DispatcherError('jobChanging', `Job ${name} changed at each of ${LOOKS} looks.`);
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

/** A Job that is gone has nobody who comes back to it; one that is there has, where somebody is in haste. */
function pauseBefore(deps: LookDeps, look: Look, final: V1Job | undefined): DurationMs | undefined {
  if (deps.isInHaste === true && final === undefined) return undefined;
  if (isEarly(look)) return REPORT_MAY_TAKE;
  return isTrace(look, final) ? BETTER_WORD_MAY_TAKE : undefined;
}

/** A Job that has ended, or is gone, while its step has not: Terrakube's side may be about to change. Then nobody rings. */
const isEarly = ({ outcome, verdict, soon }: Look): boolean =>
  ['succeeded', 'failed', 'missing'].includes(outcome.kind) &&
  verdict.action.kind === 'leave' &&
  soon.action.kind !== 'leave';

/** All that is known of a Job that is gone is whose it was. */
const isTrace = ({ job, verdict }: Look, final: V1Job | undefined): boolean =>
  final !== undefined && job === undefined && final.status === undefined && verdict.action.kind !== 'leave';

function observed({ cluster }: LookDeps, { ids, outcome, verdict }: Look, deed: Deed): Observed {
  const told = deed === 'done' ? toldOf(verdict, outcome, cluster.serverNow()) : undefined;
  return {
    row: verdict.row,
    action: verdict.action.kind,
    deed,
    outcome: outcomeWord(outcome),
    terrakubeJobId: ids.jobId,
    stepId: ids.stepId,
    ...(told && { told }),
  };
}

function outcomeWord(outcome: Look['outcome']): string {
  const cause = outcome.kind === 'waiting' ? outcome.blocker?.cause : 'cause' in outcome ? outcome.cause : undefined;
  return cause === undefined ? outcome.kind : `${outcome.kind}: ${cause}`;
}
