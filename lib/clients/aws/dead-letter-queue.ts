// The SQS calls for dead letters. A file of their own, so that intake and dispatch go without them.
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { epochMs, type Seconds } from '../../domain/time.ts';
import type { DeadLetter } from '../../ports.ts';
import { CALL_LIMITS } from './call-limits.ts';
import type { SqsOptions } from './sqs.ts';

/** The calls, on one connection pool. Both throw the SDK's errors. With a KMS key they need `kms:Decrypt`. */
export interface DeadLetterQueue {
  /** Up to ten messages, hidden from others for two minutes. IAM: `sqs:ReceiveMessage`. @param wait for a first one. */
  receive(queueUrl: string, wait: Seconds): Promise<readonly DeadLetter[]>;
  /** IAM: `sqs:DeleteMessage`. */
  remove(queueUrl: string, receiptHandle: string): Promise<void>;
}

/** Creates the SQS calls. */
export function createDeadLetterQueue({ region, credentials }: SqsOptions): DeadLetterQueue {
  const client = new SQSClient({ region, credentials, ...CALL_LIMITS });
  return {
    async receive(QueueUrl, WaitTimeSeconds) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          WaitTimeSeconds,
          MaxNumberOfMessages: 10,
          VisibilityTimeout: 120,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['SentTimestamp'],
        }),
      );
      return Messages.map(({ MessageId = '', ReceiptHandle = '', Body = '', Attributes, MessageAttributes = {} }) => ({
        messageId: MessageId,
        receiptHandle: ReceiptHandle,
        body: Body,
        attributes: Object.fromEntries(
          Object.entries(MessageAttributes).flatMap(([name, { StringValue }]) =>
            StringValue ? [[name, StringValue]] : [],
          ),
        ),
        sentAt: epochMs(Number(Attributes?.SentTimestamp ?? 0)),
      }));
    },
    async remove(QueueUrl, ReceiptHandle) {
      await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    },
  };
}
