// The `comments` of a Terrakube job: nobody sees them, a new text keeps a job in the queue alive (only a changed value
// counts), and they are the one place where the number of fresh payloads that a step has asked for outlives the
// messages and the Jobs. The record of starts is the prefix; what the step waits for follows it.
import type { StepId } from './dispatch-request.ts';
import { type DurationMs, durationMs, type EpochMs, isoTime, parseIsoTime } from './time.ts';

/** What was asked for: a start of this step with a fresh payload. */
export interface StartRecord {
  readonly stepId: StepId;
  /** 2 for the first fresh payload: the first start came with the job. */
  readonly start: number;
  readonly maxStarts: number;
  /** When the step's first payload was accepted. */
  readonly since: EpochMs;
  /** When this fresh payload was asked for. Messages that were accepted before it are out of date. */
  readonly askedAt: EpochMs;
}

/** Terrakube's column, in characters. */
const LIMIT = 512;

const RECORD = /^fresh (\d{1,4})\/(\d{1,4}) (\S{1,63}) since (\S{1,30}) asked (\S{1,30})(?:;|$)/;

/** The record of a step, or undefined when the comments hold none, or another step's. */
export function startRecord(comments: string | null, stepId: StepId): StartRecord | undefined {
  const [, start = '', maxStarts = '', id, since = '', asked = ''] = RECORD.exec(comments ?? '') ?? [];
  const [sinceMs, askedAt] = [parseIsoTime(since), parseIsoTime(asked)];
  if (id !== stepId || sinceMs === undefined || askedAt === undefined) return undefined;
  return { stepId, start: Number(start), maxStarts: Number(maxStarts), since: sinceMs, askedAt };
}

/** The record as text: the whole comments of a job that asks for a fresh payload. */
export const recordText = ({ stepId, start, maxStarts, since, askedAt }: StartRecord): string =>
  `fresh ${start}/${maxStarts} ${stepId} since ${isoTime(since)} asked ${isoTime(askedAt)}`;

/** Comments that keep a waiting job alive. The record stays in front. @param text what is waited for. */
export function waitingComments(record: StartRecord | undefined, text: string, age: DurationMs): string {
  const prefix = record === undefined ? '' : `${recordText(record)}; `;
  const ending = `, ${Math.floor(age / 1000)} s`;
  return `${prefix}waiting: ${text.slice(0, LIMIT - prefix.length - ending.length - 9)}${ending}`;
}

/**
 * At most as often as this, and not before the first of it: most waits are over sooner, and each write that is not made
 * cannot meet one of the executor. Terrakube 2.33.0 gives up a job in its queue after 60 s without a change. A waiting
 * message is looked at after 23 to 30 s, so each look writes; were one of them too early, the next would come too late.
 */
const PING_EVERY: DurationMs = durationMs(20_000);

/** Says whether the job should be kept alive now. @param age of the payload, which the last ping's text ends with. */
export function isPingDue(comments: string | null, age: DurationMs): boolean {
  if (age < PING_EVERY) return false;
  const last = /waiting: .*, (\d{1,9}) s$/s.exec(comments ?? '')?.[1];
  if (last === undefined) return true;
  const sinceLast = durationMs(age - Number(last) * 1000);
  // The age of another payload: the ping was for an earlier start.
  return sinceLast < 0 || sinceLast >= PING_EVERY;
}
