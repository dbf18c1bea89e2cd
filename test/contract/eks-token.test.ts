import { describe, expect, test } from 'vitest';
import type { AwsCredentials } from '../../lib/clients/aws-credentials.ts';
import { createEksToken, type EksTokenOptions } from '../../lib/clients/eks-token.ts';
import { type EpochMs, epochMs } from '../../lib/domain/time.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';
import { NOON } from '../support/builders.ts';
import { signatureOf } from '../support/signature-v4.ts';

const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const SESSION = { ...KEYS, sessionToken: 'IQoJb3JpZ2luX2VjEJr//+/=a b&c' };
const MINUTE_MS = 60_000;

function createToken(credentials: AwsCredentials = SESSION, options: Partial<EksTokenOptions> = {}) {
  return createEksToken({
    clusterName: 'apps',
    region: 'eu-central-1',
    credentials: async () => credentials,
    ...options,
  });
}

const urlIn = (token: string) => new URL(Buffer.from(token.replace('k8s-aws-v1.', ''), 'base64url').toString('utf8'));

interface Presigned {
  readonly host: string;
  readonly region: string;
  readonly cluster: string;
  readonly credentials: AwsCredentials;
  /** As in X-Amz-Date. */
  readonly date: string;
}

/** The signature that the specification demands. */
function presign({ host, region, cluster, credentials, date }: Presigned): string {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const query = {
    Action: 'GetCallerIdentity',
    Version: '2011-06-15',
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${accessKeyId}/${date.slice(0, 8)}/${region}/sts/aws4_request`,
    'X-Amz-Date': date,
    'X-Amz-Expires': '60',
    ...(sessionToken === undefined ? {} : { 'X-Amz-Security-Token': sessionToken }),
    'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
  };
  return signatureOf({ query, headers: { host, 'x-k8s-aws-id': cluster }, secretAccessKey });
}

const parametersOf = (url: URL) => Object.fromEntries(url.searchParams);

describe('a token', () => {
  test.each<[string, AwsCredentials]>([
    ['a session', SESSION],
    ['a user', KEYS],
  ])('is the presigned request that the specification demands, with the keys of %s', async (_, credentials) => {
    const token = await createToken(credentials).get(NOON);
    const url = urlIn(token);
    const host = 'sts.eu-central-1.amazonaws.com';
    expect(`${url.origin}${url.pathname}`).toBe(`https://${host}/`);
    expect(parametersOf(url)).toEqual({
      Action: 'GetCallerIdentity',
      Version: '2011-06-15',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': 'AKIDEXAMPLE/20261124/eu-central-1/sts/aws4_request',
      'X-Amz-Date': '20261124T204137Z',
      'X-Amz-Expires': '60',
      ...(credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': credentials.sessionToken }),
      'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
      'X-Amz-Signature': presign({
        host,
        region: 'eu-central-1',
        cluster: 'apps',
        credentials,
        date: '20261124T204137Z',
      }),
    });
  });

  test('has a signature that never changes for one moment and one pair of keys', async () => {
    const signature = urlIn(await createToken(KEYS).get(NOON)).searchParams.get('X-Amz-Signature');
    expect(signature).toBe('8006a8c7aeb504c57b070cf6642c3d0c559d926a030a202c12952a03cb9f3ae2');
  });

  test('is base64url without padding, as the authenticator decodes it', async () => {
    const lengths = new Set<number>();
    for (const name of ['a', 'ab', 'abc']) {
      const token = await createToken({ ...KEYS, sessionToken: name }).get(NOON);
      expect(token).toMatch(/^k8s-aws-v1\.[A-Za-z0-9_-]+$/);
      lengths.add(token.length % 4);
    }
    expect(lengths.size).toBeGreaterThan(1);
  });

  test.each<[string, AwsCredentials]>([
    ['with a session token', SESSION],
    ['without one', KEYS],
  ])('is accepted by the cluster that it names, and by no other (%s)', async (_, credentials) => {
    const token = await createToken(credentials).get(NOON);
    const identities = [{ arn: 'arn:aws:iam::123456789012:role/dispatch', credentials }];
    const check = (clusterName: string) => verifyEksToken(token, { clusterName, identities, now: NOON });
    expect([await check('apps'), await check('other')]).toEqual([
      { arn: 'arn:aws:iam::123456789012:role/dispatch' },
      undefined,
    ]);
  });

  test.each([
    ['us-east-1', 'sts.us-east-1.amazonaws.com'],
    ['us-gov-west-1', 'sts.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'sts.cn-north-1.amazonaws.com.cn'],
    ['cn-northwest-1', 'sts.cn-northwest-1.amazonaws.com.cn'],
  ])('of %s is for the endpoint of its partition', async (region, host) => {
    const url = urlIn(await createToken(SESSION, { region }).get(NOON));
    expect(url.hostname).toBe(host);
    expect(url.searchParams.get('X-Amz-Signature')).toBe(
      presign({ host, region, cluster: 'apps', credentials: SESSION, date: '20261124T204137Z' }),
    );
  });
});

describe('a token is kept', () => {
  const later = (ms: number): EpochMs => epochMs(NOON + ms);

  test('for ten minutes', async () => {
    const source = createToken();
    const first = await source.get(NOON);
    expect(await source.get(later(10 * MINUTE_MS - 1))).toBe(first);
    const second = await source.get(later(10 * MINUTE_MS));
    expect(urlIn(second).searchParams.get('X-Amz-Date')).toBe('20261124T205137Z');
    expect(await source.get(later(20 * MINUTE_MS - 1))).toBe(second);
  });

  test('not past the end of its credentials', async () => {
    const source = createToken({ ...SESSION, expiresAt: later(3 * MINUTE_MS) });
    const first = await source.get(NOON);
    expect(await source.get(later(3 * MINUTE_MS - 1))).toBe(first);
    expect(await source.get(later(3 * MINUTE_MS))).not.toBe(first);
  });

  test.each<[string, AwsCredentials]>([
    ['another access key', { ...SESSION, accessKeyId: 'AKIDOTHER' }],
    ['another session', { ...SESSION, sessionToken: 'another' }],
    ['no session', KEYS],
  ])('not for %s', async (_, others) => {
    let current: AwsCredentials = SESSION;
    const source = createToken(SESSION, { credentials: async () => current });
    const first = await source.get(NOON);
    current = others;
    const second = await source.get(NOON);
    expect(second).not.toBe(first);
    expect(await source.get(NOON)).toBe(second);
  });

  test('until it is forgotten; forgetting an older one changes nothing', async () => {
    const source = createToken();
    const first = await source.get(NOON);
    source.forget(first);
    const second = await source.get(later(1000));
    expect(second).not.toBe(first);
    source.forget(first);
    expect(await source.get(later(2000))).toBe(second);
  });
});

test('credentials that cannot be had are the error of whoever has them', async () => {
  const failure = new Error('no credentials');
  const source = createToken(SESSION, { credentials: () => Promise.reject(failure) });
  await expect(source.get(NOON)).rejects.toBe(failure);
});
