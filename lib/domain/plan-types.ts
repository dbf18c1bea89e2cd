// What a plan is made from, and what it says. The planning is in reconcile-plan.ts.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from './dispatch-request.ts';
import type { Installation } from './job-name.ts';
import type { Invariant } from './metric-names.ts';
import type { ListedTerrakubeJob } from './terrakube-job.ts';
import type { EpochMs } from './time.ts';
import type { Action, VerdictSettings } from './verdict-types.ts';

/** What was read of both worlds. */
export interface Worlds {
  /** Jobs of the executors' namespace; those of others are not looked at. */
  readonly jobs: readonly V1Job[];
  /** Pods that have not ended, and those of ended Jobs as far as they were read. */
  readonly pods: readonly V1Pod[] | 'forbidden';
  readonly events: readonly CoreV1Event[] | 'forbidden';
  /** By id. `notFound`: Terrakube was asked and did not list it. Absent: it was not asked. */
  readonly terrakube: ReadonlyMap<string, ListedTerrakubeJob | 'notFound'>;
  /** Since when each Terrakube job has looked as it does now. */
  readonly unchangedSince: ReadonlyMap<string, EpochMs>;
  /** The API server's clock. */
  readonly now: EpochMs;
}

/** What a plan is about besides the worlds. */
export interface PlanSettings {
  readonly installation: Installation;
  readonly settings: VerdictSettings;
  readonly maxStarts: number;
}

/** Whom an action is about. */
export type Target =
  | { readonly kind: 'job'; readonly name: string; readonly ids: DispatchIds }
  /** A step without a Job. */
  | { readonly kind: 'step'; readonly ids: DispatchIds };

/** What may be done: a verdict's action, or the deletion of a payload Secret that nobody reads any more. */
export type PlanAction = Action | { readonly kind: 'deletePayload' };

/** One line of the plan. */
export interface PlannedAction {
  readonly target: Target;
  /** The verdict's row; 0 for what no verdict says. */
  readonly row: number;
  readonly action: PlanAction;
  /** Why, for people. */
  readonly why: string;
  /** What must not be, and is. */
  readonly invariant: Invariant | undefined;
  /** Whether its Job has ended, or there is none. */
  readonly isOver: boolean;
}
