// The form of a row of the table, how the table is read, and the actions that many rows take.
import { cut, type Reason, TITLE_LIMIT } from './failure-text.ts';
import type { Case } from './verdict-case.ts';
import type { Action, Verdict } from './verdict-types.ts';

/** One row: what it says on the page, and what it does. */
export interface VerdictRow {
  readonly row: number;
  /** What Kubernetes shows, for the page. */
  readonly kubernetes: string;
  /** What Terrakube shows, for the page. */
  readonly terrakube: string;
  /** What is done, for the page. */
  readonly does: string;
  fits(seen: Case): boolean;
  /** The action for a case that fits. */
  action(seen: Case): Action;
}

/** The first row that fits, with its action. */
export function firstFit(rows: readonly VerdictRow[], seen: Case): Verdict | undefined {
  const found = rows.find((row) => row.fits(seen));
  return found && { row: found.row, action: found.action(seen) };
}

/** Nothing to do. */
export const leave = (why: string): Action => ({ kind: 'leave', why });

/** What a recorded verdict says to do once the Job has ended. `quiet`: nothing. */
export type RecordedAction = 'cancel' | 'quiet' | 'fail' | 'restart';

/** A recorded verdict is an annotation. Its texts are cut: no message may be so long that its Job cannot be stopped. */
const TEXT_LIMIT = 1000;

/** What is said about a stop besides its reason. */
export interface StopDetails {
  readonly cause: string;
  readonly deletePod?: boolean;
  readonly logLine?: string;
}

/** Stops the Job in place, with the verdict that is recorded. */
export const stop = (
  action: RecordedAction,
  reason: Reason,
  { cause, deletePod = false, ...line }: StopDetails,
): Action => ({
  kind: 'stop',
  verdict: {
    action,
    cause,
    title: cut(reason.title, TITLE_LIMIT),
    evidence: cut(reason.evidence, TEXT_LIMIT),
    advice: cut(reason.advice, TEXT_LIMIT),
  },
  deletePod,
  ...line,
});
