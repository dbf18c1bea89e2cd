import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseHttpEvent } from '../../lib/schemas/http-event.ts';
import { readIds } from '../../lib/schemas/payload-ids.ts';

const readEvent = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(`../../events/${name}.json`, import.meta.url), 'utf8'));

const restApi = (changes: Readonly<Record<string, unknown>> = {}) => ({
  httpMethod: 'POST',
  path: '/api/v1/terraform-rs',
  headers: { Authorization: 'Bearer token' },
  body: '{}',
  isBase64Encoded: false,
  ...changes,
});
const functionUrl = (changes: Readonly<Record<string, unknown>> = {}) => ({
  requestContext: { http: { method: 'POST' } },
  rawPath: '/api/v1/terraform-rs',
  headers: { authorization: 'Bearer token' },
  body: '{}',
  isBase64Encoded: false,
  ...changes,
});

describe('every form in which a gateway hands on a dispatch', () => {
  test.each(['intake.rest-api', 'intake.rest-api-base64', 'intake.function-url'])('%s', (name) => {
    const { body, ...request } = parseHttpEvent(readEvent(name));
    expect(request).toEqual({ method: 'POST', path: '/api/v1/terraform-rs', authorization: 'Bearer <JWT>' });
    expect(readIds(body)).toMatchObject({ organizationId: 'd9b58bd3-f3fc-4056-a026-1163297e80a8' });
  });

  test.each([
    ['of a REST API', restApi],
    ['of a Function URL', functionUrl],
  ])('%s, in detail', (_, build) => {
    expect(parseHttpEvent(build())).toEqual({
      method: 'POST',
      path: '/api/v1/terraform-rs',
      authorization: 'Bearer token',
      body: Buffer.from('{}'),
    });
  });
});

describe.each([
  ['a REST API', restApi],
  ['a Function URL', functionUrl],
])('an event of %s', (_, build) => {
  const bodyOf = (changes: Readonly<Record<string, unknown>>) => parseHttpEvent(build(changes)).body;

  test('has an empty body when there is none', () => {
    for (const body of [null, undefined, '']) expect(bodyOf({ body })).toEqual(Buffer.alloc(0));
  });
  test('gives the bytes of a body in base64', () => {
    const bytes = Buffer.from([0, 1, 255, 254, 0x7b]);
    expect(bodyOf({ body: bytes.toString('base64'), isBase64Encoded: true })).toEqual(bytes);
  });
  test('gives the bytes of a text in UTF-8', () => {
    expect(bodyOf({ body: 'ä🙂\uffff' })).toEqual(Buffer.from('ä🙂\uffff', 'utf8'));
  });
  test.each(['Authorization', 'authorization', 'AUTHORIZATION'])('has its sign-in in the header %s', (name) => {
    expect(parseHttpEvent(build({ headers: { 'x-other': 'y', [name]: 'Bearer x' } })).authorization).toBe('Bearer x');
  });
  test.each([null, undefined, {}, { authorization: undefined }])(
    'has no sign-in when its headers are %j',
    (headers) => {
      expect(parseHttpEvent(build({ headers })).authorization).toBeUndefined();
    },
  );
  test('keeps other methods, and paths with escapes in them', () => {
    const odd = { httpMethod: 'PUT', requestContext: { http: { method: 'PUT' } }, path: '/a%2Fb', rawPath: '/a%2Fb' };
    expect(parseHttpEvent(build(odd))).toMatchObject({ method: 'PUT', path: '/a%2Fb' });
  });
});

test.each<readonly [string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'POST /'],
  ['an empty object', {}],
  ['an array', [restApi()]],
  ['SQS records', readEvent('dispatch.sqs')],
  ['a REST API event without a method', restApi({ httpMethod: undefined })],
  ['a REST API event with a number as its path', restApi({ path: 7 })],
  ['a REST API event with an object as its body', restApi({ body: {} })],
  ['a REST API event with an array as a header', restApi({ headers: { Authorization: ['Bearer x'] } })],
  ['a Function URL event without a context', functionUrl({ requestContext: undefined })],
  ['a Function URL event whose flag is a text', functionUrl({ isBase64Encoded: 'true' })],
])('%s is no HTTP event', (_, event) => {
  expect(() => parseHttpEvent(event)).toThrow(
    expect.objectContaining({
      code: 'messageUnreadable',
      message: 'The event is not an HTTP request of API Gateway or a Function URL.',
    }),
  );
});
