// SQS records and the messages in them.
import * as v from 'valibot';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { ATTRIBUTE } from '../domain/queue-message.ts';
import { type EpochMs, epochMs, parseIsoTime } from '../domain/time.ts';
import { parseJsonBytes } from './json.ts';
import { readIds } from './payload-ids.ts';
import { readRequestedOptions } from './payload-options.ts';

/** One SQS record, as far as dispatch reads it. */
export interface QueueRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  /** Names and values of the string attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  /** 1 for the first delivery. */
  readonly receiveCount: number;
  readonly sentAt: EpochMs;
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

const byteCount = v.pipe(v.number(), v.integer(), v.minValue(0));
const oversizedSchema = v.object({ bodyBytes: byteCount, limitBytes: byteCount });
const envelopeSchema = v.object({
  source: v.literal('terrakube'),
  'detail-type': v.literal('Terrakube Job'),
  time: v.string(),
  detail: v.record(v.string(), v.unknown()),
});

/** A message that nobody can act on; the problem quotes nothing of it. */
export interface UnreadableMessage {
  readonly problem: string;
}

/** Reads a message of the job queue: a payload as it is or as base64, an oversized notice, or an EventBridge envelope. */
export function parseDispatchMessage(record: QueueRecord): DispatchRequest | OversizedRequest | UnreadableMessage {
  const acceptedAt = parseIsoTime(record.attributes[ATTRIBUTE.acceptedAt] ?? '') ?? record.sentAt;
  const encoding = record.attributes[ATTRIBUTE.encoding];
  if (encoding !== undefined && encoding !== 'base64') return unreadable('its encoding is not known');
  const bytes = Buffer.from(record.body, encoding ?? 'utf8');
  const kind = record.attributes[ATTRIBUTE.kind] ?? 'payload';
  if (kind === 'oversized') return oversizedRequest(bytes, acceptedAt);
  if (kind !== 'payload') return unreadable('its kind is not known');
  const envelope = v.safeParse(envelopeSchema, parseJsonBytes(bytes));
  if (envelope.success) {
    const { detail, time } = envelope.output;
    return payloadRequest(Buffer.from(JSON.stringify(detail), 'utf8'), parseIsoTime(time) ?? acceptedAt);
  }
  return payloadRequest(bytes, acceptedAt);
}

function payloadRequest(payload: Uint8Array, acceptedAt: EpochMs): DispatchRequest | UnreadableMessage {
  const ids = readIds(payload);
  if (!ids) return unreadable('it is not a Terrakube payload');
  return { ids, payload, acceptedAt, asked: readRequestedOptions(payload) };
}

function oversizedRequest(bytes: Uint8Array, acceptedAt: EpochMs): OversizedRequest | UnreadableMessage {
  const ids = readIds(bytes);
  const sizes = v.safeParse(oversizedSchema, parseJsonBytes(bytes));
  if (!ids || !sizes.success) return unreadable('it is not an oversized notice');
  return { ids, ...sizes.output, acceptedAt };
}

const unreadable = (problem: string): UnreadableMessage => ({ problem });
