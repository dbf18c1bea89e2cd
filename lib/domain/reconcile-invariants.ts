// What must never be. Each verdict that mends something says which promise was broken; the counters are what alarms watch.
import { INVARIANTS, type Invariant, type MetricName } from './metric-names.ts';
import type { PlannedAction } from './plan-types.ts';
import { type Case, isHalfTold } from './verdict-case.ts';
import type { Verdict } from './verdict-types.ts';

/** The invariant that a verdict mends; undefined when everything is as it should be. */
export function invariantOf(seen: Case, { row, action }: Verdict): Invariant | undefined {
  const { side, step, job } = seen;
  switch (row) {
    case 4:
      return 'NeverCreatedStep';
    case 5:
    case 27:
      return 'HalfToldJob';
    case 12:
      return 'Revived';
    case 8:
    case 11:
    case 31:
    case 34:
      return 'FailedJobNotTold';
    case 13:
      return isHalfTold(seen) ? 'HalfToldJob' : 'FailedJobNotTold';
    case 16:
    case 22:
    case 23:
      return action.kind !== 'stop' ? undefined : side === 'gone' ? 'OrphanJob' : 'CancelledButAlive';
    case 17:
      if (job !== undefined && step === undefined) return 'Superseded';
      return action.kind === 'stop' && action.verdict.cause === 'swept' ? 'SweptButAboutToStart' : 'OrphanJob';
    case 24:
      return 'OrphanJob';
    case 25:
      return 'SilentExecutor';
    case 6:
    case 28:
    case 29:
    case 32:
      return 'LostCallback';
    case 35:
    case 38:
      return 'StepLeftPending';
    default:
      return undefined;
  }
}

/** How often each invariant is broken in a plan; those that hold count 0. Dead letters are counted where they are read. */
export function countInvariants(plan: readonly PlannedAction[]): Partial<Readonly<Record<MetricName, number>>> {
  const counts: Partial<Record<MetricName, number>> = {};
  for (const invariant of INVARIANTS) {
    if (invariant !== 'DeadLetterNotAnswered') counts[`Invariant${invariant}`] = 0;
  }
  for (const { invariant } of plan) {
    if (invariant) counts[`Invariant${invariant}`] = (counts[`Invariant${invariant}`] ?? 0) + 1;
  }
  return counts;
}
