// What is counted of the things that job-status and reconcile do.
import type { MetricName, MetricValues } from './metric-names.ts';
import type { DurationMs } from './time.ts';
import type { Action } from './verdict-types.ts';

/** What was done about a Job or step. */
export interface DoneAction {
  /** Number of the verdict's row. */
  readonly row: number;
  readonly action: Action['kind'];
  readonly deed: string;
  /** The outcome's kind, and behind `: ` its cause where it has one. */
  readonly outcome: string;
  /** How long before the tell the Job had ended, by the API server's clock. */
  readonly sinceEnd?: DurationMs | undefined;
}

const METRIC_OF: Partial<Readonly<Record<Action['kind'], MetricName>>> = {
  stop: 'Stopped',
  fail: 'ToldFailed',
  tell: 'ToldFailed',
  restart: 'Restarted',
  annotate: 'Annotated',
};

/** The values to put, and the reason of a tell: the outcome's cause, else its kind. No values where nothing was done. */
export function observedMetrics({ row, action, deed, outcome, sinceEnd }: DoneAction): [MetricValues, string?] {
  const name = METRIC_OF[action];
  // Recording that a step is to be started again is not yet a start.
  if (name === undefined || deed !== 'done' || (name === 'Restarted' && row !== 10)) return [{}];
  if (name !== 'ToldFailed') return [{ [name]: 1 }];
  return [{ [name]: 1, ...(sinceEnd !== undefined && { ClusterToToldMs: sinceEnd }) }, outcome.replace(/.*: /, '')];
}
