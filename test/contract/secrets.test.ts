import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFixedSecret, createSecret, createSecretsManagerSecret } from '../../lib/clients/secrets.ts';
import { type EpochMs, epochMs } from '../../lib/domain/time.ts';
import type { SecretSource } from '../../lib/ports.ts';
import { type AwsApis, startAwsApis } from '../../local/aws/aws-apis.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { listen } from '../../local/lambda/listen.ts';
import { NOON } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { refusedWith } from '../support/refused-with.ts';

const ENDPOINT = 'AWS_ENDPOINT_URL_SECRETS_MANAGER';
const NAME = 'terrakube/internal';
const MINUTE_MS = 60_000;
const secrets = new Map<string, string>();
let apis: AwsApis;

beforeEach(async () => {
  secrets.clear();
  secrets.set(NAME, 'first');
  apis = await startAwsApis({ clusters: new Map(), secrets, credentials: [LOCAL_CREDENTIALS] });
  process.env[ENDPOINT] = apis.url;
});
afterEach(async () => {
  delete process.env[ENDPOINT];
  await apis.close();
});

const later = (ms: number): EpochMs => epochMs(NOON + ms);
const calls = () => apis.requests('GetSecretValue');
const fail = (code = 'AccessDeniedException', times = 100) =>
  apis.answerNext('GetSecretValue', { status: 400, code, times });
const createManaged = (secretId = NAME): SecretSource =>
  createSecretsManagerSecret({ secretId, region: 'eu-central-1', credentials: async () => LOCAL_CREDENTIALS });
const unavailable = (why: string) => ({
  code: 'secretUnavailable',
  message: `Secret ${NAME} cannot be read (${why}).`,
});

describe('a secret that the settings give', () => {
  test('as a value never changes', async () => {
    const aws = { region: 'eu-central-1', credentials: LOCAL_CREDENTIALS };
    for (const secret of [createFixedSecret('given'), createSecret({ value: 'given' }, aws)]) {
      expect([await secret.get(NOON), await secret.refresh(later(10 * MINUTE_MS))]).toEqual(['given', undefined]);
    }
    expect(calls()).toBe(0);
  });

  test('as a name is read with the keys of the function', async () => {
    const secret = createSecret({ secretId: NAME }, { region: 'eu-central-1', credentials: LOCAL_CREDENTIALS });
    expect(await secret.get(NOON)).toBe('first');
    expect(calls()).toBe(1);
  });
});

describe('a secret in Secrets Manager', () => {
  test('is read by its name or its ARN', async () => {
    const arn = `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${NAME}-AbCdEf`;
    expect([await createManaged().get(NOON), await createManaged(arn).get(NOON)]).toEqual(['first', 'first']);
  });

  test('is kept for five minutes', async () => {
    const secret = createManaged();
    await secret.get(NOON);
    secrets.set(NAME, 'second');
    expect(await secret.get(later(5 * MINUTE_MS - 1))).toBe('first');
    expect(calls()).toBe(1);
    expect(await secret.get(later(5 * MINUTE_MS))).toBe('second');
    expect(await secret.get(later(10 * MINUTE_MS - 1))).toBe('second');
    expect(calls()).toBe(2);
  });

  test('is read once for all who ask at the same time', async () => {
    const secret = createManaged();
    const values = await Promise.all([secret.get(NOON), secret.get(NOON), secret.refresh(NOON)]);
    expect(values).toEqual(['first', 'first', 'first']);
    expect(calls()).toBe(1);
  });

  test('is refreshed at most once a minute', async () => {
    const secret = createManaged();
    await secret.get(NOON);
    secrets.set(NAME, 'second');
    expect(await secret.refresh(later(MINUTE_MS - 1))).toBeUndefined();
    expect(calls()).toBe(1);
    expect(await secret.refresh(later(MINUTE_MS))).toBe('second');
    expect(await secret.get(later(MINUTE_MS))).toBe('second');
    secrets.set(NAME, 'third');
    expect(await secret.refresh(later(2 * MINUTE_MS - 1))).toBeUndefined();
    expect(calls()).toBe(2);
  });

  test('that is the same after a refresh is no news, and is kept for five more minutes', async () => {
    const secret = createManaged();
    await secret.get(NOON);
    expect(await secret.refresh(later(4 * MINUTE_MS))).toBeUndefined();
    expect(await secret.get(later(9 * MINUTE_MS - 1))).toBe('first');
    expect(calls()).toBe(2);
  });
});

describe('while Secrets Manager fails', () => {
  test('the last known value goes on, and is asked for once a minute', async () => {
    const secret = createManaged();
    await secret.get(NOON);
    fail();
    expect(await secret.get(later(5 * MINUTE_MS))).toBe('first');
    expect(await secret.get(later(6 * MINUTE_MS - 1))).toBe('first');
    expect(calls()).toBe(2);
    expect(await secret.get(later(6 * MINUTE_MS))).toBe('first');
    expect(calls()).toBe(3);
  });

  test('a refresh is an error, since nobody knows, and a flood of them is one call', async () => {
    const secret = createManaged();
    await secret.get(NOON);
    fail();
    const refusals = [];
    for (let turn = 0; turn < 20; turn += 1)
      refusals.push(await refusedWith(secret.refresh(later(2 * MINUTE_MS + turn))));
    expect(refusals).toEqual(Array.from({ length: 20 }, () => unavailable('AccessDeniedException')));
    expect(calls()).toBe(2);
  });

  test('a refresh a minute later asks again', async () => {
    const secret = createManaged();
    await secret.get(NOON);
    secrets.set(NAME, 'second');
    fail('AccessDeniedException', 1);
    await refusedWith(secret.refresh(later(2 * MINUTE_MS)));
    expect(await secret.refresh(later(3 * MINUTE_MS))).toBe('second');
    expect(await secret.get(later(3 * MINUTE_MS))).toBe('second');
    expect(calls()).toBe(3);
  });

  test('a secret that was never read is asked for each time', async () => {
    const secret = createManaged();
    fail('AccessDeniedException', 2);
    expect(await refusedWith(secret.get(NOON))).toEqual(unavailable('AccessDeniedException'));
    expect(await refusedWith(secret.get(later(1)))).toEqual(unavailable('AccessDeniedException'));
    expect(await secret.get(later(2))).toBe('first');
  });

  test.each(['ResourceNotFoundException', 'DecryptionFailure', 'UnrecognizedClientException'])(
    'the error has AWS’ name of it (%s)',
    async (code) => {
      fail(code);
      expect(await refusedWith(createManaged().get(NOON))).toEqual(unavailable(code));
      expect(calls()).toBe(1);
    },
  );

  test.each([
    ['ThrottlingException', 400],
    ['InternalServiceError', 500],
  ])('the SDK tries twice when it may pass (%s)', async (code, status) => {
    apis.answerNext('GetSecretValue', { status, code });
    expect(await createManaged().get(NOON)).toBe('first');
    apis.answerNext('GetSecretValue', { status, code, times: 2 });
    expect(await refusedWith(createManaged().get(NOON))).toEqual(unavailable(code));
    expect(calls()).toBe(4);
  });

  test('the error says that nobody listens, and holds no key', async () => {
    await apis.close();
    const error = await createManaged()
      .get(NOON)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject(unavailable('ECONNREFUSED'));
    expect(leaksIn(error, [LOCAL_CREDENTIALS.secretAccessKey, LOCAL_CREDENTIALS.sessionToken ?? '?'])).toEqual([]);
  });
});

test('a binary secret holds no text', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify({ Name: NAME, SecretBinary: Buffer.from('key-material').toString('base64') }));
  });
  process.env[ENDPOINT] = `http://127.0.0.1:${await listen(server)}`;
  try {
    const error = await createManaged()
      .get(NOON)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'secretUnavailable', message: `Secret ${NAME} holds no text.` });
  } finally {
    server.close();
  }
});
