// How a payload travels on the queue: as it is, as base64 when SQS refuses one of its characters, or, when it is too
// large for every transport, as its ids and sizes alone, so that its step fails with the reason.
import type { DispatchIds } from './dispatch-request.ts';
import { MAX_FILE_PAYLOAD_BYTES } from './payload-secret.ts';
import { type DurationMs, durationMs, type EpochMs, isoTime } from './time.ts';

/** Largest SQS message: body, attribute names, types and values together. */
export const MAX_MESSAGE_BYTES = 1_048_576;

/** Message attributes, all of them strings. */
export const ATTRIBUTE = { acceptedAt: 'acceptedAt', encoding: 'encoding', kind: 'kind' } as const;

/** `maxReceiveCount` of the job queue is 1000: SQS moves a message aside then, whatever it waits for. */
const WORN_OUT_AFTER_DELIVERIES = 900;
/** Terrakube ends its jobs after six hours. What waits for four times as long waits for nothing that we know of. */
const SENT_AGAIN_FOR: DurationMs = durationMs(24 * 3_600_000);

/** Says whether a message that waits should be replaced by a copy, before the queue takes it for one that nobody can act on. */
export const isWornOut = (receiveCount: number, age: DurationMs): boolean =>
  receiveCount >= WORN_OUT_AFTER_DELIVERIES && age < SENT_AGAIN_FOR;

/** The part of a queue message that the content decides. */
export interface MessageContent {
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * The ways to send a payload, the best first. The queue may refuse the content of one and take the next: the last one,
 * the oversized notice, holds nothing that it could refuse.
 */
export function messageWays(ids: DispatchIds, payload: Uint8Array, acceptedAt: EpochMs): readonly MessageContent[] {
  const attributes = { [ATTRIBUTE.acceptedAt]: isoTime(acceptedAt) };
  const encoded = { ...attributes, [ATTRIBUTE.encoding]: 'base64' };
  const bodyBytes = payload.byteLength;
  const room = MAX_MESSAGE_BYTES - attributesBytes(encoded);
  const base64Limit = Math.floor(room / 4) * 3;
  const oversized = (limitBytes: number): MessageContent => ({
    body: JSON.stringify({ ...ids, bodyBytes, limitBytes }),
    attributes: { ...attributes, [ATTRIBUTE.kind]: 'oversized' },
  });
  if (bodyBytes > MAX_FILE_PAYLOAD_BYTES) return [oversized(MAX_FILE_PAYLOAD_BYTES)];
  const text = Buffer.from(payload).toString('utf8');
  return [
    // Bytes that are not UTF-8 would not come back from a text.
    ...(isQueueText(text) && Buffer.from(text, 'utf8').equals(payload) ? [{ body: text, attributes }] : []),
    ...(bodyBytes <= base64Limit ? [{ body: Buffer.from(payload).toString('base64'), attributes: encoded }] : []),
    oversized(base64Limit),
  ];
}

/** Size of a message as SQS counts it. */
export const messageBytes = ({ body, attributes }: MessageContent): number =>
  Buffer.byteLength(body, 'utf8') + attributesBytes(attributes);

function attributesBytes(attributes: Readonly<Record<string, string>>): number {
  const size = (text: string): number => Buffer.byteLength(text, 'utf8');
  return Object.entries(attributes).reduce((sum, [name, value]) => sum + size(name) + size('String') + size(value), 0);
}

/**
 * Says whether SQS takes every character: #x9, #xA, #xD, #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF.
 *
 * @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
export const isQueueText = (text: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
  text !== '' && text.isWellFormed() && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text);
