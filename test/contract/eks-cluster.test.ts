import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CredentialSource } from '../../lib/clients/aws-credentials.ts';
import { createEksCluster, type EksCluster, type EksClusterOptions } from '../../lib/clients/eks-cluster.ts';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { type AwsApis, type LocalCluster, startAwsApis } from '../../local/aws/aws-apis.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { NOON } from '../support/builders.ts';
import { createCountedToken } from '../support/kubernetes-bench.ts';
import { leaksIn } from '../support/leaks.ts';
import { refusedWith } from '../support/refused-with.ts';
import { startScriptedServer } from '../support/scripted-server.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const clusters = new Map<string, LocalCluster>();
let apis: AwsApis;

beforeEach(async () => {
  clusters.clear();
  clusters.set('apps', { endpoint: 'https://first.example', certificateAuthorityData: base64('PEM 1') });
  apis = await startAwsApis({ clusters, secrets: new Map(), credentials: [LOCAL_CREDENTIALS] });
  process.env['AWS_ENDPOINT_URL_EKS'] = apis.url;
});
afterEach(async () => {
  delete process.env['AWS_ENDPOINT_URL_EKS'];
  await apis.close();
});

const createCluster = (options: Partial<EksClusterOptions> = {}): EksCluster =>
  createEksCluster({
    clusterName: 'apps',
    region: 'eu-central-1',
    credentials: async () => LOCAL_CREDENTIALS,
    ...options,
  });

const first = { endpoint: 'https://first.example', caPem: 'PEM 1' };
const second = { endpoint: 'https://second.example', caPem: 'PEM 2' };
const move = () => clusters.set('apps', { endpoint: second.endpoint, certificateAuthorityData: base64(second.caPem) });

describe('the address of a cluster', () => {
  test('is asked for once, however many callers there are', async () => {
    const cluster = createCluster();
    const addresses = await Promise.all(Array.from({ length: 10 }, () => cluster.get(NOON)));
    addresses.push(await cluster.get(NOON));
    expect(addresses).toEqual(Array.from({ length: 11 }, () => first));
    expect(apis.requests('DescribeCluster')).toBe(1);
  });

  test('is not asked for when the settings have it', async () => {
    const cluster = createCluster({ configured: second });
    expect(await cluster.get(NOON)).toEqual(second);
    expect(cluster.forget(second)).toBe(false);
    expect(await cluster.get(NOON)).toEqual(second);
    expect(apis.requests('DescribeCluster')).toBe(0);
  });

  test('is asked for again when it was forgotten', async () => {
    const cluster = createCluster();
    const old = await cluster.get(NOON);
    move();
    expect(cluster.forget(old)).toBe(true);
    expect(await cluster.get(NOON)).toEqual(second);
    expect(apis.requests('DescribeCluster')).toBe(2);
  });

  test('is asked for again once, when several callers found it wrong', async () => {
    const cluster = createCluster();
    const old = await cluster.get(NOON);
    move();
    cluster.forget(old);
    const early = cluster.get(NOON);
    cluster.forget(old);
    const addresses = [await early, await cluster.get(NOON)];
    cluster.forget(old);
    addresses.push(await cluster.get(NOON));
    expect(addresses).toEqual([second, second, second]);
    expect(apis.requests('DescribeCluster')).toBe(2);
  });

  test('is asked for with the credentials of the moment', async () => {
    const asked: number[] = [];
    const credentials: CredentialSource = async (now) => {
      asked.push(now);
      return LOCAL_CREDENTIALS;
    };
    await createCluster({ credentials }).get(NOON);
    expect(asked).toEqual([NOON]);
  });
});

describe('an address that cannot be had', () => {
  test.each([
    ['ResourceNotFoundException', 404],
    ['AccessDeniedException', 403],
    ['UnrecognizedClientException', 403],
  ])('is an error with AWS’ name of it (%s)', async (code, status) => {
    apis.answerNext('DescribeCluster', { status, code });
    expect(await refusedWith(createCluster().get(NOON))).toEqual({
      code: 'clusterUnknown',
      message: `Cluster apps cannot be described (${code}).`,
    });
    expect(apis.requests('DescribeCluster')).toBe(1);
  });

  test('is tried for a second time by the SDK when it may pass', async () => {
    apis.answerNext('DescribeCluster', { status: 429, code: 'ThrottlingException' });
    expect(await createCluster().get(NOON)).toEqual(first);
    expect(apis.requests('DescribeCluster')).toBe(2);
  });

  test('is an error after two attempts', async () => {
    apis.answerNext('DescribeCluster', { status: 503, code: 'ServiceUnavailableException', times: 5 });
    expect(await refusedWith(createCluster().get(NOON))).toEqual({
      code: 'clusterUnknown',
      message: 'Cluster apps cannot be described (ServiceUnavailableException).',
    });
    expect(apis.requests('DescribeCluster')).toBe(2);
  });

  test('fails all who wait for it, and is asked for again by the next', async () => {
    apis.answerNext('DescribeCluster', { status: 403, code: 'AccessDeniedException' });
    const cluster = createCluster();
    const refusals = await Promise.all([1, 2, 3].map(() => refusedWith(cluster.get(NOON))));
    expect(new Set(refusals.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(refusals[0]).toMatchObject({ code: 'clusterUnknown' });
    expect(await cluster.get(NOON)).toEqual(first);
    expect(apis.requests('DescribeCluster')).toBe(2);
  });

  test.each([
    ['', base64('PEM')],
    ['https://half.example', ''],
  ])('has not been given to the cluster yet (%j, %j)', async (endpoint, certificateAuthorityData) => {
    clusters.set('apps', { endpoint, certificateAuthorityData });
    expect(await refusedWith(createCluster().get(NOON))).toEqual({
      code: 'clusterUnknown',
      message: 'Cluster apps has no endpoint yet (ACTIVE).',
    });
  });

  test('says that nobody listens, and nothing of the keys', async () => {
    await apis.close();
    const error = await createCluster()
      .get(NOON)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'clusterUnknown',
      message: 'Cluster apps cannot be described (ECONNREFUSED).',
    });
    expect(leaksIn(error, [LOCAL_CREDENTIALS.secretAccessKey, LOCAL_CREDENTIALS.sessionToken ?? '?'])).toEqual([]);
  });

  test('has no credentials', async () => {
    const cluster = createCluster({ credentials: () => Promise.reject(new Error('none')) });
    expect(await refusedWith(cluster.get(NOON))).toEqual({
      code: 'clusterUnknown',
      message: 'Cluster apps cannot be described (Error).',
    });
  });
});

test('a cluster that was made anew is found again by ten calls at once, with one question', async () => {
  const certificates = await makeCertificates();
  const server = await startScriptedServer(() => ({ status: 200, body: { kind: 'JobList', items: [] } }), certificates);
  const older = await makeCertificates();
  const at = (caPem: string) => ({ endpoint: server.url, certificateAuthorityData: base64(caPem) });
  clusters.set('apps', at(older.caPem));
  const cluster = createCluster();
  await cluster.get(NOON);
  clusters.set('apps', at(certificates.caPem));
  const store = createKubernetesJobs({ cluster, token: createCountedToken(), namespace: 'terrakube', now: () => NOON });
  try {
    const lists = await Promise.all(Array.from({ length: 10 }, () => store.listJobs('a=b')));
    expect(lists).toEqual(Array.from({ length: 10 }, () => []));
    expect(apis.requests('DescribeCluster')).toBe(2);
  } finally {
    await server.close();
  }
});
