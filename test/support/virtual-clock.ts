// A clock whose sleepers wake in the order of their times, once everything else that could go on has gone on. Minutes of a
// reconciler, its workers and the world around it pass in milliseconds.
import { type DurationMs, type EpochMs, epochMs } from '../../lib/domain/time.ts';
import { NOON } from './builders.ts';
import type { InMemoryClock } from './in-memory-clock.ts';

/** A clock for tests with many sleepers. */
export interface VirtualClock extends InMemoryClock {
  /** Calls back when the time has come, before any sleeper of the same moment. */
  at(afterMs: number, act: () => void): void;
  /** Lets time pass until the promise is settled. @throws what it rejects with, or Error when nobody sleeps any more. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** Lets so much time pass. */
  pass(milliseconds: number): Promise<void>;
}

interface Sleeper {
  readonly at: number;
  readonly order: number;
  wake(): void;
}

/** Microtasks and what they start: in-memory ports answer within a few turns of the event loop. */
const TURNS = 3;

/** Creates a clock. It stands still but within `until` and `pass`. */
export function createVirtualClock(start: EpochMs = NOON): VirtualClock {
  const sleeps: number[] = [];
  const listeners: (() => void)[] = [];
  let sleepers: Sleeper[] = [];
  let now: number = start;
  let count = 0;
  const add = (afterMs: number, wake: () => void): void => {
    count += 1;
    sleepers.push({ at: now + Math.max(0, afterMs), order: count, wake });
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const next = (): Sleeper | undefined => sleepers.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
  const step = (limit: number): boolean => {
    const sleeper = next();
    if (!sleeper || sleeper.at > limit) return false;
    sleepers = sleepers.filter((other) => other !== sleeper);
    if (sleeper.at > now) {
      now = sleeper.at;
      for (const listener of listeners) listener();
    }
    sleeper.wake();
    return true;
  };
  return {
    sleeps,
    now: () => epochMs(now),
    sleep(duration: DurationMs) {
      sleeps.push(duration);
      return new Promise((resolve) => add(duration, resolve));
    },
    advance(milliseconds) {
      now += milliseconds;
      for (const listener of listeners) listener();
    },
    onMove: (listener) => void listeners.push(listener),
    at: add,
    async until(promise) {
      let isSettled = false;
      const watched = promise.finally(() => {
        isSettled = true;
      });
      watched.catch(() => undefined);
      for (;;) {
        await settle();
        if (isSettled) return watched;
        if (!step(Number.POSITIVE_INFINITY)) throw new Error('nobody sleeps, and it is not settled');
      }
    },
    async pass(milliseconds) {
      const end = now + milliseconds;
      do await settle();
      while (step(end));
      if (now < end) {
        now = end;
        for (const listener of listeners) listener();
      }
      await settle();
    },
  };
}
