import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { epochMs } from '../../lib/domain/time.ts';
import type { SecretSource } from '../../lib/ports.ts';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { ids, NOON } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';
import { createSecretDouble, type SecretDouble } from '../support/secret-double.ts';
import { INTERNAL_SECRET, startTerrakubeBench } from '../support/terrakube-bench.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const job: Script = () => ({ status: 200, body: { data: { type: 'job', attributes: { status: 'queue' } } } });
const aJob = { status: 'queue', comments: null, steps: [] };
const OTHER_SECRET = Buffer.alloc(32, 'another').toString('base64url');
const keyOf = (secret: string) => Buffer.from(secret, 'base64url');

interface Setup {
  readonly secret?: SecretSource;
  readonly path?: string;
}

async function start(script: Script, { secret = createFixedSecret(INTERNAL_SECRET), path = '' }: Setup = {}) {
  const server = await startScriptedServer(script);
  closing.push(server.close);
  const clock = { now: NOON };
  const terrakube = createTerrakubeApi({
    apiUrl: `${server.url}${path}`,
    secret,
    now: () => clock.now,
    timeoutMs: 300,
  });
  return { terrakube, server, clock };
}

const bearers = ({ seen }: ScriptedServer): readonly string[] =>
  seen.map(({ headers }) => /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '');

/** Answers only to those who sign with this secret. */
const onlyFor =
  (secret: string): Script =>
  async (call) => {
    const token = call.headers.authorization?.slice('Bearer '.length) ?? '';
    const isKnown = await jwtVerify(token, keyOf(secret), { currentDate: new Date(NOON) }).then(
      () => true,
      () => false,
    );
    return isKnown ? job(call) : { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } };
  };

/** A secret that was rotated after its first reading. */
function rotatedSecret(first: string, second: string): SecretDouble {
  const secret = createSecretDouble(first);
  secret.rotate(second);
  return secret;
}

describe('the token', () => {
  test('says who we are, for five minutes', async () => {
    const { terrakube, server } = await start(job);
    await terrakube.getJob(ids());
    const [token = ''] = bearers(server);
    const issuedAt = Math.floor(NOON / 1000);
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256' });
    expect(decodeJwt(token)).toEqual({
      iss: 'TerrakubeInternal',
      sub: 'TerrakubeInternal (TOKEN)',
      aud: 'TerrakubeInternal',
      email: 'terrakube-dispatcher@terrakube.io',
      email_verified: true,
      iat: issuedAt,
      exp: issuedAt + 300,
    });
  });

  test.each([32, 48, 64, 100])('is signed with HS256 by a key of %i bytes, and the API takes it', async (bytes) => {
    const secret = Buffer.alloc(bytes, 'long key').toString('base64url');
    const { terrakube, server } = await start(onlyFor(secret), { secret: createFixedSecret(` ${secret}\n`) });
    expect(await terrakube.getJob(ids())).toEqual(aJob);
    expect(bearers(server).map((token) => decodeProtectedHeader(token).alg)).toEqual(['HS256']);
  });

  test('is taken by the stand-in Terrakube', async () => {
    const bench = await startTerrakubeBench();
    closing.push(bench.close);
    const secret = createFixedSecret(INTERNAL_SECRET);
    const terrakube = createTerrakubeApi({ apiUrl: bench.terrakube.url, secret, now: () => epochMs(Date.now()) });
    expect(await terrakube.getJob(ids({ jobId: '999999999' }))).toBe('notFound');
  });

  test('is used for four minutes, and replaced a minute before its end', async () => {
    const { terrakube, server, clock } = await start(job);
    const at = async (minutes: number) => {
      clock.now = epochMs(NOON + minutes * 60_000 - 1);
      await terrakube.getJob(ids());
    };
    await terrakube.getJob(ids());
    await at(2);
    await at(4);
    expect(new Set(bearers(server)).size).toBe(1);
    clock.now = epochMs(NOON + 4 * 60_000);
    await terrakube.getJob(ids());
    await at(8);
    expect(new Set(bearers(server)).size).toBe(2);
    expect(decodeJwt(bearers(server).at(-1) ?? '').iat).toBe(Math.floor(NOON / 1000) + 240);
  });

  test.each(['', '  ', 'not+base64/url'])('cannot be made of the secret %j', async (secret) => {
    const { terrakube, server } = await start(job, { secret: createFixedSecret(secret) });
    const refusal = await terrakube.getJob(ids()).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: 'DispatcherError', code: 'secretInvalid' });
    expect(server.seen).toEqual([]);
  });
});

describe('a secret that was rotated', () => {
  test('is read again after a 401, and the request sent once more', async () => {
    const secret = rotatedSecret(OTHER_SECRET, INTERNAL_SECRET);
    const { terrakube, server } = await start(onlyFor(INTERNAL_SECRET), { secret });
    expect(await terrakube.getJob(ids())).toEqual(aJob);
    await terrakube.patchJob(ids(), { status: 'failed' });
    expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'PATCH']);
    expect(secret.refreshes()).toBe(1);
  });

  test('is read again once for all requests that were refused, early or late', async () => {
    const secret = rotatedSecret(OTHER_SECRET, INTERNAL_SECRET);
    const answer = onlyFor(INTERNAL_SECRET);
    const renewed = Promise.withResolvers<void>();
    const { terrakube, server } = await start(
      async (call) => {
        const reply = await answer(call);
        if (typeof reply === 'object' && reply.status === 200) renewed.resolve();
        else if (call.path.includes('/job/2?')) await renewed.promise;
        return reply;
      },
      { secret },
    );
    const jobs = ['1', '2', '3'].map((jobId) => terrakube.getJob(ids({ jobId })));
    expect(await Promise.all(jobs)).toEqual([aJob, aJob, aJob]);
    expect(server.seen).toHaveLength(6);
  });

  test('does not help when it is the same: the 401 is the answer', async () => {
    const { terrakube, server } = await start(onlyFor(OTHER_SECRET));
    expect(await refusedWith(terrakube.getJob(ids()))).toMatchObject({ code: 'terrakubeRefused', status: 401 });
    expect(server.seen).toHaveLength(1);
  });

  test('does not help when the new one is refused, too', async () => {
    const { terrakube, server } = await start(() => ({ status: 401 }), {
      secret: rotatedSecret(OTHER_SECRET, INTERNAL_SECRET),
    });
    expect(await refusedWith(terrakube.getJob(ids()))).toMatchObject({ code: 'terrakubeRefused', status: 401 });
    expect(server.seen).toHaveLength(2);
  });

  test('is not suspected when Terrakube refuses for another reason', async () => {
    const secret = rotatedSecret(INTERNAL_SECRET, OTHER_SECRET);
    const { terrakube, server } = await start(() => ({ status: 403 }), { secret });
    expect(await refusedWith(terrakube.getJob(ids()))).toMatchObject({ code: 'terrakubeRefused', status: 403 });
    expect([server.seen.length, secret.refreshes()]).toEqual([1, 0]);
  });

  test('cannot be read: the error says so', async () => {
    const secret: SecretSource = {
      get: async () => OTHER_SECRET,
      refresh: () => Promise.reject(new DispatcherError('secretUnavailable', 'Secret x cannot be read.')),
    };
    const { terrakube } = await start(onlyFor(INTERNAL_SECRET), { secret });
    expect(await refusedWith(terrakube.getJob(ids()))).toEqual({
      code: 'secretUnavailable',
      message: 'Secret x cannot be read.',
    });
  });
});

describe('the base URL', () => {
  test.each([
    ['', ''],
    ['/', ''],
    ['///', ''],
    ['/terrakube', '/terrakube'],
    ['/terrakube/api/', '/terrakube/api'],
  ])('may end in %j', async (path, prefix) => {
    const { terrakube, server } = await start(job, { path });
    await terrakube.getJob(ids());
    await terrakube.appendLog(ids(), ['a line']);
    expect(server.seen.map((call) => call.path.split('?')[0])).toEqual([
      `${prefix}/api/v1/organization/${ids().organizationId}/job/17`,
      `${prefix}/logs`,
    ]);
  });

  test('may be https, with an authority that the machine trusts and with no other', async () => {
    const certificates = await makeCertificates();
    const server = await startScriptedServer(job, certificates);
    closing.push(server.close);
    const create = () =>
      createTerrakubeApi({ apiUrl: server.url, secret: createFixedSecret(INTERNAL_SECRET), now: () => NOON });
    expect(await refusedWith(create().getJob(ids()))).toMatchObject({ code: 'terrakubeUnavailable' });
    expect(server.seen).toEqual([]);

    const before = getCACertificates('default');
    setDefaultCACertificates([...before, certificates.caPem]);
    closing.push(async () => setDefaultCACertificates(before));
    const terrakube = create();
    for (let turn = 0; turn < 5; turn += 1) expect(await terrakube.getJob(ids())).toEqual(aJob);
    expect(server.connections).toBe(1);
  });
});

test.each<[string, Script]>([
  [
    'a refusal that repeats the request',
    ({ headers, body }) => ({ status: 400, body: `${headers.authorization} ${body}` }),
  ],
  ['an answer that is no job', ({ headers }) => ({ status: 200, body: `{"x":"${headers.authorization}"}` })],
  ['a reset', () => 'reset'],
  ['a time-out', () => 'silence'],
])('neither token nor secret nor text is in the error of %s', async (_, script) => {
  const { terrakube, server } = await start(script);
  const calls = [
    () => terrakube.getJob(ids()),
    () => terrakube.patchJob(ids(), { output: 'said-in-the-output' }),
    () => terrakube.patchStep(ids(), { name: 'said-in-the-name' }),
    () => terrakube.appendLog(ids(), ['said-in-the-log']),
  ];
  const errors: unknown[] = [];
  for (const call of calls) errors.push(await call().catch((error: unknown) => error));
  const secrets = [INTERNAL_SECRET, 'Bearer', 'eyJ', 'said-in', ...bearers(server)];
  expect(errors[0]).toBeInstanceOf(DispatcherError);
  expect(errors.flatMap((error) => leaksIn(error, secrets))).toEqual([]);
});
