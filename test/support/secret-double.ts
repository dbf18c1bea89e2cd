/** A secret that a test rotates, with the count of its readings. */
import type { SecretSource } from '../../lib/ports.ts';

/** The double. */
export interface SecretDouble extends SecretSource {
  /** What the next refresh finds. */
  rotate(value: string): void;
  readonly refreshes: () => number;
}

/** Creates a secret that is kept until it is refreshed. */
export function createSecretDouble(first: string): SecretDouble {
  let kept = first;
  let stored = first;
  let refreshes = 0;
  return {
    get: async () => kept,
    async refresh() {
      refreshes += 1;
      if (stored === kept) return undefined;
      kept = stored;
      return kept;
    },
    rotate(value) {
      stored = value;
    },
    refreshes: () => refreshes,
  };
}
