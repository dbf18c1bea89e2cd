import { connect, createServer, type Socket } from 'node:net';
import type { V1Job } from '@kubernetes/client-node';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { KubernetesApiOptions } from '../../lib/clients/kubernetes-api.ts';
import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { epochMs, seconds } from '../../lib/domain/time.ts';
import type { OpenWatch, WatchRequest } from '../../lib/ports.ts';
import { type Certificates, makeCertificates } from '../../local/cluster/certificates.ts';
import { startCluster } from '../../local/cluster/cluster.ts';
import { listen } from '../../local/lambda/listen.ts';
import { createCountedToken } from '../support/kubernetes-bench.ts';
import { leaksIn } from '../support/leaks.ts';
import { recorded } from '../support/recorded.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type StreamedCall, startStreamServer } from '../support/stream-server.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await makeCertificates();
});
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const NOW = epochMs(1_000_000);

function reconcilerOf(endpoint: string, caPem: string, more: Partial<KubernetesApiOptions> = {}) {
  return createKubernetesReconciler({
    cluster: { get: async () => ({ endpoint, caPem }), forget: () => false },
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => NOW,
    timeoutMs: 300,
    ...more,
  });
}

/** A watch of Jobs, with what it has brought. */
interface Watched extends OpenWatch {
  readonly changes: string[];
}

async function bench(more: Partial<KubernetesApiOptions> = {}) {
  const server = await startStreamServer(certificates);
  const cluster = reconcilerOf(server.url, certificates.caPem, more);
  closing.push(server.close);
  const watch = (request: Partial<WatchRequest<V1Job>> = {}): Watched => {
    const changes: string[] = [];
    const open = cluster.watchJobs({
      labelSelector: 'a=b,c=d',
      resourceVersion: '100',
      timeout: seconds(30),
      onChange: ({ kind, object }) => void changes.push(`${kind} ${object.metadata?.name}`),
      ...request,
    });
    closing.unshift(open.close);
    return { ...open, changes };
  };
  const begun = async (
    request: Partial<WatchRequest<V1Job>> = {},
  ): Promise<Watched & { readonly call: StreamedCall }> => {
    const watching = watch(request);
    const call = await server.next();
    call.begin();
    return { ...watching, call };
  };
  return { server, cluster, watch, begun };
}

const line = (type: string, name: string, version: number, kind = 'Job'): string =>
  `${JSON.stringify({ type, object: { kind, metadata: { name, resourceVersion: String(version) } } })}\n`;
const errorLine = (code: number): string =>
  `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', status: 'Failure', code } })}\n`;

describe('a watch', () => {
  test('asks for bookmarks, from a version, for a time, on a connection of its own', async () => {
    const { server, begun } = await bench();
    const { call } = await begun();
    const { pathname, searchParams } = new URL(call.path, server.url);
    expect({ pathname, query: Object.fromEntries(searchParams) }).toEqual({
      pathname: '/apis/batch/v1/namespaces/terrakube/jobs',
      query: {
        watch: '1',
        allowWatchBookmarks: 'true',
        resourceVersion: '100',
        timeoutSeconds: '30',
        labelSelector: 'a=b,c=d',
      },
    });
    expect(call.headers).toMatchObject({
      accept: 'application/json',
      authorization: 'Bearer token-1',
      connection: 'close',
    });
  });

  test('of pods is one of those that have not ended', async () => {
    const { server, cluster } = await bench();
    const onChange = () => undefined;
    const request = { labelSelector: 'a=b', resourceVersion: '100', timeout: seconds(30), onChange };
    closing.unshift(cluster.watchPods(request).close);
    const { pathname, searchParams } = new URL((await server.next()).path, server.url);
    expect([pathname, searchParams.get('fieldSelector')]).toEqual([
      '/api/v1/namespaces/terrakube/pods',
      'status.phase!=Succeeded,status.phase!=Failed',
    ]);
  });

  test('tells what is new, changed and deleted, and a bookmark moves its version alone', async () => {
    const { begun } = await bench();
    const { call, ended, changes } = await begun();
    await call.write(line('ADDED', 'a', 101) + line('MODIFIED', 'a', 102) + line('DELETED', 'a', 103));
    await call.write(line('BOOKMARK', '', 250));
    call.end();
    expect(await ended).toEqual({ kind: 'closed', resourceVersion: '250' });
    expect(changes).toEqual(['changed a', 'changed a', 'deleted a']);
  });

  test('reads lines that are cut anywhere, also within a character, and of any length', async () => {
    const { begun } = await bench();
    const { call, ended, changes } = await begun();
    const long = 'x'.repeat(3_000_000);
    const bytes = Buffer.from(line('ADDED', 'Grüße 🙂', 101));
    for (let at = 0; at < bytes.length; at += 7) await call.write(bytes.subarray(at, at + 7));
    await call.write(line('ADDED', long, 102));
    call.end();
    expect(await ended).toEqual({ kind: 'closed', resourceVersion: '102' });
    expect(changes).toEqual(['changed Grüße 🙂', `changed ${long}`]);
  });

  test('brings of a Job only what a list brings', async () => {
    const { begun } = await bench();
    const objects: V1Job[] = [];
    const { call, ended } = await begun({ onChange: ({ object }) => void objects.push(object) });
    const metadata = { name: 'a', resourceVersion: '101', managedFields: [{}] };
    const env = [{ name: 'EphemeralJobData', value: 'payload' }];
    const template = { metadata: { labels: {} }, spec: { containers: [{ name: 'executor', image: 'x', env }] } };
    const object = { kind: 'Job', metadata, spec: { suspend: true, backoffLimit: 0, template } };
    await call.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    call.end();
    await ended;
    expect(objects).toEqual([
      {
        kind: 'Job',
        metadata: { name: 'a', resourceVersion: '101' },
        spec: { suspend: true, template: { spec: { containers: [{ env: [] }] } } },
      },
    ]);
  });

  test('hears the clock of the API server', async () => {
    const { cluster, server, watch } = await bench();
    watch();
    (await server.next()).begin(200, { Date: new Date(NOW + 7000).toUTCString() });
    await expect.poll(cluster.serverNow).toBe(NOW + 7000);
  });
});

describe('a watch ends', () => {
  const CLOSED = { kind: 'closed', resourceVersion: '101' };
  test.each<[string, (call: StreamedCall) => unknown, object]>([
    ['when the server ends it', (call) => call.end(), CLOSED],
    ['when the connection breaks', (call) => call.reset(), CLOSED],
    ['within a line, which comes again', (call) => call.write('{"type":"ADDED","obj').then(call.end), CLOSED],
    ['by an error', (call) => call.write(errorLine(500)), CLOSED],
    ['as expired when its version is forgotten', (call) => call.write(errorLine(410)), { kind: 'expired' }],
    ['as expired by a line that no object is', (call) => call.write('x'.repeat(4_200_000)), { kind: 'expired' }],
    ['by a line that is not JSON', (call) => call.write('<html>\n'), CLOSED],
    ['by an object of another kind', (call) => call.write(line('ADDED', 'pod', 102, 'Pod')), CLOSED],
    ['by a change that nobody knows', (call) => call.write(line('MOVED', 'b', 102)), CLOSED],
    ['by an object without a version', (call) => call.write('{"type":"ADDED","object":{"kind":"Job"}}\n'), CLOSED],
  ])('%s', async (_, how, end) => {
    const { begun } = await bench();
    const { call, ended, changes } = await begun();
    await call.write(line('ADDED', 'a', 101));
    await how(call);
    expect(await ended).toEqual(end);
    await call.closed;
    expect(changes).toEqual(['changed a']);
  });

  test('and tells nothing after that, even of the same packet', async () => {
    const { begun } = await bench();
    const { call, ended, changes } = await begun();
    await call.write(line('ADDED', 'a', 101) + errorLine(410) + line('ADDED', 'b', 102));
    expect(await ended).toEqual({ kind: 'expired' });
    expect(changes).toEqual(['changed a']);
  });

  test('at once when it is closed by whom it tells', async () => {
    const { begun } = await bench();
    const names: string[] = [];
    const { call, ended } = await begun({
      onChange: ({ object }) => {
        names.push(object.metadata?.name ?? '');
        closing[0]?.();
      },
    });
    await call.write(line('ADDED', 'a', 101) + line('ADDED', 'b', 102));
    expect(await ended).toEqual({ kind: 'closed', resourceVersion: '101' });
    await call.closed;
    expect(names).toEqual(['a']);
  });

  test('with the error of whom it tells', async () => {
    const { begun } = await bench();
    const { call, ended } = await begun({
      onChange: () => {
        throw new Error('cannot be told');
      },
    });
    const refused = expect(ended).rejects.toThrow('cannot be told');
    await call.write(line('ADDED', 'a', 101));
    await refused;
    await call.closed;
  });

  test('before it was open when it is closed then, and breaks off', async () => {
    const { server, watch } = await bench();
    const { ended, close } = watch();
    const call = await server.next();
    close();
    expect(await ended).toEqual({ kind: 'closed', resourceVersion: '100' });
    await call.closed;
  });

  test('three seconds after its time when a proxy has stopped to forward', async () => {
    const server = await startStreamServer(certificates);
    closing.push(server.close);
    const sockets: Socket[] = [];
    const proxy = createServer((client) => {
      const upstream = connect(Number(new URL(server.url).port), '127.0.0.1');
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) sockets.push(socket.on('error', () => undefined));
    });
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    const cluster = reconcilerOf(`https://127.0.0.1:${await listen(proxy)}`, certificates.caPem);
    const changes: unknown[] = [];
    const { ended } = cluster.watchJobs({
      labelSelector: 'a=b',
      resourceVersion: '100',
      timeout: seconds(1),
      onChange: (change) => void changes.push(change),
    });
    const call = await server.next();
    call.begin();
    await call.write(line('ADDED', 'a', 101));
    await expect.poll(() => changes.length).toBe(1);
    for (const socket of sockets) socket.unpipe();
    call.end();
    const startMs = Date.now();
    expect(await ended).toEqual({ kind: 'closed', resourceVersion: '101' });
    expect(Date.now() - startMs).toBeGreaterThan(3000);
  });
});

describe('a watch that cannot be opened', () => {
  const answer = async (file: string, call: StreamedCall): Promise<void> => {
    const { status, headers, body } = recorded(file).response;
    const { 'Content-Length': _, 'Transfer-Encoding': __, ...lasting } = headers;
    call.begin(status, lasting);
    await call.write(typeof body === 'string' ? body : JSON.stringify(body));
    call.end();
  };
  test.each<[string, object]>([
    ['403-rbac-get', { code: 'clusterRefused', status: 403 }],
    ['429-too-many-requests', { code: 'clusterUnavailable', status: 429, retryAfterSeconds: 1 }],
    ['500-webhook-500', { code: 'clusterUnavailable', status: 500 }],
  ])('is refused as the API server says (%s)', async (file, refused) => {
    const { server, watch } = await bench();
    const { ended } = watch();
    const outcome = refusedWith(ended);
    await answer(file, await server.next());
    expect(await outcome).toMatchObject(refused);
    expect(leaksIn(await outcome, ['token-', 'Bearer'])).toEqual([]);
  });

  test('for its version is expired', async () => {
    const { server, watch } = await bench();
    const { ended } = watch();
    await answer('410-bad-continue', await server.next());
    expect(await ended).toEqual({ kind: 'expired' });
  });

  test.each<[string, (call: StreamedCall) => unknown]>([
    ['nothing comes', () => undefined],
    ['the connection breaks', (call) => call.reset()],
    ['a refusal never ends', (call) => call.begin(500)],
    ['a proxy answers in HTML', (call) => call.begin(200, { 'Content-Type': 'text/html' })],
  ])('has no answer: %s', async (_, how) => {
    const { server, watch } = await bench();
    const outcome = refusedWith(watch().ended);
    const call = await server.next();
    await how(call);
    expect(await outcome).toEqual({
      code: 'clusterUnavailable',
      message: 'The Kubernetes API gave no answer about watch of Jobs.',
    });
    await call.closed;
  });

  test('for its token is opened with another one, and the next one as well', async () => {
    const { server, watch } = await bench();
    const first = watch();
    const opened = await server.next();
    opened.begin();
    opened.end();
    await first.ended;
    // The token has expired since.
    const second = watch();
    await answer('401-expired-token', await server.next());
    const again = await server.next();
    again.begin();
    await again.write(line('BOOKMARK', '', 300));
    again.end();
    expect(await second.ended).toEqual({ kind: 'closed', resourceVersion: '300' });
    watch();
    const tokens = [opened, again, await server.next()].map(({ headers }) => headers.authorization);
    expect(tokens).toEqual(['Bearer token-1', 'Bearer token-2', 'Bearer token-2']);
  });

  test('for its token twice is refused', async () => {
    const { server, watch } = await bench();
    const outcome = refusedWith(watch().ended);
    for (let attempt = 0; attempt < 2; attempt += 1) await answer('401-expired-token', await server.next());
    expect(await outcome).toMatchObject({ code: 'clusterUnauthorized', status: 401 });
    expect(server.calls).toBe(2);
  });

  test('because the certificate is of another authority is opened at a fresh address', async () => {
    const { caPem } = await makeCertificates();
    const server = await startStreamServer(certificates);
    closing.push(server.close);
    let authority = caPem;
    const address = () => ({ endpoint: server.url, caPem: authority });
    let current = address();
    const forget = () => {
      authority = certificates.caPem;
      current = address();
      return true;
    };
    const cluster = reconcilerOf(server.url, '', { cluster: { get: async () => current, forget } });
    const onChange = () => undefined;
    const request = { labelSelector: 'a=b', resourceVersion: '100', timeout: seconds(30), onChange };
    const { ended } = cluster.watchJobs(request);
    const call = await server.next();
    call.begin();
    call.end();
    expect(await ended).toEqual({ kind: 'closed', resourceVersion: '100' });
  });
});

test('a server that goes away ends a watch, and none can be opened until it is back', async () => {
  const authenticate = async () => 'reconcile';
  const first = await startCluster({ authenticate });
  const port = Number(new URL(first.url).port);
  let address = { endpoint: first.url, caPem: first.caPem };
  const cluster = reconcilerOf('', '', { cluster: { get: async () => address, forget: () => false } });
  const { resourceVersion } = await cluster.snapshotJobs('a=b');
  const onChange = () => undefined;
  const request = { labelSelector: 'a=b', resourceVersion, timeout: seconds(30), onChange };
  const { ended } = cluster.watchJobs(request);
  await expect
    .poll(() => first.stats.requests.some(({ path, status }) => path.includes('watch=1') && status === 200))
    .toBe(true);
  await first.close();
  expect(await ended).toEqual({ kind: 'closed', resourceVersion });
  expect(await refusedWith(cluster.watchJobs(request).ended)).toMatchObject({ code: 'clusterUnavailable' });
  const second = await startCluster({ authenticate, port });
  closing.push(second.close);
  address = { endpoint: second.url, caPem: second.caPem };
  const again = cluster.watchJobs({ ...request, timeout: seconds(1) });
  expect(await again.ended).toMatchObject({ kind: 'closed' });
});
