// How long a message waits before it is tried again.
import { type Seconds, seconds } from './time.ts';

const FIRST_SECONDS = 5;
/** A proxy may ask for hours. Whoever waits is looked at all the same: a fault may be over sooner, and a job is given up. */
const LONGEST_ASKED_SECONDS = 300;

/** Bounds of one wait. */
export interface RetryDelay {
  /** How many times the message was received, 1 for the first. */
  readonly receiveCount: number;
  /** Longest wait; default is 30 seconds. */
  readonly atMost?: Seconds;
  /** Shortest wait, as the other side asked for it (Retry-After). It is honoured even above `atMost`, up to 5 minutes. */
  readonly atLeast?: Seconds;
  /** 0 ≤ jitter < 1: spreads messages that failed together. */
  readonly jitter: number;
}

/** 5 seconds, doubled with each attempt up to the longest wait, of which up to a quarter is taken off by the jitter. */
export function retryDelay({ receiveCount, atMost = seconds(30), atLeast, jitter }: RetryDelay): Seconds {
  const doublings = Math.min(Math.max(receiveCount, 1), 16) - 1;
  const wait = Math.min(FIRST_SECONDS * 2 ** doublings, atMost);
  const asked = Math.min(atLeast ?? 0, LONGEST_ASKED_SECONDS);
  return seconds(Math.ceil(Math.max(wait * (1 - jitter / 4), asked)));
}
