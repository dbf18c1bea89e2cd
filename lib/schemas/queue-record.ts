// SQS records and the messages in them.
import * as v from 'valibot';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { epochMs } from '../domain/time.ts';
import { requestedOptions } from './payload-options.ts';
import { type QueueBody, readQueueDocument, type UnreadableMessage } from './queue-body.ts';

/** One SQS record, as far as dispatch reads it. */
export interface QueueRecord extends QueueBody {
  readonly messageId: string;
  readonly receiptHandle: string;
  /** 1 for the first delivery. */
  readonly receiveCount: number;
}

const decimal = v.pipe(v.string(), v.regex(/^[0-9]+$/), v.transform(Number));

const queueRecordSchema = v.object({
  messageId: v.string(),
  receiptHandle: v.string(),
  body: v.string(),
  attributes: v.object({ ApproximateReceiveCount: decimal, SentTimestamp: decimal }),
  messageAttributes: v.optional(v.record(v.string(), v.object({ stringValue: v.nullish(v.string()) })), {}),
});

/** Reads the records of an SQS event. @throws DispatcherError `messageUnreadable` when it is not one. */
export function parseQueueEvent(event: unknown): readonly QueueRecord[] {
  const parsed = v.safeParse(v.object({ Records: v.array(queueRecordSchema) }), event);
  if (!parsed.success) throw new DispatcherError('messageUnreadable', 'The event does not hold SQS records.');
  return parsed.output.Records.map(({ messageId, receiptHandle, body, attributes, messageAttributes }) => ({
    messageId,
    receiptHandle,
    body,
    attributes: Object.fromEntries(
      Object.entries(messageAttributes).flatMap(([name, { stringValue }]) =>
        stringValue ? [[name, stringValue]] : [],
      ),
    ),
    receiveCount: attributes.ApproximateReceiveCount,
    sentAt: epochMs(attributes.SentTimestamp),
  }));
}

/** Reads a message of the job queue, and what its payload asks for. */
export function parseDispatchMessage(record: QueueRecord): DispatchRequest | OversizedRequest | UnreadableMessage {
  const { message, document } = readQueueDocument(record);
  return 'payload' in message ? { ...message, asked: requestedOptions(document) } : message;
}
