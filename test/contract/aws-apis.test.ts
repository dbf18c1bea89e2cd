import { DescribeClusterCommand, EKSClient } from '@aws-sdk/client-eks';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Sha256Node } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEksToken } from '../../lib/clients/eks-token.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { type AwsApis, startAwsApis } from '../../local/aws/aws-apis.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';

let apis: AwsApis;
const secrets = new Map<string, string>();

beforeEach(async () => {
  secrets.clear();
  secrets.set('terrakube/internal', 'first');
  apis = await startAwsApis({
    clusters: new Map([['apps', { endpoint: 'https://127.0.0.1:6443', certificateAuthorityData: 'Y2E=' }]]),
    secrets,
    credentials: [LOCAL_CREDENTIALS],
  });
});
afterEach(() => apis.close());

const clientOptions = (credentials = LOCAL_CREDENTIALS) => ({
  endpoint: apis.url,
  region: 'eu-central-1',
  credentials,
  maxAttempts: 1,
});
const describeCluster = (name: string, credentials = LOCAL_CREDENTIALS) =>
  new EKSClient(clientOptions(credentials)).send(new DescribeClusterCommand({ name }));
const getSecretValue = (id: string) =>
  new SecretsManagerClient(clientOptions()).send(new GetSecretValueCommand({ SecretId: id }));

describe('EKS', () => {
  test('describes a cluster with its endpoint and authority', async () => {
    const { cluster } = await describeCluster('apps');

    expect(cluster).toEqual({
      name: 'apps',
      arn: 'arn:aws:eks:eu-central-1:123456789012:cluster/apps',
      endpoint: 'https://127.0.0.1:6443',
      certificateAuthority: { data: 'Y2E=' },
      status: 'ACTIVE',
      accessConfig: { authenticationMode: 'API' },
    });
    expect(apis.requests('DescribeCluster')).toBe(1);
    expect(apis.requests('GetSecretValue')).toBe(0);
  });

  test('does not find a cluster that does not exist', async () => {
    await expect(describeCluster('other')).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: 'No cluster found for name: other.',
      $metadata: { httpStatusCode: 404 },
    });
  });

  test('knows nobody but the given identities', async () => {
    const stranger = { accessKeyId: 'AKIASTRANGER', secretAccessKey: 'x' };

    await expect(describeCluster('apps', stranger)).rejects.toMatchObject({ name: 'UnrecognizedClientException' });
  });
});

describe('Secrets Manager', () => {
  test('gives a secret by name and by ARN, and its new value after a rotation', async () => {
    const byName = await getSecretValue('terrakube/internal');
    secrets.set('terrakube/internal', 'second');
    const byArn = await getSecretValue(byName.ARN ?? '');

    expect([byName.SecretString, byArn.SecretString]).toEqual(['first', 'second']);
    expect(byName.ARN).toBe('arn:aws:secretsmanager:eu-central-1:123456789012:secret:terrakube/internal-AbCdEf');
    expect(apis.requests('GetSecretValue')).toBe(2);
  });

  test('does not find a secret that does not exist', async () => {
    await expect(getSecretValue('absent')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

describe('any operation', () => {
  test('answers with the prepared fault as often as it was asked to, and counts it', async () => {
    apis.answerNext('GetSecretValue', { status: 400, code: 'ThrottlingException', times: 2 });
    const outcome = () =>
      getSecretValue('terrakube/internal').then(
        ({ SecretString: value }) => value,
        ({ name }: Error) => name,
      );

    expect([await outcome(), await outcome(), await outcome()]).toEqual([
      'ThrottlingException',
      'ThrottlingException',
      'first',
    ]);
    expect(apis.requests('GetSecretValue')).toBe(3);
  });

  test('is tried again by the SDK after a fault that passes', async () => {
    apis.answerNext('DescribeCluster', { status: 503, code: 'ServiceUnavailableException' });
    const client = new EKSClient({ ...clientOptions(), maxAttempts: 2 });

    const { cluster } = await client.send(new DescribeClusterCommand({ name: 'apps' }));

    expect(cluster?.name).toBe('apps');
    expect(apis.requests('DescribeCluster')).toBe(2);
  });

  test('is refused without a signature', async () => {
    const response = await fetch(`${apis.url}/clusters/apps`);

    expect(response.status).toBe(403);
    expect(await response.json()).toEqual({
      __type: 'MissingAuthenticationTokenException',
      message: 'Missing Authentication Token',
    });
  });

  test('is refused when it was signed for another service', async () => {
    const authorization = `AWS4-HMAC-SHA256 Credential=${LOCAL_CREDENTIALS.accessKeyId}/20261124/eu-central-1/sts/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
    const response = await fetch(`${apis.url}/clusters/apps`, { headers: { authorization } });

    expect(await response.json()).toMatchObject({ __type: 'InvalidSignatureException' });
  });

  test('that is not known here says so', async () => {
    const response = await fetch(`${apis.url}/clusters`);

    expect(await response.json()).toEqual({
      __type: 'UnknownOperationException',
      message: 'GET /clusters is not answered here',
    });
  });
});

describe('a token of an EKS client', () => {
  const now = Date.UTC(2026, 10, 24, 20, 41, 37);
  const identities = [
    { arn: 'arn:aws:sts::123456789012:assumed-role/dispatch/session', credentials: LOCAL_CREDENTIALS },
  ];
  const aToken = (clusterName = 'apps', credentials = LOCAL_CREDENTIALS) =>
    createEksToken({ clusterName, region: 'eu-central-1', credentials: async () => credentials }).get(epochMs(now));
  const verify = (token: string, more: object = {}) =>
    verifyEksToken(token, { clusterName: 'apps', identities, now, ...more });
  /** The token with its URL changed. */
  const altered = async (change: (url: string) => string) => {
    const url = Buffer.from((await aToken()).slice('k8s-aws-v1.'.length), 'base64url').toString();
    return `k8s-aws-v1.${Buffer.from(change(url)).toString('base64url')}`;
  };

  test('says whose credentials signed it', async () => {
    expect(await verify(await aToken())).toEqual({ arn: 'arn:aws:sts::123456789012:assumed-role/dispatch/session' });
    expect(await verify(await altered((url) => url))).toBeDefined();
  });

  test('may be signed without a session token', async () => {
    const credentials = { accessKeyId: 'AKIALOCAL', secretAccessKey: 'long lived' };

    const token = await aToken('apps', credentials);
    expect(await verify(token, { identities: [{ arn: 'arn:user', credentials }] })).toEqual({ arn: 'arn:user' });
  });

  test('is good for 15 minutes from its date', async () => {
    const token = await aToken();

    expect(await verify(token, { now: now + 15 * 60_000 })).toBeDefined();
    expect(await verify(token, { now: now + 15 * 60_000 + 1 })).toBeUndefined();
    expect(await verify(token, { now: now - 5 * 60_000 - 1 })).toBeUndefined();
  });

  test('is refused by another cluster', async () => {
    expect(await verify(await aToken('other'))).toBeUndefined();
    expect(await verify(await aToken(), { clusterName: 'other' })).toBeUndefined();
  });

  test('is refused with a wrong key, and from a stranger', async () => {
    expect(await verify(await aToken('apps', { ...LOCAL_CREDENTIALS, secretAccessKey: 'wrong' }))).toBeUndefined();
    expect(await verify(await aToken('apps', { accessKeyId: 'AKIASTRANGER', secretAccessKey: 'x' }))).toBeUndefined();
    expect(await verify(await aToken('apps', { ...LOCAL_CREDENTIALS, sessionToken: 'older' }))).toBeUndefined();
  });

  test.each<[string, (url: string) => string]>([
    ['another host', (url) => url.replace('sts.eu-central-1.amazonaws.com', 'sts.example.com')],
    ['a host that only begins like STS', (url) => url.replace('amazonaws.com/', 'amazonaws.com.example.org/')],
    ['plain http', (url) => url.replace('https:', 'http:')],
    ['a port', (url) => url.replace('.com/', '.com:8443/')],
    ['a path', (url) => url.replace('.com/', '.com/x')],
    ['another action', (url) => url.replace('GetCallerIdentity', 'GetSessionToken')],
    ['a parameter more', (url) => `${url}&Extra=1`],
    ['a parameter twice', (url) => `${url}&Action=GetCallerIdentity`],
    ['another region', (url) => url.replace('sts.eu-central-1', 'sts.us-east-1')],
    ['another date', (url) => url.replace('T204137Z', 'T204138Z')],
    ['a longer life', (url) => url.replace('X-Amz-Expires=60', 'X-Amz-Expires=901')],
    ['the cluster left out of the signed headers', (url) => url.replace('host%3Bx-k8s-aws-id', 'host')],
    ['another signature', (url) => url.replace(/X-Amz-Signature=.{4}/, 'X-Amz-Signature=0000')],
  ])('is refused with %s', async (_name, change) => {
    const token = await altered(change);

    expect(token).not.toBe(await aToken());
    expect(await verify(token)).toBeUndefined();
  });

  /** A token that is signed with the right key, whatever it asks for. */
  const signed = async ({
    hostname = 'sts.eu-central-1.amazonaws.com',
    action = 'GetCallerIdentity',
    expiresIn = 60,
    headers = {},
  }) => {
    const signer = new SignatureV4({
      credentials: LOCAL_CREDENTIALS,
      region: 'eu-central-1',
      service: 'sts',
      sha256: Sha256Node,
    });
    const query = { Action: action, Version: '2011-06-15' };
    const request = {
      method: 'GET',
      protocol: 'https:',
      hostname,
      path: '/',
      query,
      headers: { host: hostname, ...headers },
    };
    const { query: parameters = {} } = await signer.presign(request, { expiresIn, signingDate: new Date(now) });
    const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
    return `k8s-aws-v1.${Buffer.from(`https://${hostname}/?${pairs.join('&')}`).toString('base64url')}`;
  };
  const forApps = { 'x-k8s-aws-id': 'apps' };

  test.each([
    ['names no cluster', {}],
    ['lives longer than 15 minutes', { headers: forApps, expiresIn: 901 }],
    ['asks for something else', { headers: forApps, action: 'GetSessionToken' }],
    ['is for another host', { headers: forApps, hostname: 'sts.eu-central-1.amazonaws.com.example.org' }],
  ])('is refused when it is well signed but %s', async (_name, wrong) => {
    expect(await verify(await signed({ headers: forApps }))).toBeDefined();
    expect(await verify(await signed(wrong))).toBeUndefined();
  });

  test.each([
    ['no prefix', (token: string) => token.slice('k8s-aws-v1.'.length)],
    ['padding', (token: string) => `${token}=`],
    ['no URL in it', () => `k8s-aws-v1.${Buffer.from('hello').toString('base64url')}`],
    ['nothing in it', () => 'k8s-aws-v1.'],
  ])('is refused with %s', async (_name, change) => {
    expect(await verify(change(await aToken()))).toBeUndefined();
  });
});
