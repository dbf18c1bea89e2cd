// What the start of a Job comes to, for the flows that take part in it.
import type { ApiRefusal, CreateVerdict, WaitCause } from '../domain/create-answer.ts';
import type { Reason } from '../domain/failure-text.ts';
import type { Seconds } from '../domain/time.ts';
import type { ApiAnswer } from '../ports.ts';

/** How long a message has to wait: exactly, or between bounds of the usual growing delay. */
export interface Wait {
  readonly exactly?: Seconds;
  readonly atLeast?: Seconds;
  readonly atMost?: Seconds;
}

/** A start that has to wait. */
export interface WaitResult {
  readonly kind: 'wait';
  readonly cause: WaitCause;
  readonly text: string;
  readonly wait: Wait;
  /** Whether a Job may be there, whose executor may be about to speak. */
  readonly mayRun: boolean;
}

/** What became of the Job. */
export type StartResult =
  | { readonly kind: 'created' | 'exists'; readonly jobName: string }
  | WaitResult
  /** The payload is too old for a new Job. */
  | { readonly kind: 'stale' }
  /** @property isStopped a Job was made and stopped in place with this reason. */
  | { readonly kind: 'terminal'; readonly reason: Reason; readonly isStopped: boolean };

/** The refusal in an answer that is not a success. */
export const refusalOf = <T>(answer: Exclude<ApiAnswer<T>, { kind: 'ok' }>): ApiRefusal | 'noAnswer' =>
  answer.kind === 'refused' ? answer.refusal : 'noAnswer';

/** A wait that the API server asks for. @param mayRun whether the Job is there. */
export const waitFor = (
  { text, cause, atLeast, atMost }: Extract<CreateVerdict, { kind: 'wait' }>,
  mayRun: boolean,
): WaitResult => ({
  kind: 'wait',
  cause,
  text,
  wait: { ...(atLeast === undefined ? {} : { atLeast }), ...(atMost === undefined ? {} : { atMost }) },
  mayRun,
});

/** A wait of our own, while a Job may be there. */
export const later = (cause: WaitCause, text: string, wait: Wait): WaitResult => ({
  kind: 'wait',
  cause,
  text,
  wait,
  mayRun: true,
});
