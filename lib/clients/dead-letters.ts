// The dead-letter queue: messages that were delivered too often, or that nobody could read.
import { DispatcherError } from '../domain/errors.ts';
import { type Seconds, seconds } from '../domain/time.ts';
import type { DeadLetters } from '../ports.ts';
import type { DeadLetterQueue } from './aws/dead-letter-queue.ts';
import { faultName } from './aws-fault.ts';

/** Options of {@link createDeadLetters}. */
export interface DeadLettersOptions {
  readonly queueUrl: string;
  /** Loads the SDK, on first use. */
  readonly load: () => Promise<DeadLetterQueue>;
  /**
   * How long SQS waits for a letter, 3 seconds at most; default is 0. Then it asks only some of its servers, and a queue
   * that seems to be empty may not be.
   */
  readonly wait?: Seconds;
}

/** Creates the client. IAM: `sqs:ReceiveMessage` and `sqs:DeleteMessage` on the dead-letter queue. */
export function createDeadLetters({ queueUrl, load, wait = seconds(0) }: DeadLettersOptions): DeadLetters {
  let loaded: Promise<DeadLetterQueue> | undefined;
  const queue = (): Promise<DeadLetterQueue> => {
    loaded ??= load().catch((error: unknown) => {
      // Otherwise one failure would last as long as the sandbox.
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
  return {
    async receive() {
      const { receive } = await queue();
      return receive(queueUrl, wait).catch(unavailable('does not give the dead letters'));
    },
    async remove(receiptHandle) {
      const { remove } = await queue();
      await remove(queueUrl, receiptHandle).catch(unavailable('does not remove the dead letter'));
    },
  };
}

const unavailable =
  (what: string) =>
  (cause: unknown): never => {
    throw new DispatcherError('queueUnavailable', `SQS ${what} (${faultName(cause)}).`, { cause });
  };
