// How long a message waits before it is tried again.
import { type Seconds, seconds } from './time.ts';

const FIRST_SECONDS = 5;
/** SQS keeps a message invisible for 12 hours at most, counted from its receipt; a longer wait is refused. */
const LONGEST_SECONDS = 43_000;

/** Bounds of one wait. */
export interface RetryDelay {
  /** How many times the message was received, 1 for the first. */
  readonly receiveCount: number;
  /** Longest wait; default is 30 seconds. */
  readonly atMost?: Seconds;
  /** Shortest wait, as the other side asked for it (Retry-After). It is honoured even above `atMost`, up to 12 hours. */
  readonly atLeast?: Seconds;
  /** 0 ≤ jitter < 1: spreads messages that failed together. */
  readonly jitter: number;
}

/** 5 seconds, doubled with each attempt up to the longest wait, of which up to a quarter is taken off by the jitter. */
export function retryDelay({ receiveCount, atMost = seconds(30), atLeast, jitter }: RetryDelay): Seconds {
  const doublings = Math.min(Math.max(receiveCount, 1), 16) - 1;
  const wait = Math.min(FIRST_SECONDS * 2 ** doublings, atMost);
  const asked = Math.max(wait * (1 - jitter / 4), atLeast ?? 0);
  return seconds(Math.min(Math.ceil(asked), LONGEST_SECONDS));
}
