// Sandboxes that are killed: from one of its calls on, nothing of a killed process ever comes back.
import type { Around } from './tap.ts';

/** When a sandbox is killed: at the call of this number, before or after it has taken effect. */
export interface Kill {
  readonly at: number;
  readonly isDone: boolean;
}

/** What stands around the calls of a sandbox. */
export interface Mortal {
  readonly around: Around;
  /** How many calls were made until it was killed. */
  readonly calls: number;
}

const NEVER = new Promise<never>(() => undefined);

/** A sandbox that may be killed. */
export function createMortal(kill?: Kill): Mortal {
  let calls = 0;
  let isKilled = false;
  return {
    get calls() {
      return calls;
    },
    async around(_, call) {
      if (isKilled) return NEVER;
      calls += 1;
      isKilled = calls === kill?.at;
      if (isKilled && !kill?.isDone) return NEVER;
      const answer = await call();
      return isKilled ? NEVER : answer;
    },
  };
}
