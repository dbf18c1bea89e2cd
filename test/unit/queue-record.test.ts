import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { epochMs } from '../../lib/domain/time.ts';
import { parseDispatchMessage, parseQueueEvent, type QueueRecord } from '../../lib/schemas/queue-record.ts';
import { ids, NOON, payload, request } from '../support/builders.ts';

const SENT = epochMs(NOON + 8);
const ACCEPTED_AT = '2026-11-24T20:41:37.504Z';

const readEvent = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../events/${name}.json`, import.meta.url), 'utf8'));

const rawRecord = (changes: Readonly<Record<string, unknown>> = {}) => ({
  messageId: 'm1',
  receiptHandle: 'r1',
  body: 'the body',
  attributes: { ApproximateReceiveCount: '3', SentTimestamp: String(SENT), SenderId: 'x' },
  messageAttributes: { acceptedAt: { stringValue: ACCEPTED_AT, dataType: 'String', binaryListValues: [] } },
  eventSource: 'aws:sqs',
  ...changes,
});

const record = (changes: Partial<QueueRecord> = {}): QueueRecord => ({
  messageId: 'm1',
  receiptHandle: 'r1',
  body: Buffer.from(payload()).toString('utf8'),
  attributes: { acceptedAt: ACCEPTED_AT },
  receiveCount: 1,
  sentAt: SENT,
  ...changes,
});

describe('an SQS event', () => {
  test('holds records', () => {
    expect(parseQueueEvent({ Records: [rawRecord()] })).toEqual([
      {
        messageId: 'm1',
        receiptHandle: 'r1',
        body: 'the body',
        attributes: { acceptedAt: ACCEPTED_AT },
        receiveCount: 3,
        sentAt: SENT,
      },
    ]);
  });
  test('may hold none, and records without attributes of their own', () => {
    expect(parseQueueEvent({ Records: [] })).toEqual([]);
    expect(parseQueueEvent({ Records: [rawRecord({ messageAttributes: undefined })] })).toMatchObject([
      { attributes: {} },
    ]);
  });
  test('gives only attributes with a text', () => {
    const messageAttributes = { a: { stringValue: 'x' }, b: { binaryValue: 'AA==' }, c: { stringValue: null }, d: {} };
    expect(parseQueueEvent({ Records: [rawRecord({ messageAttributes })] })).toMatchObject([
      { attributes: { a: 'x' } },
    ]);
  });
  test.each<readonly [string, unknown]>([
    ['nothing', undefined],
    ['an HTTP event', readEvent('intake.rest-api')],
    ['records that are no array', { Records: rawRecord() }],
    ['a record that is null', { Records: [null] }],
    ['a record without a body', { Records: [rawRecord({ body: undefined })] }],
    ['a record with a number as its body', { Records: [rawRecord({ body: 7 })] }],
    ['a record without a receive count', { Records: [rawRecord({ attributes: { SentTimestamp: '1' } })] }],
    [
      'a record with a count in words',
      { Records: [rawRecord({ attributes: { SentTimestamp: '1', ApproximateReceiveCount: 'x' } })] },
    ],
  ])('%s is none', (_, event) => {
    expect(() => parseQueueEvent(event)).toThrow(
      expect.objectContaining({ code: 'messageUnreadable', message: 'The event does not hold SQS records.' }),
    );
  });
});

describe('every form of a message', () => {
  const parseEvent = (name: string) => parseQueueEvent(readEvent(name)).map(parseDispatchMessage);

  test('a payload as intake sends it', () => {
    const [message] = parseEvent('dispatch.sqs');
    expect(message).toMatchObject({
      ids: { jobId: '1', type: 'terraformPlan', stepId: '3fed47b3-cbb9-427c-b9e7-5bc0469c7201' },
      acceptedAt: Date.parse(ACCEPTED_AT),
    });
    const [{ body } = { body: '' }] = parseQueueEvent(readEvent('dispatch.sqs'));
    expect(message && 'payload' in message && message.payload).toEqual(Buffer.from(body, 'utf8'));
  });

  test('an oversized notice', () => {
    expect(parseEvent('dispatch.oversized')).toEqual([
      {
        ids: {
          organizationId: 'd9b58bd3-f3fc-4056-a026-1163297e80a8',
          workspaceId: '9ab83fc6-8726-4fe3-8e0b-e3880b98f012',
          jobId: '1',
          stepId: '3fed47b3-cbb9-427c-b9e7-5bc0469c7201',
          type: 'terraformPlan',
        },
        bodyBytes: 1_203_847,
        limitBytes: 786_432,
        acceptedAt: Date.parse(ACCEPTED_AT),
      },
    ]);
  });

  test('an EventBridge envelope, whose detail is the payload and whose time counts', () => {
    const [message] = parseEvent('dispatch.eventbridge');
    const [{ body } = { body: '' }] = parseQueueEvent(readEvent('dispatch.eventbridge'));
    expect(message).toMatchObject({
      ids: { jobId: '3', type: 'terraformApply' },
      acceptedAt: Date.parse('2026-11-24T20:41:43Z'),
    });
    expect(message && 'payload' in message && JSON.parse(Buffer.from(message.payload).toString('utf8'))).toEqual(
      JSON.parse(body).detail,
    );
  });

  test('a payload as base64', () => {
    const attributes = { acceptedAt: ACCEPTED_AT, encoding: 'base64' };
    const message = parseDispatchMessage(record({ body: Buffer.from(payload()).toString('base64'), attributes }));
    expect(message).toEqual(request());
  });

  test('a payload of which the kind is said', () => {
    expect(parseDispatchMessage(record({ attributes: { kind: 'payload' } }))).toMatchObject({ ids: ids() });
  });
});

describe('the time at which a request was accepted', () => {
  test.each([
    ['is what intake wrote', { acceptedAt: '2026-01-01T00:00:00.000Z' }, Date.UTC(2026, 0, 1)],
    ['is the time of sending when intake wrote none', {}, SENT],
    ['is the time of sending when it cannot be read', { acceptedAt: 'yesterday' }, SENT],
  ])('%s', (_, attributes, expected) => {
    expect(parseDispatchMessage(record({ attributes }))).toMatchObject({ acceptedAt: expected });
  });
  test.each([
    ['is the time of sending when that of an envelope cannot be read', {}, SENT],
    ['is the one that a copy took along when that of an envelope cannot be read', { acceptedAt: ACCEPTED_AT }, NOON],
  ])('%s', (_, attributes, expected) => {
    const detail = JSON.parse(Buffer.from(payload()).toString('utf8'));
    const body = JSON.stringify({ source: 'terrakube', 'detail-type': 'Terrakube Job', time: 'soon', detail });
    expect(parseDispatchMessage(record({ body, attributes }))).toMatchObject({ acceptedAt: expected });
  });
});

describe('a message that nobody can read', () => {
  const sizes = { bodyBytes: 9, limitBytes: 1 };
  const notice = (changes: Readonly<Record<string, unknown>>) =>
    record({ body: JSON.stringify({ ...ids(), ...sizes, ...changes }), attributes: { kind: 'oversized' } });
  const envelope = (changes: Readonly<Record<string, unknown>>) =>
    record({
      body: JSON.stringify({
        source: 'terrakube',
        'detail-type': 'Terrakube Job',
        time: ACCEPTED_AT,
        detail: JSON.parse(Buffer.from(payload()).toString('utf8')),
        ...changes,
      }),
    });
  const NO_PAYLOAD = 'it is not a Terrakube payload';
  const NO_NOTICE = 'it is not an oversized notice';

  test.each<readonly [string, QueueRecord, string]>([
    ['an empty body', record({ body: '' }), NO_PAYLOAD],
    ['a body that is no JSON', record({ body: 'ghp_secret' }), NO_PAYLOAD],
    ['a payload without ids', record({ body: '{}' }), NO_PAYLOAD],
    [
      'a payload as base64 of which nothing is said',
      record({ body: Buffer.from(payload()).toString('base64') }),
      NO_PAYLOAD,
    ],
    ['an unknown encoding', record({ attributes: { encoding: 'gzip' } }), 'its encoding is not known'],
    ['an encoding in capitals', record({ attributes: { encoding: 'BASE64' } }), 'its encoding is not known'],
    ['an unknown kind', record({ attributes: { kind: 'restart' } }), 'its kind is not known'],
    ['a notice without sizes', notice({ bodyBytes: undefined }), NO_NOTICE],
    ['a notice with a size in words', notice({ bodyBytes: '9' }), NO_NOTICE],
    ['a notice with a negative size', notice({ limitBytes: -1 }), NO_NOTICE],
    ['a notice with half a byte', notice({ limitBytes: 1.5 }), NO_NOTICE],
    ['a notice without a step', notice({ stepId: undefined }), NO_NOTICE],
    ['an envelope from elsewhere', envelope({ source: 'aws.s3' }), NO_PAYLOAD],
    ['an envelope of another type', envelope({ 'detail-type': 'Other' }), NO_PAYLOAD],
    ['an envelope without a time', envelope({ time: undefined }), NO_PAYLOAD],
    ['an envelope whose detail is a text', envelope({ detail: 'x' }), NO_PAYLOAD],
    ['an envelope whose detail has no ids', envelope({ detail: {} }), NO_PAYLOAD],
    ['an envelope in an envelope', envelope({ detail: JSON.parse(envelope({}).body) }), NO_PAYLOAD],
  ])('%s', (_, message, problem) => {
    expect(parseDispatchMessage(message)).toEqual({ problem });
  });
});
