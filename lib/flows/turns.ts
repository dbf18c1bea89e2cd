// Two runs overlap for half a minute, and both see at the same moment what is to be written to Terrakube. Where there is a
// Job, one of them claims that on it. But nothing can be claimed for a step without a Job, and a ping is not worth a claim,
// while Terrakube loses one of two concurrent changes: so the later run comes first.
import type { PlannedAction } from '../domain/plan-types.ts';
import { targetKey } from '../domain/reconcile-plan.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs } from '../domain/time.ts';
import type { Clock } from '../ports.ts';

/** The next run writes, and this one sees that two seconds later. */
const COMES_FIRST: DurationMs = durationMs(4000);

/** Creates a filter of plans. @param nextBegins when the next run has surely begun. */
export function createTurns(
  clock: Clock,
  nextBegins: EpochMs,
): (plan: readonly PlannedAction[]) => readonly PlannedAction[] {
  let dueSince = new Map<string, EpochMs>();
  return (plan) => {
    const now = clock.now();
    const before = dueSince;
    dueSince = new Map();
    return plan.filter(({ target, action }) => {
      if (target.kind === 'job' && action.kind !== 'keepAlive' && action.kind !== 'explain') return true;
      const since = before.get(targetKey(target)) ?? now;
      dueSince.set(targetKey(target), since);
      return now < nextBegins || elapsedMs(since, now) >= COMES_FIRST;
    });
  };
}
