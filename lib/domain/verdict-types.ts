// What a verdict is taken from, and what it may be. The table that decides is in verdict-rows-*.ts.
import type { DispatchIds } from './dispatch-request.ts';
import type { Reason } from './failure-text.ts';
import type { JobOutcome } from './job-outcome.ts';
import type { RecordedVerdict } from './recorded-verdict.ts';
import type { TerrakubeJob } from './terrakube-job.ts';
import type { DurationMs, EpochMs } from './time.ts';

/** Everything that a verdict is taken from. */
export interface VerdictInput {
  readonly ids: DispatchIds;
  readonly outcome: JobOutcome;
  /** Terrakube's side; `unreachable` when it could not be read. */
  readonly terrakube: TerrakubeJob | 'notFound' | 'unreachable';
  readonly facts: StepFacts;
  readonly settings: VerdictSettings;
  /** The API server's clock. */
  readonly now: EpochMs;
}

/** What the caller knows besides the Job and the Terrakube job. */
export interface StepFacts {
  /** Whether no other Job of this step was created later. */
  readonly isNewest: boolean;
  /** Whether another Job of this step exists. */
  readonly hasOtherJobOfStep: boolean;
  /** Whether a Job of ours of this Terrakube job has not ended (this one not counted). */
  readonly hasUnfinishedJobOfTerrakubeJob: boolean;
  /** Whether any other Job of ours belongs to this Terrakube job. */
  readonly hasOtherJobOfTerrakubeJob: boolean;
  /** Starts that the step has left, by names and by the job's comments. */
  readonly startsLeft: number;
  /** Age of the payload, from its acceptance; undefined when it is not known. */
  readonly payloadAge: DurationMs | undefined;
  /**
   * How long Terrakube's side has looked as it does now, at least: by our own looks, or by its `updatedDate` less the 60 s
   * that its resolution of one minute may be wrong by.
   */
  readonly unchangedFor: DurationMs;
  /** Whether the Job bears the mark `restartedAt`: its recorded restart was carried out. */
  readonly isRestarted?: boolean;
}

/** What an installation decides. */
export interface VerdictSettings {
  readonly payloadMaxAge: DurationMs;
  readonly silentAfter: DurationMs;
  /** The longest that a Job may live: its deadline and its pod's grace period. */
  readonly deadline: DurationMs;
  readonly ownsAllSteps: boolean;
  readonly isDispatchPaused: boolean;
  readonly cancelRunningApply: boolean;
  readonly keepAlive: boolean;
}

/** One deed. */
export type Action =
  /** Nothing. `logLine`: one line for the run's log, without who speaks, written once. */
  | { readonly kind: 'leave'; readonly why: string; readonly logLine?: string }
  | { readonly kind: 'retry' }
  /** Stop in place, with the verdict that is recorded. `deletePod`: with a grace of one second. */
  | {
      readonly kind: 'stop';
      readonly verdict: Omit<RecordedVerdict, 'at'>;
      readonly deletePod: boolean;
      /** One line for the run's log, without who speaks, written once. */
      readonly logLine?: string;
    }
  /** Fail the step, and then its job, with the reason. */
  | { readonly kind: 'fail'; readonly reason: Reason; readonly cause: string }
  /** Finish a tell: what is missing of step and job. */
  | { readonly kind: 'tell'; readonly scope: 'step' | 'job' | 'both'; readonly reason: Reason | undefined }
  /** The job alone, to this status. */
  | { readonly kind: 'patchJob'; readonly status: 'cancelled' | 'failed'; readonly reason: Reason | undefined }
  /** The step alone, under a job that has ended. */
  | { readonly kind: 'patchStep'; readonly status: 'failed' | 'cancelled'; readonly reason: Reason | undefined }
  /** The name of a step that ended without a cause gets it, once. */
  | { readonly kind: 'annotate'; readonly title: string }
  /** One line in the run's log when the cause changes. */
  | { readonly kind: 'explain'; readonly text: string; readonly keepAlive: boolean }
  | { readonly kind: 'keepAlive'; readonly text: string }
  /** Record the verdict `restart` on an ended Job, or carry out a recorded one. */
  | {
      readonly kind: 'restart';
      readonly phase: 'record' | 'carryOut';
      readonly reason: Reason;
      readonly cause: string;
    }
  /** Delete a suspended Job that nobody needs. */
  | { readonly kind: 'delete'; readonly why: string };

/** A verdict: the row that fits, and its action. */
export interface Verdict {
  /** Number of the row in the table. */
  readonly row: number;
  readonly action: Action;
}
