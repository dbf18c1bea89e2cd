// What the cluster shows of a Job: the Job itself, its Pods and Events, turned into one of seven outcomes.
import type { Cause } from './causes.ts';
import type { RecordedVerdict } from './recorded-verdict.ts';
import type { DurationMs, EpochMs } from './time.ts';

/** Whether the executor's container ever ran. `unknown` is treated like `yes`: only a proof is a `no`. */
export type EverStarted = 'yes' | 'no' | 'unknown';

/** What is wrong, as it was seen. */
export interface Finding {
  readonly cause: Cause;
  /** What happened, in at most 90 characters. */
  readonly title: string;
  /** Object, condition, exit code, limit: what a person would look at. */
  readonly evidence: string;
  /** Whether a step that provably never ran may be started again for this cause. */
  readonly restartable: boolean;
}

/** What keeps a Job from starting. */
export interface Blocker extends Finding {
  /** How long it may last, from the outcome's `since`; `payloadAge`: as long as the payload is fresh. */
  readonly grace: DurationMs | 'payloadAge';
}

/** What every outcome of a Job that exists, or existed, says. */
interface Always {
  /** The verdict that a door has recorded; `unreadable` when somebody else wrote one. */
  readonly intent: RecordedVerdict | 'unreadable' | undefined;
  /** 1, 2, 3 …, from the Job's name; 0 when the name is none of ours. */
  readonly start: number;
  /** The step's type, from the Job's label. */
  readonly type: string;
}

/** What the cluster shows. */
export type JobOutcome =
  /** There is no such Job. `last` is the outcome of the final document that an event carried, if one did. */
  | { readonly kind: 'missing'; readonly last?: Exclude<JobOutcome, { kind: 'missing' }>; readonly hasPods: boolean }
  /** `spec.suspend`, and no condition. */
  | (Always & { readonly kind: 'suspended'; readonly since: EpochMs })
  /** Not ended, and no container of the executor has run. */
  | (Always & {
      readonly kind: 'waiting';
      readonly blocker: Blocker | undefined;
      readonly everStarted: EverStarted;
      /** Creation of the pod, or of the Job without one. */
      readonly since: EpochMs;
    })
  /** The executor's container runs, or its pod has ended and the Job has no condition yet. */
  | (Always & { readonly kind: 'running'; readonly startedAt: EpochMs })
  /** FailureTarget, or a deletionTimestamp on the Job. */
  | (Always & { readonly kind: 'stopping'; readonly since: EpochMs; readonly graceMs: DurationMs })
  /** Complete. That says only that the container ended with 0. */
  | (Always & { readonly kind: 'succeeded'; readonly endedAt: EpochMs })
  /** Failed; also a suspended Job with a recorded verdict, whose last action is its delete. */
  | (Always &
      Finding & {
        readonly kind: 'failed';
        readonly everStarted: EverStarted;
        readonly endedAt: EpochMs;
        readonly isSuspended: boolean;
      });

/** The kinds of outcome. */
export type OutcomeKind = JobOutcome['kind'];
