// Job status events, in every form in which they come: a batch of the cluster's audit log from CloudWatch Logs, an event of
// EventBridge, SQS records. Each is reduced to the names of our Jobs that it speaks of.
import * as v from 'valibot';
import { type Doorbells, type Ignored, type JobMention, type Own, toDoorbells } from '../domain/doorbell.ts';
import { readAuditLine } from './job-status/audit-line.ts';
import { readKubernetesObject } from './job-status/kubernetes-object.ts';
import { parseJsonText } from './json.ts';

const packedSchema = v.object({ awslogs: v.object({ data: v.string() }) });
const unpackedSchema = v.object({ awslogs: v.object({ text: v.optional(v.string()) }) });
const recordsSchema = v.object({ Records: v.array(v.unknown()) });
const recordSchema = v.object({ body: v.string() });
const envelopeSchema = v.object({ 'detail-type': v.string(), detail: v.unknown() });

const batchSchema = v.variant('messageType', [
  v.object({ messageType: v.literal('CONTROL_MESSAGE') }),
  v.object({ messageType: v.literal('DATA_MESSAGE'), logEvents: v.array(v.unknown()) }),
]);
const logEventSchema = v.object({ message: v.string() });

/**
 * The packed text of an event of CloudWatch Logs (base64 of gzip), or undefined for any other event. Once it is unpacked,
 * {@link readJobStatusEvent} takes it as `{ awslogs: { text } }`.
 */
export function packedLogs(event: unknown): string | undefined {
  const parsed = v.safeParse(packedSchema, event);
  return parsed.success ? parsed.output.awslogs.data : undefined;
}

/**
 * Reads a Job status event. Never fails: what cannot be read is ignored, with a reason.
 *
 * @param event the event as Lambda gets it; one of CloudWatch Logs as `{ awslogs: { text } }`, with the unpacked text, or
 *   without it when it could not be unpacked.
 */
export function readJobStatusEvent(event: unknown, own: Own): Doorbells {
  return toDoorbells(mentionsIn(event), own);
}

type Found = readonly (JobMention | Ignored)[];

const ignored = (reason: Ignored['reason']): Found => [{ reason }];

function mentionsIn(event: unknown): Found {
  const logs = v.safeParse(unpackedSchema, event);
  if (logs.success) return mentionsInLogs(logs.output.awslogs.text);
  const queue = v.safeParse(recordsSchema, event);
  return queue.success ? queue.output.Records.flatMap(mentionsInRecord) : [readKubernetesObject(contentOf(event))];
}

function mentionsInLogs(text: string | undefined): Found {
  const batch = v.safeParse(batchSchema, text === undefined ? undefined : parseJsonText(text));
  if (!batch.success) return ignored('unreadable');
  if (batch.output.messageType === 'CONTROL_MESSAGE') return ignored('controlMessage');
  return batch.output.logEvents.map((entry) => {
    const line = v.safeParse(logEventSchema, entry);
    return line.success ? readAuditLine(line.output.message) : { reason: 'unreadable' };
  });
}

function mentionsInRecord(record: unknown): Found {
  const parsed = v.safeParse(recordSchema, record);
  if (!parsed.success) return ignored('unknownForm');
  const content = parseJsonText(parsed.output.body);
  return content === undefined ? ignored('unreadable') : [readKubernetesObject(contentOf(content))];
}

/** What an envelope of EventBridge holds; anything else as it is, since a rule may send the `detail` alone. */
function contentOf(value: unknown): unknown {
  const envelope = v.safeParse(envelopeSchema, value);
  return envelope.success ? envelope.output.detail : value;
}
