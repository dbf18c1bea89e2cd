import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildPayloadSecret, MAX_FILE_PAYLOAD_BYTES } from '../../lib/domain/payload-secret.ts';
import { isQueueText, messageBytes, messageWays } from '../../lib/domain/queue-message.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { parseDispatchMessage } from '../../lib/schemas/queue-record.ts';
import { anyIds, anyText } from '../support/arbitraries.ts';
import { ids, kubernetesJob, NOON, payload } from '../support/builders.ts';
import { sqsAnswer } from '../support/in-memory-queue.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.constantFrom(
    new Uint8Array(0),
    new Uint8Array(700_000).fill(0xff),
    new Uint8Array(MAX_FILE_PAYLOAD_BYTES).fill(7),
  ),
  anyText.map((text) => Buffer.from(JSON.stringify({ text }), 'utf8')),
);

/** All of Unicode in one JSON text, and raw where JSON allows it: 4.4 MB, in pieces that a Secret takes. */
const allOfUnicode: readonly string[] = Array.from({ length: 17 }, (_, plane) => {
  const points = Array.from({ length: 0x10000 }, (_unused, low) => plane * 0x10000 + low);
  const isText = (point: number): boolean => point >= 0x20 && (point < 0xd800 || point > 0xdfff);
  return points
    .filter(isText)
    .map((point) => String.fromCodePoint(point))
    .join('');
});

/** The file that the executor finds. */
function fileOf(of: Uint8Array): string {
  const secret = buildPayloadSecret(kubernetesJob(), { name: 'job-1', uid: 'uid' }, of);
  return Buffer.from(secret.data?.['EphemeralJobData'] ?? '', 'base64').toString('latin1');
}

describe('the Secret of a payload', () => {
  test('gives the bytes back, and its file is one line without a newline', () => {
    fc.assert(
      fc.property(bytes, (of) => {
        const file = fileOf(of);
        expect(file).toMatch(/^[A-Za-z0-9+/]*={0,2}$/);
        expect(Buffer.from(file, 'base64').equals(of)).toBe(true);
      }),
    );
  });

  test.each(allOfUnicode.map((text, plane) => [plane, text] as const))('gives plane %i of Unicode back', (_, text) => {
    const of = Buffer.from(JSON.stringify({ text }), 'utf8');
    expect(Buffer.from(fileOf(of), 'base64').equals(of)).toBe(true);
  });

  test('is never larger than Kubernetes takes, up to the largest payload', () => {
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: MAX_FILE_PAYLOAD_BYTES }),
      fc.integer({ min: MAX_FILE_PAYLOAD_BYTES - 5, max: MAX_FILE_PAYLOAD_BYTES }),
    );
    fc.assert(
      fc.property(sizes, (size) => {
        expect(fileOf(new Uint8Array(size)).length).toBeLessThanOrEqual(1_048_576);
      }),
      { numRuns: 60 },
    );
    expect(fileOf(new Uint8Array(786_432)).length).toBe(1_048_576);
    expect(fileOf(new Uint8Array(786_433)).length).toBeGreaterThan(1_048_576);
  });
});

/** A payload with something in it that may be hard to send. */
const anyPayload = fc.oneof(
  anyText.map((text) => payload(ids(), { text })),
  anyText.map((text) =>
    Buffer.from(
      Buffer.from(payload())
        .toString('utf8')
        .replace('{', `{"text":"${jsonRaw(text)}",`),
      'utf8',
    ),
  ),
  fc.integer({ min: 780_000, max: 790_000 }).map((size) => payload(ids(), { variables: { large: 'x'.repeat(size) } })),
  fc
    .integer({ min: 780_000, max: 786_000 })
    .map((size) => payload(ids(), { variables: { large: `\uffff${'x'.repeat(size)}` } })),
  fc.constantFrom(...allOfUnicode.map((text) => payload(ids(), { text }))),
);

/** A text as it may stand in JSON with nothing escaped that need not be. */
const jsonRaw = (text: string): string => text.toWellFormed().replace(/["\\\p{Cc}]/gu, '');

const sendable = (of: Uint8Array, whose = ids()) =>
  messageWays(whose, of, NOON).find((way) => sqsAnswer(way) === 'sent');

describe('a payload on the queue', () => {
  test('is sent in a way that the queue takes, and comes out as the same bytes', () => {
    fc.assert(
      fc.property(anyPayload, (of) => {
        const way = sendable(of);
        if (!way) throw new Error('the queue takes no way');
        const record = { messageId: 'm', receiptHandle: 'r', receiveCount: 1, sentAt: epochMs(0), ...way };
        const message = parseDispatchMessage(record);
        if ('bodyBytes' in message) {
          expect(message).toMatchObject({ ids: ids(), bodyBytes: of.byteLength, acceptedAt: NOON });
          expect(message.bodyBytes).toBeGreaterThan(message.limitBytes);
        } else {
          expect(message).toMatchObject({ ids: ids(), acceptedAt: NOON });
          expect('payload' in message && Buffer.from(message.payload).equals(of)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('is sent as it is, or as base64, whenever it is not too large', () => {
    fc.assert(
      fc.property(anyPayload, (of) => {
        const isOversized = sendable(of)?.attributes['kind'] === 'oversized';
        const limit = isQueueText(Buffer.from(of).toString('utf8')) ? MAX_FILE_PAYLOAD_BYTES : 786_387;
        expect(isOversized).toBe(of.byteLength > limit);
      }),
      { numRuns: 100 },
    );
  });

  test('never gets over the limit of the queue or a character that it refuses, in any way that we would try', () => {
    fc.assert(
      fc.property(anyPayload, anyIds, (of, whose) => {
        for (const way of messageWays(whose, of, NOON)) {
          expect(messageBytes(way)).toBeLessThanOrEqual(1_048_576);
          expect(sqsAnswer(way)).toBe('sent');
        }
      }),
      { numRuns: 40 },
    );
  });

  test('with a character that the queue refuses is base64 up to the last byte that fits, and its ids alone after it', () => {
    const ofSize = (size: number) => {
      const bare = payload(ids(), { text: '\uffff' }).byteLength;
      return payload(ids(), { text: `\uffff${'x'.repeat(size - bare)}` });
    };
    for (const size of [786_386, 786_387, 786_388, 786_432, 786_433]) {
      const ways = messageWays(ids(), ofSize(size), NOON);
      expect(ways.map(sqsAnswer)).toEqual(ways.map(() => 'sent'));
      expect(ways.map(({ attributes }) => attributes['encoding'] ?? attributes['kind'])).toEqual(
        size <= 786_387 ? ['base64', 'oversized'] : ['oversized'],
      );
    }
  });

  test('that is not even text comes out as the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (of) => {
        const [way] = messageWays(ids(), of, NOON);
        const encoding = way?.attributes['encoding'] === 'base64' ? 'base64' : 'utf8';
        expect(Buffer.from(way?.body ?? '', encoding).equals(of)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('is text for the queue exactly when the queue takes each of its characters', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(isQueueText(text)).toBe(
          text.isWellFormed() && sqsAnswer({ body: text, attributes: {} }) !== 'contentRefused',
        );
      }),
      { numRuns: 1000 },
    );
  });
});
