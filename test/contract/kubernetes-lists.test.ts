import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { epochMs } from '../../lib/domain/time.ts';
import type { ReconciledCluster } from '../../lib/ports.ts';
import { type Certificates, makeCertificates } from '../../local/cluster/certificates.ts';
import { startCluster } from '../../local/cluster/cluster.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { createCountedToken } from '../support/kubernetes-bench.ts';
import { createClusterWorld } from '../support/reconciler-worlds.ts';
import { recorded } from '../support/recorded.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type Reply, type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const NOW = epochMs(1_000_000);

function reconcilerOf(endpoint: string, caPem: string): ReconciledCluster {
  const address = { endpoint, caPem };
  return createKubernetesReconciler({
    cluster: { get: async () => address, forget: () => false },
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => NOW,
    timeoutMs: 2000,
  });
}

let certificates: Certificates;
let server: ScriptedServer;
beforeAll(async () => {
  certificates = await makeCertificates();
  server = await startScriptedServer(() => 'reset', certificates);
});
afterAll(() => server.close());

/** A client of a server that answers like this, and what it asks from now on. */
function start(script: Script) {
  server.script(script);
  const before = server.seen.length;
  const asked = () =>
    server.seen.slice(before).map(({ method, path, headers, body }) => {
      const { pathname, searchParams } = new URL(path, server.url);
      return { method, pathname, query: Object.fromEntries(searchParams), headers, body };
    });
  return { cluster: reconcilerOf(server.url, certificates.caPem), asked };
}

const replyOf = (file: string): Reply => {
  const { status, headers, body } = recorded(file).response;
  const { 'Content-Length': _, 'Transfer-Encoding': __, ...lasting } = headers;
  return { status, headers: lasting, body: typeof body === 'string' ? body : Object(body) };
};

const page = (names: readonly string[], rest = '', kind = 'Job'): Reply => ({
  status: 200,
  headers: { date: new Date(NOW + 9000).toUTCString() },
  body: {
    kind: `${kind}List`,
    metadata: { resourceVersion: '4711', ...(rest === '' ? {} : { continue: rest }) },
    items: names.map((name) => ({ metadata: { name, managedFields: [{ manager: 'x' }] } })),
  },
});

const tokenOf = (path: string): string => new URL(path, server.url).searchParams.get('continue') ?? '';

describe('a snapshot', () => {
  test('of 1,203 Jobs is read in pages of 500, and each page on the same connection', { timeout: 60_000 }, async () => {
    const standIn = await startCluster({ authenticate: async () => 'reconcile', startJobs: () => () => undefined });
    const client = createClusterClient({ ...standIn, token: 'token-1' });
    const world = createClusterWorld(client, 'terrakube');
    const names = Array.from({ length: 1203 }, (_, index) => `job-${String(index).padStart(4, '0')}`);
    for (const name of names) await world.createJob(name, { app: 'pages' });
    client.close();
    const [asked, handshakes] = [standIn.stats.requests.length, standIn.stats.handshakes];

    const { items, resourceVersion } = await reconcilerOf(standIn.url, standIn.caPem).snapshotJobs('app=pages');

    const requests = standIn.stats.requests.slice(asked).map(({ path }) => new URL(path, standIn.url).searchParams);
    expect(requests.map((query) => [query.get('limit'), query.get('labelSelector'), query.has('continue')])).toEqual([
      ['500', 'app=pages', false],
      ['500', 'app=pages', true],
      ['500', 'app=pages', true],
    ]);
    expect(standIn.stats.handshakes - handshakes).toBe(1);
    expect(items.map(({ metadata }) => metadata?.name)).toEqual(names);
    expect(items[1202]?.metadata?.resourceVersion).toBe(resourceVersion);
    await standIn.close();
  });

  test('is read again from its beginning when the server has forgotten its rest', async () => {
    let turns = 0;
    const { cluster, asked } = start(({ path }) => {
      turns += 1;
      if (tokenOf(path) === '') return page(['a'], 'more');
      return turns < 6 ? replyOf('410-bad-continue') : page(['b']);
    });
    const { items } = await cluster.snapshotJobs('a=b');
    expect(items.map(({ metadata }) => metadata)).toEqual([{ name: 'a' }, { name: 'b' }]);
    expect(asked().map(({ query }) => query['continue'] ?? '')).toEqual(
      ['', 'more', '', 'more', '', 'more', '', 'more'].slice(0, turns),
    );
  });

  test('is given up when that happens four times', async () => {
    const { cluster, asked } = start(({ path }) =>
      tokenOf(path) === '' ? page(['a'], 'more') : replyOf('410-bad-continue'),
    );
    expect(await refusedWith(cluster.snapshotJobs('a=b'))).toMatchObject({ code: 'clusterRefused', status: 410 });
    expect(asked().length).toBe(8);
  });

  test('tells the clock of the API server', async () => {
    const { cluster } = start(() => page([]));
    await cluster.snapshotJobs('a=b');
    expect(cluster.serverNow()).toBe(NOW + 9000);
  });

  test.each<[string, string, (cluster: ReconciledCluster) => Promise<unknown>, object]>([
    [
      'Job',
      '/apis/batch/v1/namespaces/terrakube/jobs',
      (cluster) => cluster.snapshotJobs('a=b'),
      { labelSelector: 'a=b' },
    ],
    [
      'Pod',
      '/api/v1/namespaces/terrakube/pods',
      (cluster) => cluster.snapshotPods('a=b'),
      { labelSelector: 'a=b', fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' },
    ],
    [
      'Event',
      '/api/v1/namespaces/terrakube/events',
      (cluster) => cluster.listWarnings(),
      { fieldSelector: 'type=Warning' },
    ],
  ])('of %ss asks for what is wanted only', async (kind, pathname, list, query) => {
    const { cluster, asked } = start(() => page([], '', kind));
    await list(cluster);
    expect(asked()).toEqual([
      {
        method: 'GET',
        pathname,
        query: { limit: '500', ...query },
        headers: expect.objectContaining({ accept: 'application/json', authorization: 'Bearer token-1' }),
        body: '',
      },
    ]);
  });

  test.each<[string, Script, object]>([
    ['the second page is missing', ({ path }) => (tokenOf(path) === '' ? page(['a'], 'more') : 'reset'), {}],
    ['it is a list of something else', () => page(['a'], '', 'Pod'), {}],
    ['it is no list', () => ({ status: 200, body: { kind: 'JobList' } }), {}],
    ['it is not JSON', () => ({ status: 200, body: '<html>' }), {}],
    ['the server asks to come later', () => replyOf('429-too-many-requests'), { status: 429, retryAfterSeconds: 1 }],
  ])('is none when %s', async (_, script, details) => {
    const { cluster } = start(script);
    expect(await refusedWith(cluster.snapshotJobs('a=b'))).toEqual({
      code: 'clusterUnavailable',
      message: expect.stringMatching(/about list of Jobs\.$/),
      ...details,
    });
  });

  test('that our role may not read says so, where the reconciler can do without', async () => {
    const { cluster } = start(() => replyOf('403-rbac-get'));
    expect([await cluster.snapshotPods('a=b'), await cluster.listWarnings()]).toEqual(['forbidden', 'forbidden']);
    expect(await refusedWith(cluster.snapshotJobs('a=b'))).toMatchObject({ code: 'clusterRefused', status: 403 });
  });
});

describe('a payload', () => {
  const secret = { kind: 'PartialObjectMetadata', metadata: { uid: 'secret-1', ownerReferences: [{ uid: 'job-1' }] } };
  const status = (code: number, kind = 'secrets'): Reply => ({
    status: code,
    body: { kind: 'Status', reason: 'x', details: { kind }, message: 'says the server' },
  });

  test('does not travel, and only the one that was looked at is deleted', async () => {
    const { cluster, asked } = start(({ method }) =>
      method === 'GET' ? { status: 200, body: secret } : { status: 200, body: { kind: 'Status', status: 'Success' } },
    );
    expect(await cluster.deletePayload('job-17', 'job-1')).toBe('deleted');
    const pathname = '/api/v1/namespaces/terrakube/secrets/job-17';
    const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
    const common = { pathname, query: {}, headers: expect.objectContaining({ accept }) };
    expect(asked()).toEqual([
      { ...common, method: 'GET', body: '' },
      { ...common, method: 'DELETE', body: '{"preconditions":{"uid":"secret-1"}}' },
    ]);
    expect(asked()[1]?.headers['content-type']).toBe('application/json');
  });

  test.each<[string, string, Script]>([
    ['deleted', 'it is gone', () => status(404)],
    [
      'deleted',
      'it goes in the meantime',
      ({ method }) => (method === 'GET' ? { status: 200, body: secret } : status(404)),
    ],
    [
      'notOurs',
      'another one takes its name',
      ({ method }) => (method === 'GET' ? { status: 200, body: secret } : status(409)),
    ],
    ['notOurs', 'it has no owner', () => ({ status: 200, body: { ...secret, metadata: { uid: 'secret-1' } } })],
    ['notOurs', 'the answer says nothing of it', () => ({ status: 200, body: { kind: 'PartialObjectMetadata' } })],
    ['forbidden', 'our role may not look', () => replyOf('403-rbac-get')],
    [
      'forbidden',
      'our role may not delete',
      ({ method }) => (method === 'GET' ? { status: 200, body: secret } : replyOf('403-rbac-get')),
    ],
  ])('is %s when %s', async (answer, _, script) => {
    const { cluster } = start(script);
    expect(await cluster.deletePayload('job-17', 'job-1')).toBe(answer);
  });

  test.each<[string, Script, string]>([
    ['there is no answer', () => 'reset', 'clusterUnavailable'],
    ['the path is wrong', () => status(404, 'namespaces'), 'clusterRefused'],
    [
      'the server fails to delete it',
      ({ method }) => (method === 'GET' ? { status: 200, body: secret } : status(500)),
      'clusterUnavailable',
    ],
  ])('is an error when %s', async (_, script, code) => {
    const { cluster } = start(script);
    expect(await refusedWith(cluster.deletePayload('job-17', 'job-1'))).toMatchObject({
      code,
      message: expect.stringMatching(/about Secret job-17\.$/),
    });
  });
});
