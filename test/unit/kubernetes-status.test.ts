import { describe, expect, test } from 'vitest';
import { parseApiRefusal } from '../../lib/schemas/kubernetes-status.ts';
import { recorded } from '../support/recorded.ts';

function refusalOf(file: string) {
  const { status, headers, body } = recorded(file).response;
  return parseApiRefusal(status, typeof body === 'string' ? body : JSON.stringify(body), headers['Retry-After']);
}

const status = (changes: Readonly<Record<string, unknown>>) =>
  JSON.stringify({ kind: 'Status', message: 'why', reason: 'Invalid', ...changes });

describe('an answer of the API server that is not a success', () => {
  test('409-duplicate', () => {
    expect(refusalOf('409-duplicate')).toEqual({
      status: 409,
      reason: 'AlreadyExists',
      message: 'jobs.batch "dup" already exists',
      kind: 'jobs',
      causes: [],
    });
  });
  test('422-env-name, with its causes', () => {
    expect(refusalOf('422-env-name')).toEqual({
      status: 422,
      reason: 'Invalid',
      message: 'Job.batch "inv" is invalid: spec.template.spec.containers[0].env[0].name: Required value',
      kind: 'Job',
      causes: [{ field: 'spec.template.spec.containers[0].env[0].name', message: 'Required value' }],
    });
  });
  test('429-too-many-requests, which is plain text with a header', () => {
    expect(refusalOf('429-too-many-requests')).toEqual({ status: 429, message: '', causes: [], retryAfterSeconds: 1 });
  });
  test('401-bad-token, without details', () => {
    expect(refusalOf('401-bad-token')).toEqual({
      status: 401,
      reason: 'Unauthorized',
      message: 'Unauthorized',
      causes: [],
    });
  });
});

describe('the time to wait', () => {
  test('is that of the body before that of the header', () => {
    expect(parseApiRefusal(429, status({ details: { retryAfterSeconds: 4 } }), '9').retryAfterSeconds).toBe(4);
    expect(parseApiRefusal(429, status({}), '9').retryAfterSeconds).toBe(9);
  });
  test.each([undefined, '', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1', '1.5', ' 1'])(
    'is none for the header %j',
    (header) => {
      expect(parseApiRefusal(429, '', header)).toEqual({ status: 429, message: '', causes: [] });
    },
  );
});

describe('an answer of somebody else', () => {
  test.each([
    '',
    '<html>502 Bad Gateway</html>',
    'null',
    '[]',
    '{}',
    '{"kind":"Job"}',
    status({ message: 7 }),
    status({ details: 'x' }),
    status({ details: { causes: {} } }),
    '['.repeat(100_000),
  ])('has a status and no words: %#', (body) => {
    expect(parseApiRefusal(502, body, undefined)).toEqual({ status: 502, message: '', causes: [] });
  });
});
