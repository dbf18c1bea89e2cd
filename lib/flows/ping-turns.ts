// Two runs overlap for half a minute, and both see at the same moment that a waiting job is to be kept alive. Nothing can be
// claimed on the way to Terrakube, which loses one of two concurrent changes: so the later run comes first.
import type { PlannedAction } from '../domain/plan-types.ts';
import { targetKey } from '../domain/reconcile-plan.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs } from '../domain/time.ts';
import type { Clock } from '../ports.ts';

/** The next run pings, and this one sees that two seconds later. */
const COMES_FIRST: DurationMs = durationMs(4000);

/** Creates a filter of plans. @param nextBegins when the next run has surely begun. */
export function createPingTurns(
  clock: Clock,
  nextBegins: EpochMs,
): (plan: readonly PlannedAction[]) => readonly PlannedAction[] {
  let dueSince = new Map<string, EpochMs>();
  return (plan) => {
    const now = clock.now();
    const before = dueSince;
    dueSince = new Map();
    return plan.filter(({ target, action }) => {
      if (action.kind !== 'keepAlive' && action.kind !== 'explain') return true;
      const since = before.get(targetKey(target)) ?? now;
      dueSince.set(targetKey(target), since);
      return now < nextBegins || elapsedMs(since, now) >= COMES_FIRST;
    });
  };
}
