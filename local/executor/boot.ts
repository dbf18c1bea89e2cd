/**
 * The boot of the executor's JVM, as it was recorded: SIGTERM ends an early one at once with exit code 143 and without a word to
 * Terrakube; a later one is not heard until the executor has started, and then its step still runs to the end.
 */

import { setTimeout as pause } from 'node:timers/promises';

/** How a boot is acted. */
export interface BootOptions {
  /** How long it takes, in milliseconds. */
  readonly bootMs: number;
  /** How long SIGTERM ends it at once, in milliseconds from its start. */
  readonly heedsStopMs: number;
  /** Ends the process as the JVM does. */
  exit(code: number): void;
  log(text: string): void;
}

/** Exit code after SIGTERM. */
export const TERMINATED = 143;

/** Boots. @returns whether it was told to stop meanwhile, too late to be heard. */
export async function boot({ bootMs, heedsStopMs, exit, log }: BootOptions): Promise<boolean> {
  const startedAtMs = performance.now();
  let wasToldToStop = false;
  const heed = (): void => {
    if (performance.now() - startedAtMs < heedsStopMs) exit(TERMINATED);
    else wasToldToStop = true;
  };
  process.on('SIGTERM', heed);
  log(`Booting for ${bootMs} ms.`);
  await pause(bootMs);
  process.off('SIGTERM', heed);
  return wasToldToStop;
}
