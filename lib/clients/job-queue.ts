// The job queue: intake puts payloads on it, dispatch gives messages back with a delay or moves them aside.
import { DispatcherError } from '../domain/errors.ts';
import type { JobQueue, MessageHandling } from '../ports.ts';
import type { Sqs } from './aws/sqs.ts';
import { faultName } from './aws-fault.ts';

/** Creates the sending side. IAM: `sqs:SendMessage` on the job queue. */
export const createJobQueue = (sqs: Pick<Sqs, 'send'>, queueUrl: string): JobQueue => ({
  send: ({ body, attributes, groupId }) =>
    sqs
      .send({
        QueueUrl: queueUrl,
        MessageBody: body,
        MessageAttributes: stringAttributes(attributes),
        MessageGroupId: groupId,
      })
      .catch(unavailable('does not take the message')),
});

/** The longest delay of a message that is sent. */
const LONGEST_DELAY_SECONDS = 900;

/** Where messages are given back to and moved to. */
export interface MessageHandlingOptions {
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
}

/**
 * Creates the receiving side.
 *
 * IAM: `sqs:ChangeMessageVisibility` and `sqs:SendMessage` on the job queue, `sqs:SendMessage` on the dead-letter queue.
 *
 * @param load loads the SDK on first use: most invocations need none of this.
 */
export function createMessageHandling(
  load: () => Promise<Sqs>,
  { queueUrl, deadLetterQueueUrl }: MessageHandlingOptions,
): MessageHandling {
  let loaded: Promise<Sqs> | undefined;
  const sqs = (): Promise<Sqs> => {
    loaded ??= load().catch((error: unknown) => {
      // Otherwise one failure would last as long as the sandbox.
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
  return {
    async setDelay(receiptHandle, delay) {
      const { changeVisibility } = await sqs();
      await changeVisibility(queueUrl, receiptHandle, delay).catch(unavailable('does not change the delay'));
    },
    async sendAgain({ body, attributes, groupId }, delay) {
      const { send } = await sqs();
      const sent = await send({
        QueueUrl: queueUrl,
        MessageBody: body,
        MessageAttributes: stringAttributes(attributes),
        MessageGroupId: groupId,
        DelaySeconds: Math.min(delay, LONGEST_DELAY_SECONDS),
      }).catch(unavailable('does not take the message again'));
      if (sent !== 'sent') throw new DispatcherError('queueUnavailable', 'The job queue refuses the message.');
    },
    async sendDeadLetter({ body, attributes }) {
      const { send } = await sqs();
      const sent = await send({
        QueueUrl: deadLetterQueueUrl,
        MessageBody: body,
        MessageAttributes: stringAttributes(attributes),
      }).catch(unavailable('does not take the dead letter'));
      if (sent !== 'sent') throw new DispatcherError('queueUnavailable', 'The dead-letter queue refuses the message.');
    },
  };
}

const unavailable =
  (what: string) =>
  (cause: unknown): never => {
    throw new DispatcherError('queueUnavailable', `SQS ${what} (${faultName(cause)}).`, { cause });
  };

const stringAttributes = (attributes: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
  );
