// The dead-letter queue in memory. Like SQS it hides what it gives, so each letter comes once in a test, unless the test
// says that it comes twice.
import type { DeadLetter, DeadLetters } from '../../lib/ports.ts';
import { NOON } from './builders.ts';

/** A dead-letter queue for tests. */
export interface InMemoryDeadLetters extends DeadLetters {
  /** Receipt handles of what was removed, in their order. */
  readonly removed: readonly string[];
  /** How many times letters were asked for. */
  readonly receives: number;
}

/** A letter. The receipt handle of letter `m1` is `r-m1`. */
export const deadLetter = (changes: Partial<DeadLetter> = {}): DeadLetter => ({
  messageId: 'm1',
  receiptHandle: `r-${changes.messageId ?? 'm1'}`,
  body: '',
  attributes: {},
  sentAt: NOON,
  ...changes,
});

/** Creates a queue that holds these letters. */
export function createInMemoryDeadLetters(letters: readonly DeadLetter[]): InMemoryDeadLetters {
  const removed: string[] = [];
  let receives = 0;
  return {
    removed,
    get receives() {
      return receives;
    },
    async receive() {
      receives += 1;
      return letters.slice((receives - 1) * 10, receives * 10);
    },
    async remove(receiptHandle) {
      removed.push(receiptHandle);
    },
  };
}
