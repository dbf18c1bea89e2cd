// The clock of the machine.
import { setTimeout } from 'node:timers/promises';
import { epochMs } from '../domain/time.ts';
import type { Clock } from '../ports.ts';

/** Creates the clock. It goes on while Lambda has frozen the sandbox. */
export const createSystemClock = (): Clock => ({
  now: () => epochMs(Date.now()),
  sleep: (duration) => setTimeout(duration),
});
