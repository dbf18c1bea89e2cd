// What a user reads in the run's log while a step waits for the cluster: one line when the cause changes, not one a look.
import type { WaitCause } from './create-answer.ts';
import { type DurationMs, durationMs } from './time.ts';

/** Every such line begins with it. */
const OPENING = 'terrakube-dispatcher: waiting: ';

/** How long a cause may last before it is worth a line: most of these pass by themselves within seconds. */
const SAID_AFTER: Readonly<Record<WaitCause, DurationMs>> = {
  quota: durationMs(0),
  namespaceTerminating: durationMs(0),
  throttled: durationMs(30_000),
  unavailable: durationMs(30_000),
  noAnswer: durationMs(30_000),
  beingDeleted: durationMs(30_000),
  // A new access entry takes seconds to work; after five minutes somebody has to look at it.
  unauthorized: durationMs(300_000),
  paused: durationMs(0),
};

/** The line for a cause, or undefined while it is too early for one. @param text what is waited for. */
export function waitingLine(cause: WaitCause, text: string, age: DurationMs): string | undefined {
  return age >= SAID_AFTER[cause] ? `${OPENING}${text}` : undefined;
}

/** What is said in a run's log, and the code of the cause that it tells of. */
export interface Word {
  readonly line: string;
  readonly cause?: string | undefined;
}

/** The line for what a Job waits for in the cluster. */
export const blockedLine = (text: string): string => `${OPENING}${text}`;

/**
 * Says whether the run's log already tells this: its last waiting line is the same, figures in brackets aside (a quota
 * that is used up by other numbers is the same cause).
 */
export function isAlreadySaid(log: string, line: string): boolean {
  const last = log.split('\n').findLast((text) => text.startsWith(OPENING));
  return last !== undefined && isSame(last, line);
}

/** Says whether two lines tell the same, figures aside: `0/5 nodes are available` is no news after `0/4`. */
export const isSame = (one: string, other: string): boolean =>
  withoutFigures(one).replace(/\d+/g, '') === withoutFigures(other).replace(/\d+/g, '');

/**
 * Says whether a Job's word (its annotation `said`) tells a line already. With a cause it is no news until that changes: a
 * pull and its back-off, or two looks of a scheduler, have other words each time.
 */
export const isSaidBy = (said: string, { line, cause }: Word): boolean =>
  cause === undefined ? isSame(said, line) : said.startsWith(`${cause}: `);

/** What the Job remembers of a word. */
export const saidText = ({ line, cause }: Word): string => (cause === undefined ? line : `${cause}: ${line}`);

const withoutFigures = (line: string): string => line.replace(/ \([^()]*\)\s*$/, '').trimEnd();

/** What the run's log says last about what is waited for, without the opening. */
export function lastWait(log: string): string | undefined {
  const last = log.split('\n').findLast((text) => text.startsWith(OPENING));
  return last?.slice(OPENING.length).trimEnd();
}
