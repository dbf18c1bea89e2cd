// What a message of the job queue is about. The options of its payload are not read here: who only needs to know whose
// message it is goes without their schemas.
import * as v from 'valibot';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { ATTRIBUTE } from '../domain/queue-message.ts';
import { type EpochMs, parseIsoTime } from '../domain/time.ts';
import { parseJsonBytes } from './json.ts';
import { readIds } from './payload-ids.ts';

/** A message, as far as it tells what it is about. */
export interface QueueBody {
  readonly body: string;
  /** Names and values of the string attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly sentAt: EpochMs;
}

/** A payload whose options were not looked at. */
export type PayloadMessage = Omit<DispatchRequest, 'asked'>;

/** A message that nobody can act on; the problem quotes nothing of it. */
export interface UnreadableMessage {
  readonly problem: string;
}

const byteCount = v.pipe(v.number(), v.integer(), v.minValue(0));
const oversizedSchema = v.object({ bodyBytes: byteCount, limitBytes: byteCount });
const envelopeSchema = v.object({
  source: v.literal('terrakube'),
  'detail-type': v.literal('Terrakube Job'),
  time: v.string(),
  detail: v.record(v.string(), v.unknown()),
});

/** Reads a message of the job queue: a payload as it is or as base64, an oversized notice, or an EventBridge envelope. */
export function readQueueBody(message: QueueBody): PayloadMessage | OversizedRequest | UnreadableMessage {
  const acceptedAt = parseIsoTime(message.attributes[ATTRIBUTE.acceptedAt] ?? '') ?? message.sentAt;
  const encoding = message.attributes[ATTRIBUTE.encoding];
  if (encoding !== undefined && encoding !== 'base64') return unreadable('its encoding is not known');
  const bytes = Buffer.from(message.body, encoding ?? 'utf8');
  const kind = message.attributes[ATTRIBUTE.kind] ?? 'payload';
  if (kind === 'oversized') return oversizedMessage(bytes, acceptedAt);
  if (kind !== 'payload') return unreadable('its kind is not known');
  const envelope = v.safeParse(envelopeSchema, parseJsonBytes(bytes));
  if (envelope.success) {
    const { detail, time } = envelope.output;
    return payloadMessage(Buffer.from(JSON.stringify(detail), 'utf8'), parseIsoTime(time) ?? acceptedAt);
  }
  return payloadMessage(bytes, acceptedAt);
}

function payloadMessage(payload: Uint8Array, acceptedAt: EpochMs): PayloadMessage | UnreadableMessage {
  const ids = readIds(payload);
  return ids ? { ids, payload, acceptedAt } : unreadable('it is not a Terrakube payload');
}

function oversizedMessage(bytes: Uint8Array, acceptedAt: EpochMs): OversizedRequest | UnreadableMessage {
  const ids = readIds(bytes);
  const sizes = v.safeParse(oversizedSchema, parseJsonBytes(bytes));
  if (!ids || !sizes.success) return unreadable('it is not an oversized notice');
  return { ids, ...sizes.output, acceptedAt };
}

const unreadable = (problem: string): UnreadableMessage => ({ problem });
