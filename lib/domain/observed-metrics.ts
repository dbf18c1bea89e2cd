// What is counted of the things that job-status and reconcile do.
import type { JobOutcome } from './job-outcome.ts';
import type { MetricName, MetricValues } from './metric-names.ts';
import { type DurationMs, type EpochMs, elapsedMs } from './time.ts';
import type { Action, Verdict } from './verdict-types.ts';

/** What was done about a Job or step. */
export interface DoneAction {
  /** Number of the verdict's row. */
  readonly row: number;
  readonly action: Action['kind'];
  readonly deed: string;
  readonly told?: Told;
}

/** What a tell was about. */
export interface Told {
  /** One of a known set: a Job's recorded verdict can be written by others. */
  readonly cause: string;
  /** How long before the tell the Job had ended, by the API server's clock; absent where no end is known. */
  readonly sinceEnd?: DurationMs;
}

/** What a verdict tells, now that it was carried out; undefined where it tells nothing. */
export function toldOf({ action }: Verdict, outcome: JobOutcome, now: EpochMs): Told | undefined {
  if (action.kind !== 'fail' && action.kind !== 'tell') return undefined;
  const shown = outcome.kind === 'missing' ? outcome.last : outcome;
  return {
    cause: causeOf(action, outcome, shown),
    ...(shown && 'endedAt' in shown && { sinceEnd: elapsedMs(shown.endedAt, now) }),
  };
}

/** One of a known set, never what stands in a verdict. */
function causeOf(
  action: Extract<Action, { readonly kind: 'fail' | 'tell' }>,
  outcome: JobOutcome,
  shown: Exclude<JobOutcome, { readonly kind: 'missing' }> | undefined,
): string {
  if (shown?.kind === 'failed') return shown.cause;
  if (action.kind === 'tell') return 'halfTold';
  const wasDeleted = outcome.kind === 'missing' && shown !== undefined && shown.kind !== 'succeeded';
  return wasDeleted ? 'podDeleted' : action.cause;
}

const METRIC_OF: Partial<Readonly<Record<Action['kind'], MetricName>>> = {
  stop: 'Stopped',
  fail: 'ToldFailed',
  tell: 'ToldFailed',
  restart: 'Restarted',
  annotate: 'Annotated',
};

/** The values to put, and the cause of a tell. No values where nothing was done. */
export function observedMetrics({ row, action, deed, told }: DoneAction): [MetricValues, string?] {
  const name = METRIC_OF[action];
  // Recording that a step is to be started again is not yet a start.
  if (name === undefined || deed !== 'done' || (name === 'Restarted' && row !== 10)) return [{}];
  if (!told) return [{ [name]: 1 }];
  const { cause, sinceEnd } = told;
  return [{ [name]: 1, ...(sinceEnd !== undefined && { ClusterToToldMs: sinceEnd }) }, cause];
}
