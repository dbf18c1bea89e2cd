import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import type { HttpRequest } from '../../lib/domain/http.ts';
import { type AcceptDeps, acceptJob } from '../../lib/flows/accept-job.ts';
import type { JobQueue } from '../../lib/ports.ts';
import { readIds } from '../../lib/schemas/payload-ids.ts';
import { ids, NOON, PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { createInMemoryQueue } from '../support/in-memory-queue.ts';

const TOKEN = 'header.claims.signature';
const PATH_SECRET = 'path-secret-value';
const ACCEPTED_AT = '2026-11-24T20:41:37.504Z';

/** Intake over a queue in memory; `verified` are the texts that the verifier was asked about. */
function intake(changes: Partial<AcceptDeps> = {}) {
  const queue = createInMemoryQueue();
  const verified: string[] = [];
  const verifier = {
    verify: async (presented: string) => {
      verified.push(presented);
      return presented === TOKEN || presented === PATH_SECRET;
    },
  };
  const deps: AcceptDeps = { queue, authMode: 'jwt', verifier, readIds, ...changes };
  return { queue, verified, accept: (request: HttpRequest) => acceptJob(deps, request, NOON) };
}

const post = (changes: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'POST',
  path: '/api/v1/terraform-rs',
  authorization: `Bearer ${TOKEN}`,
  body: payload(),
  ...changes,
});

const codeOf = ({ answer }: Awaited<ReturnType<typeof acceptJob>>) => ('code' in answer ? answer.code : answer.status);

describe('a dispatch that is signed and holds its ids', () => {
  test('is put on the queue byte for byte and answered with nothing but 202', async () => {
    const { queue, accept } = intake();
    const result = await accept(post());
    expect(result).toEqual({ answer: { status: 202 }, ids: ids(), sentAs: 'payload' });
    expect(queue.sent).toEqual([
      {
        body: Buffer.from(payload()).toString('utf8'),
        attributes: { acceptedAt: ACCEPTED_AT },
        groupId: ids().organizationId,
      },
    ]);
  });

  test.each(['/agent-7/api/v1/terraform-rs', '/stage/a/b/api/v1/terraform-rs'])('is taken at %s', async (path) => {
    expect(codeOf(await intake().accept(post({ path })))).toBe(202);
  });

  test('travels as base64 when it holds a character that the queue refuses', async () => {
    const { queue, accept } = intake();
    const body = payload(ids(), { branch: 'odd\uffff' });
    const result = await accept(post({ body }));
    expect(result).toEqual({ answer: { status: 202 }, ids: ids(), sentAs: 'base64' });
    expect(queue.sent).toEqual([
      {
        body: Buffer.from(body).toString('base64'),
        attributes: { acceptedAt: ACCEPTED_AT, encoding: 'base64' },
        groupId: ids().organizationId,
      },
    ]);
  });

  test('travels as its ids and sizes alone when it is too large for every transport', async () => {
    const { queue, accept } = intake();
    const body = payload(ids(), { variables: { large: 'x'.repeat(800_000) } });
    const result = await accept(post({ body }));
    expect(result).toEqual({ answer: { status: 202 }, ids: ids(), sentAs: 'oversized' });
    expect(queue.sent).toEqual([
      {
        body: JSON.stringify({ ...ids(), bodyBytes: body.byteLength, limitBytes: 786_432 }),
        attributes: { acceptedAt: ACCEPTED_AT, kind: 'oversized' },
        groupId: ids().organizationId,
      },
    ]);
  });

  test('travels as base64 when the queue refuses a text that we would have sent', async () => {
    const queue = createInMemoryQueue();
    const picky: JobQueue = {
      send: (message) => (message.attributes['encoding'] ? queue.send(message) : Promise.resolve('contentRefused')),
    };
    const result = await intake({ queue: picky }).accept(post());
    expect(result).toEqual({ answer: { status: 202 }, ids: ids(), sentAs: 'base64' });
    expect(queue.sent.map(({ body }) => Buffer.from(body, 'base64'))).toEqual([payload()]);
  });

  test('travels as its ids and sizes alone when the queue takes it in no other way', async () => {
    const queue = createInMemoryQueue();
    const small: JobQueue = {
      send: (message) => (message.attributes['kind'] ? queue.send(message) : Promise.resolve('tooLarge')),
    };
    const result = await intake({ queue: small }).accept(post());
    expect(result).toEqual({ answer: { status: 202 }, ids: ids(), sentAs: 'oversized' });
    expect(queue.sent).toHaveLength(1);
  });
});

test('a token with blanks around it is the same token', async () => {
  expect(await intake().accept(post({ authorization: `Bearer  ${TOKEN} ` }))).toMatchObject({
    answer: { status: 202 },
  });
});

describe('a dispatch that cannot be stored', () => {
  test('is an error when the queue cannot be reached, so that Terrakube sends it again', async () => {
    const accepted = intake({ queue: createInMemoryQueue(true) }).accept(post());
    await expect(accepted).rejects.toMatchObject({ name: 'DispatcherError', code: 'queueUnavailable' });
  });

  test('is answered 503 when the queue takes no message at all', async () => {
    const full: JobQueue = { send: () => Promise.resolve('contentRefused') };
    const { answer } = await intake({ queue: full }).accept(post());
    expect(answer).toEqual({ status: 503, code: 'unavailable', message: 'The queue takes no message.' });
  });

  test('is an error when the secret cannot be read', async () => {
    const verify = () => Promise.reject(new DispatcherError('secretUnavailable', 'Secret x cannot be read.'));
    const { queue, accept } = intake({ verifier: { verify } });
    await expect(accept(post())).rejects.toMatchObject({ code: 'secretUnavailable' });
    expect(queue.sent).toEqual([]);
  });
});

describe('a request that is no dispatch', () => {
  const UNSIGNED = { authorization: undefined };
  const NO_JSON = { body: Buffer.from('nope') };
  test.each<readonly [string, Partial<HttpRequest>, string]>([
    ['another path', { path: '/' }, 'not_found'],
    ['a path that goes on', { path: '/api/v1/terraform-rs/' }, 'not_found'],
    ['a path that only contains it', { path: '/api/v1/terraform-rs/jobs' }, 'not_found'],
    ['another method', { method: 'GET' }, 'method_not_allowed'],
    ['a method in lower case', { method: 'post' }, 'method_not_allowed'],
    ['no token', UNSIGNED, 'unauthorized'],
    ['an empty header', { authorization: '' }, 'unauthorized'],
    ['another scheme', { authorization: `Basic ${TOKEN}` }, 'unauthorized'],
    ['a scheme without a token', { authorization: 'Bearer ' }, 'unauthorized'],
    ['a token with something after it', { authorization: `Bearer ${TOKEN} more` }, 'unauthorized'],
    ['a wrong token', { authorization: 'Bearer wrong' }, 'unauthorized'],
    ['no JSON', NO_JSON, 'invalid_body'],
    ['an empty body', { body: Buffer.alloc(0) }, 'invalid_body'],
    ['the path is looked at before the method', { path: '/x', method: 'GET', ...UNSIGNED, ...NO_JSON }, 'not_found'],
    ['the method before the token', { method: 'PUT', ...UNSIGNED, ...NO_JSON }, 'method_not_allowed'],
    ['the token before the body', { ...UNSIGNED, ...NO_JSON }, 'unauthorized'],
  ])('%s', async (_, changes, code) => {
    const { queue, accept } = intake();
    expect(codeOf(await accept(post(changes)))).toBe(code);
    expect(queue.sent).toEqual([]);
  });

  test.each(['organizationId', 'workspaceId', 'jobId', 'stepId', 'type'])('a body without %s', async (name) => {
    const { queue, accept } = intake();
    expect(codeOf(await accept(post({ body: payload(ids(), { [name]: undefined }) })))).toBe('invalid_body');
    expect(queue.sent).toEqual([]);
  });

  test('nobody is asked about a token before path and method are right', async () => {
    const { verified, accept } = intake();
    await accept(post({ path: '/x' }));
    await accept(post({ method: 'GET' }));
    expect(verified).toEqual([]);
  });

  test('the scheme may be written in any case', async () => {
    expect(codeOf(await intake().accept(post({ authorization: `bearer ${TOKEN}` })))).toBe(202);
  });

  test.each<Partial<HttpRequest>>([
    { path: `/${PATH_SECRET}/x` },
    { method: 'DELETE' },
    { authorization: 'Bearer private' },
    { body: Buffer.from(`{"accessToken":"${PAYLOAD_SECRETS[0]}"`) },
  ])('its answer quotes nothing of it', async (changes) => {
    const { answer } = await intake().accept(post(changes));
    expect(JSON.stringify(answer)).not.toMatch(new RegExp(`${PATH_SECRET}|private|${PAYLOAD_SECRETS[0]}`));
  });
});

describe('with the secret in the path', () => {
  test.each(['/api/v1/terraform-rs', '//api/v1/terraform-rs'])(
    'nobody is asked about an empty one (%s)',
    async (path) => {
      const asked: string[] = [];
      // It would take an empty secret, as one whose setting is empty does.
      const verify = async (presented: string) => asked.push(presented) > 0;
      const { queue, accept } = intake({ authMode: 'path', verifier: { verify } });
      expect(codeOf(await accept(post({ path })))).toBe('unauthorized');
      expect(asked).toEqual([]);
      expect(queue.sent).toEqual([]);
    },
  );

  test('the segment right before the end of the path is verified, and no token is needed', async () => {
    const { queue, verified, accept } = intake({ authMode: 'path' });
    const path = `/prefix/${PATH_SECRET}/api/v1/terraform-rs`;
    expect(codeOf(await accept(post({ path, authorization: undefined })))).toBe(202);
    expect(verified).toEqual([PATH_SECRET]);
    expect(queue.sent).toHaveLength(1);
  });

  test.each([
    ['a path without a segment', '/api/v1/terraform-rs'],
    ['an empty segment', `/${PATH_SECRET}//api/v1/terraform-rs`],
    ['another segment', '/wrong/api/v1/terraform-rs'],
    ['the secret further to the front', `/${PATH_SECRET}/x/api/v1/terraform-rs`],
  ])('%s is refused, whatever token comes with it', async (_, path) => {
    const { queue, accept } = intake({ authMode: 'path' });
    expect(codeOf(await accept(post({ path })))).toBe('unauthorized');
    expect(queue.sent).toEqual([]);
  });
});
