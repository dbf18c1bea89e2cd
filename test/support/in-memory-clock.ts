// A clock that stands still until somebody sleeps or a test moves it.
import { type DurationMs, type EpochMs, epochMs } from '../../lib/domain/time.ts';
import type { Clock } from '../../lib/ports.ts';
import { NOON } from './builders.ts';

/** A clock for tests. */
export interface InMemoryClock extends Clock {
  /** All sleeps so far, in milliseconds. */
  readonly sleeps: readonly number[];
  advance(milliseconds: number): void;
  /** Called at once whenever the time has moved. */
  onMove(listener: () => void): void;
}

/** Creates a clock. Sleeping takes no time of the test. */
export function createInMemoryClock(start: EpochMs = NOON): InMemoryClock {
  const sleeps: number[] = [];
  const listeners: (() => void)[] = [];
  let now: number = start;
  const move = (milliseconds: number): void => {
    now += milliseconds;
    for (const listener of listeners) listener();
  };
  return {
    sleeps,
    now: () => epochMs(now),
    async sleep(duration: DurationMs) {
      sleeps.push(duration);
      move(duration);
    },
    advance: move,
    onMove: (listener) => void listeners.push(listener),
  };
}
