/**
 * Faults that a test injects: the next requests that match are answered with something else, late, or not at all.
 */

/** A fault. It never reaches the real work: nothing is read and nothing is written. */
export interface Fault {
  readonly method: string;
  /** Tested against the path without its query. */
  readonly path: RegExp;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
  /** How many requests get it. Default 1. */
  readonly times?: number;
  /** Waits before the answer. Milliseconds. */
  readonly delayMs?: number;
  /** Ends the connection without an answer. */
  readonly drop?: boolean;
}

/** The faults that are still to come. */
export interface Faults {
  add(fault: Fault): void;
  /** Takes the first fault that matches. */
  take(method: string, path: string): Fault | undefined;
}

/** Makes an empty list of faults. */
export function createFaults(): Faults {
  const waiting: { readonly fault: Fault; left: number }[] = [];
  return {
    add: (fault) => {
      waiting.push({ fault, left: fault.times ?? 1 });
    },
    take(method, path) {
      const next = waiting.find(({ fault, left }) => left > 0 && fault.method === method && fault.path.test(path));
      if (next === undefined) return undefined;
      next.left -= 1;
      return next.fault;
    },
  };
}
