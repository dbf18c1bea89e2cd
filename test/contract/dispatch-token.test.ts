import { createHmac, generateKeyPairSync } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { createDispatchToken } from '../../lib/clients/dispatch-token.ts';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { parseInternalKey, signDispatchToken } from '../../local/terrakube/internal-key.ts';
import { NOON } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { createSecretDouble } from '../support/secret-double.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

const secretOf = (bytes: number, text = 'terrakube') => Buffer.alloc(bytes, text).toString('base64url');
const SECRET = secretOf(32);
const nowSeconds = Math.floor(NOON / 1000);

/** The recorded claims of a dispatch, in date. */
const claims = (changes: Readonly<Record<string, unknown>> = {}) => ({
  ...readDispatch('dispatch_terraformPlan').claims,
  iat: nowSeconds,
  exp: nowSeconds + 10,
  ...changes,
});

/** A token by HMAC alone, so that not even the library under test has a say in it. */
function token(payload: object = claims(), { alg = 'HS256', secret = SECRET, header = {} } = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg, ...header })}.${part(payload)}`;
  const hash = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[alg] ?? 'sha256';
  return `${signed}.${createHmac(hash, Buffer.from(secret, 'base64url')).update(signed).digest('base64url')}`;
}

const verify = (presented: string, secret = SECRET, now = NOON) =>
  createDispatchToken(createFixedSecret(secret)).verify(presented, now);

describe('a token of Terrakube', () => {
  test.each([
    [32, 'HS256'],
    [47, 'HS256'],
    [48, 'HS384'],
    [63, 'HS384'],
    [64, 'HS512'],
    [128, 'HS512'],
  ])('is accepted with a key of %i bytes, for which jjwt takes %s', async (bytes, alg) => {
    const secret = secretOf(bytes);
    expect(await verify(token(claims(), { alg, secret }), secret)).toBe(true);
  });

  test('is accepted as the stand-in Terrakube makes it', async () => {
    const presented = await signDispatchToken(parseInternalKey(SECRET));
    expect(await verify(presented, SECRET, epochMs(Date.now()))).toBe(true);
  });

  test.each(['HS256', 'HS384', 'HS512'])('is accepted with %s whatever the length of the key', async (alg) => {
    expect(await verify(token(claims(), { alg }))).toBe(true);
  });

  test.each([
    ['an audience that is a text', { aud: 'TERRAKUBE_INTERNAL' }],
    ['one audience of two', { aud: ['OTHER', 'TERRAKUBE_INTERNAL'] }],
    ['nothing but what matters', { sub: undefined, jti: undefined, email: undefined, iat: undefined }],
    ['a date of issue in the future', { iat: nowSeconds + 3600 }],
  ])('is accepted with %s', async (_, changes) => {
    expect(await verify(token(claims(changes)))).toBe(true);
  });

  test.each([
    ['newline at the end', `${SECRET}\n`],
    ['spaces and quotes around it', ` "${SECRET}" `],
    ['padding', `${SECRET}=`],
    ['padding and a newline', `${SECRET}=\r\n`],
  ])('is accepted when the secret has a stray %s, as jjwt reads it', async (_, secret) => {
    expect(await verify(token(), secret)).toBe(true);
  });
});

describe('the clock', () => {
  const at = (secondsAfterEnd: number) => epochMs((nowSeconds + 10 + secondsAfterEnd) * 1000);

  test.each([
    [-9, true],
    [0, true],
    [59, true],
    [61, false],
    [3600, false],
  ])('may be %i s past the end of a token: %s', async (seconds, expected) => {
    expect(await verify(token(), SECRET, at(seconds))).toBe(expected);
  });

  test.each([
    [59, true],
    [61, false],
  ])('may be %i s behind the start of a token: %s', async (seconds, expected) => {
    expect(await verify(token(claims({ nbf: nowSeconds + seconds })))).toBe(expected);
  });
});

describe('a token is refused', () => {
  test.each([
    ['no end', { exp: undefined }],
    ['an end that is a text', { exp: String(nowSeconds + 10) }],
    ['no issuer', { iss: undefined }],
    ['the issuer of users', { iss: 'Terrakube' }],
    ['the issuer of our own calls', { iss: 'TerrakubeInternal' }],
    ['no audience', { aud: undefined }],
    ['another audience', { aud: ['TerrakubeInternal'] }],
    ['an empty audience', { aud: [] }],
  ])('with %s', async (_, changes) => {
    expect(await verify(token(claims(changes)))).toBe(false);
  });

  test('without a signature', async () => {
    const unsecured = new UnsecuredJWT(claims()).encode();
    const [header, payload] = token().split('.');
    const bare = [unsecured, `${header}.${payload}.`, `${header}.${payload}`];
    expect(await Promise.all(bare.map((presented) => verify(presented)))).toEqual([false, false, false]);
  });

  test('with a signature of another algorithm', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rsa = await new SignJWT(claims()).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
    expect(await verify(rsa)).toBe(false);
    expect(await verify(token(claims(), { alg: 'none' }))).toBe(false);
    expect(await verify(token(claims(), { header: { alg: 'HS999' } }))).toBe(false);
  });

  test('with a claim or a signature that was changed', async () => {
    const [header, , signature] = token().split('.');
    const payload = Buffer.from(JSON.stringify(claims({ jti: 'another' }))).toString('base64url');
    expect(await verify(`${header}.${payload}.${signature}`)).toBe(false);
    expect(await verify(token().replace(/.{4}$/, 'AAAA'))).toBe(false);
  });

  test('with a header that demands what nobody knows', async () => {
    expect(await verify(token(claims(), { header: { crit: ['x'], x: 1 } }))).toBe(false);
  });

  test.each(['', '.', '..', 'a.b.c', 'garbage', `${'x'.repeat(10_000)}`, 'eyJhbGciOiJIUzI1NiJ9..'])(
    'that is garbage: %.20s',
    async (presented) => {
      expect(await verify(presented)).toBe(false);
    },
  );

  test('by another key of any length', async () => {
    expect(await verify(token(claims(), { secret: secretOf(32, 'other') }))).toBe(false);
    expect(await verify(token(claims(), { alg: 'HS512', secret: secretOf(64) }))).toBe(false);
  });
});

describe('a rotated secret', () => {
  const OTHER = secretOf(32, 'rotated');

  test('is read again when a signature fails, and used from then on', async () => {
    const secret = createSecretDouble(SECRET);
    secret.rotate(OTHER);
    const verifier = createDispatchToken(secret);
    const presented = token(claims(), { secret: OTHER });
    expect([await verifier.verify(presented, NOON), await verifier.verify(presented, NOON)]).toEqual([true, true]);
    expect(secret.refreshes()).toBe(1);
  });

  test('does not help a token that neither key signed', async () => {
    const secret = createSecretDouble(SECRET);
    secret.rotate(OTHER);
    const presented = token(claims(), { secret: secretOf(32, 'third') });
    expect(await createDispatchToken(secret).verify(presented, NOON)).toBe(false);
  });

  test('is not asked for when the signature is right or the token is none', async () => {
    const secret = createSecretDouble(SECRET);
    const verifier = createDispatchToken(secret);
    for (const presented of [token(), token(claims({ exp: 1 })), token(claims({ iss: 'x' })), 'garbage']) {
      await verifier.verify(presented, NOON);
    }
    expect(secret.refreshes()).toBe(0);
  });

  test('that cannot be read is an error, not a wrong token', async () => {
    const unreadable = new DispatcherError('secretUnavailable', 'Secret x cannot be read.');
    const verifier = createDispatchToken({
      get: async () => SECRET,
      refresh: () => Promise.reject(unreadable),
    });
    await expect(verifier.verify(token(claims(), { secret: OTHER }), NOON)).rejects.toBe(unreadable);
  });
});

test.each(['', ' \n', 'wrong secret', `${SECRET}+/${SECRET}`])(
  'a secret that is no key is an error that hides it (%j)',
  async (secret) => {
    const error = await verify(token(), secret).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'DispatcherError', code: 'secretInvalid' });
    expect(leaksIn(error, [token(), SECRET, 'wrong secret'])).toEqual([]);
  },
);
