// SQS events as Lambda makes them, for messages that a test wants to deliver as often as it likes.
import { randomUUID } from 'node:crypto';

/** One message. */
export interface TestMessage {
  readonly body: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly messageId?: string;
  readonly receiveCount?: number;
}

/** An event with these messages. */
export const queueEvent = (...messages: readonly TestMessage[]): { readonly Records: readonly object[] } => ({
  Records: messages.map(({ body, attributes = {}, messageId = randomUUID(), receiveCount = 1 }) => ({
    messageId,
    receiptHandle: `receipt of ${messageId}`,
    body,
    attributes: {
      ApproximateReceiveCount: String(receiveCount),
      SentTimestamp: String(Date.now()),
      SenderId: 'AROAEXAMPLE:intake',
      ApproximateFirstReceiveTimestamp: String(Date.now()),
    },
    messageAttributes: Object.fromEntries(
      Object.entries({ acceptedAt: new Date().toISOString(), ...attributes }).map(([name, stringValue]) => [
        name,
        { stringValue, dataType: 'String', stringListValues: [], binaryListValues: [] },
      ]),
    ),
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:123456789012:job-queue',
    awsRegion: 'eu-central-1',
  })),
});
