// What a message of the job queue is about. The options of its payload are not read here: who only needs to know whose
// message it is goes without their schemas.
import * as v from 'valibot';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { ATTRIBUTE } from '../domain/queue-message.ts';
import { type EpochMs, parseIsoTime } from '../domain/time.ts';
import { parseJsonBytes, parseJsonText } from './json.ts';
import { idsOf } from './payload-ids.ts';

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

const byteCount = v.pipe(
  v.number(),
  v.check((bytes) => Number.isInteger(bytes) && bytes >= 0),
);
const oversizedSchema = v.object({ bodyBytes: byteCount, limitBytes: byteCount });
const envelopeSchema = v.object({
  source: v.literal('terrakube'),
  'detail-type': v.literal('Terrakube Job'),
  time: v.string(),
  detail: v.unknown(),
});

/** What a message came to. */
type Read = PayloadMessage | OversizedRequest | UnreadableMessage;

/** Reads a message of the job queue: a payload as it is or as base64, an oversized notice, or an EventBridge envelope. */
export const readQueueBody = (message: QueueBody): Read => readQueueDocument(message).message;

/** The same, with the payload as it was parsed: it may be large, and is parsed once for all that is asked of it. */
export function readQueueDocument(body: QueueBody): { readonly message: Read; readonly document?: unknown } {
  const acceptedAt = parseIsoTime(body.attributes[ATTRIBUTE.acceptedAt] ?? '') ?? body.sentAt;
  const encoding = body.attributes[ATTRIBUTE.encoding];
  if (encoding !== undefined && encoding !== 'base64') return { message: unreadable('its encoding is not known') };
  const kind = body.attributes[ATTRIBUTE.kind] ?? 'payload';
  if (kind !== 'payload' && kind !== 'oversized') return { message: unreadable('its kind is not known') };
  const bytes = Buffer.from(body.body, encoding ?? 'utf8');
  const document = encoding === undefined ? parseJsonText(body.body) : parseJsonBytes(bytes);
  if (kind === 'oversized') return { message: oversizedMessage(document, acceptedAt) };
  // No payload has such a field, and to find that out from the schema costs more than the rest of reading it.
  const isEnveloped = typeof document === 'object' && document !== null && 'detail-type' in document;
  const envelope = isEnveloped ? v.safeParse(envelopeSchema, document) : undefined;
  if (!envelope?.success) return { message: payloadMessage(bytes, document, acceptedAt), document };
  const { detail, time } = envelope.output;
  const payload = Buffer.from(JSON.stringify(detail), 'utf8');
  return { message: payloadMessage(payload, detail, parseIsoTime(time) ?? acceptedAt), document: detail };
}

function payloadMessage(
  payload: Uint8Array,
  document: unknown,
  acceptedAt: EpochMs,
): PayloadMessage | UnreadableMessage {
  const ids = idsOf(document);
  return ids ? { ids, payload, acceptedAt } : unreadable('it is not a Terrakube payload');
}

function oversizedMessage(document: unknown, acceptedAt: EpochMs): OversizedRequest | UnreadableMessage {
  const ids = idsOf(document);
  const sizes = v.safeParse(oversizedSchema, document);
  if (!ids || !sizes.success) return unreadable('it is not an oversized notice');
  return { ids, ...sizes.output, acceptedAt };
}

const unreadable = (problem: string): UnreadableMessage => ({ problem });
