// What the lists of Terrakube's jobs end with when they cannot be read, and what a rotated secret does to them.
import { afterEach, describe, expect, test } from 'vitest';
import type { SecretSource, TerrakubeJobs } from '../../lib/ports.ts';
import { ids } from '../support/builders.ts';
import { refusedWith } from '../support/refused-with.ts';
import type { Reply, Script } from '../support/scripted-server.ts';
import { createSecretDouble } from '../support/secret-double.ts';
import { INTERNAL_SECRET } from '../support/terrakube-bench.ts';
import { page, startTerrakubeLists, stepOf } from '../support/terrakube-lists.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(script: Script, secret?: SecretSource) {
  const started = await startTerrakubeLists(script, secret);
  closing.push(started.server.close);
  return started;
}

const html: Reply = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' };
const calls: readonly (readonly [string, (lists: TerrakubeJobs) => Promise<unknown>])[] = [
  ['the list of live jobs', (lists) => lists.listLiveJobs()],
  ['the list of jobs by their ids', (lists) => lists.listJobs(['17'])],
];

describe.each(calls)('%s', (_, run) => {
  test.each<[string, string, number, Reply]>([
    ['the 404 of a proxy', 'terrakubeRefused', 404, { ...html, status: 404 }],
    ['a filter that Terrakube does not know', 'terrakubeRefused', 400, { status: 400 }],
    ['an unknown token', 'terrakubeRefused', 401, { status: 401 }],
    ['a missing right', 'terrakubeRefused', 403, { status: 403 }],
    ['a redirect', 'terrakubeRefused', 302, { status: 302, headers: { location: '/login' } }],
    ['a throttled request', 'terrakubeUnavailable', 429, { status: 429 }],
    ['a fault of Terrakube', 'terrakubeUnavailable', 500, { status: 500 }],
    ['a proxy without its Terrakube', 'terrakubeUnavailable', 503, { ...html, status: 503 }],
  ])('answered by %s ends with %s (%i)', async (_reply, code, status, reply) => {
    const { lists } = await start(() => reply);
    const message = `Terrakube answered ${status} to GET /api/v1/step.`;
    expect(await refusedWith(run(lists))).toEqual({ code, status, message });
  });

  test.each<[string, Reply]>([
    ['a broken connection', 'reset'],
    ['silence', 'silence'],
  ])('answered by %s ends with terrakubeUnavailable', async (_reply, reply) => {
    const { lists } = await start(() => reply);
    expect(await refusedWith(run(lists))).toEqual({
      code: 'terrakubeUnavailable',
      message: 'Terrakube gave no answer to GET /api/v1/step.',
    });
  });

  test.each<[string, Reply]>([
    ['HTML', html],
    ['half an answer', { status: 200, body: '{"data":[' }],
    ['nothing', { status: 200 }],
    ['one resource', { status: 200, body: { data: stepOf('100-17') } }],
    ['a list without totals', { status: 200, body: { data: [], meta: { page: { number: 1, limit: 500 } } } }],
  ])('answered by %s is no list', async (_reply, reply) => {
    const { lists } = await start(() => reply);
    expect(await refusedWith(run(lists))).toEqual({
      code: 'terrakubeRefused',
      message: "Terrakube's answer to GET /api/v1/step is not a list of steps.",
    });
  });

  test('goes on with the rotated secret, and shares its token with the calls for one job', async () => {
    const secret = createSecretDouble(Buffer.alloc(32, 'before').toString('base64url'));
    const { lists, terrakube, server } = await start(() => page([]), secret);
    await lists.listLiveJobs();
    const stale = server.seen[0]?.headers.authorization;
    server.script(({ headers }) => (headers.authorization === stale ? { status: 401 } : page([])));
    secret.rotate(INTERNAL_SECRET);
    expect(await run(lists)).toEqual(new Map());
    expect(secret.refreshes()).toBe(1);
    await refusedWith(terrakube.getJob(ids()));
    expect(new Set(server.seen.slice(2).map(({ headers }) => headers.authorization)).size).toBe(1);
    expect(server.connections).toBe(1);
  });
});
