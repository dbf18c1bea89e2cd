// The safety brake. A wrong TerrakubeApiUrl, or a database that was restored, looks as if all jobs were gone: then none of
// them is stopped, and an alarm says so. A job that was cancelled or has failed is no such sign: its Terrakube has it, with
// its steps, and many may be cancelled at once.
import type { DispatchIds } from './dispatch-request.ts';
import type { PlannedAction } from './plan-types.ts';
import { findStep, type TerrakubeJob } from './terrakube-job.ts';

/** So many stops are always allowed. */
const ALWAYS_ALLOWED = 5;
const SHARE = 0.2;

/** A plan after the brake. */
export interface Braked {
  readonly plan: readonly PlannedAction[];
  /** How many stops were left out: all of them, or none. */
  readonly heldBack: number;
}

/** Leaves out all stops that only a missing Terrakube job is a reason for, when they are too many. @param unfinished Jobs of ours that have not ended. */
export function brake(plan: readonly PlannedAction[], unfinished: number): Braked {
  const stops = plan.filter(isOnAbsence).length;
  if (stops <= Math.max(ALWAYS_ALLOWED, Math.floor(unfinished * SHARE))) return { plan, heldBack: 0 };
  return { plan: plan.filter((planned) => !isOnAbsence(planned)), heldBack: stops };
}

/** Says whether a planned stop rests on what Terrakube does not have: the job, or its step. */
export const isOnAbsence = ({ action, invariant }: PlannedAction): boolean =>
  action.kind === 'stop' &&
  (invariant === 'Superseded' || (invariant === 'OrphanJob' && action.verdict.action === 'cancel'));

/** Says whether a stop would, for one who has looked at a single Job. A plan with the brake on decides about those. */
export const isAbsent = (terrakube: TerrakubeJob | 'notFound' | 'unreachable', { stepId }: DispatchIds): boolean =>
  terrakube === 'notFound' ||
  (terrakube !== 'unreachable' && terrakube.status !== 'cancelled' && !findStep(terrakube, stepId));
