// Reads what an event asks dispatch for, in every form that the doors take, so that saved events can be tried.
import type { DispatchRequest, OversizedRequest } from '../lib/domain/dispatch-request.ts';
import type { EpochMs } from '../lib/domain/time.ts';
import { parseHttpEvent } from '../lib/schemas/http-event.ts';
import { parseDispatchMessage, parseQueueEvent } from '../lib/schemas/queue-record.ts';
import { readJson } from './read-json.ts';
import { UsageError } from './usage.ts';

/** Reads a file, or standard input for `-`. @throws UsageError when it is not there or holds no request. */
export async function readEvent(file: string, now: EpochMs): Promise<readonly (DispatchRequest | OversizedRequest)[]> {
  const { content, value: event } = await readJson(file);
  return bodiesOf(event, content).map((message) => {
    const record = { messageId: '', receiptHandle: '', receiveCount: 1, attributes: {}, sentAt: now, ...message };
    const request = parseDispatchMessage(record);
    if ('problem' in request) throw new UsageError(`${file} is no event of dispatch: ${request.problem}.`);
    return request;
  });
}

interface Message {
  readonly body: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

function bodiesOf(event: object, content: string): readonly Message[] {
  if ('Records' in event) return parseQueueEvent(event);
  if ('httpMethod' in event || 'rawPath' in event) {
    return [{ body: Buffer.from(parseHttpEvent(event).body).toString('utf8') }];
  }
  return [{ body: content }];
}
