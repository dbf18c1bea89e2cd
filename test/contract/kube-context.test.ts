// The cluster of a kube context, behind the proxy: how one signs in there, what is streamed, and why a run does not start.
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { startCluster } from '../../local/cluster/cluster.ts';
import { contextStarter } from '../../local/context/context-cluster.ts';
import { loadKubeContext } from '../../local/context/kube-context.ts';
import type { ContextRun } from '../../local/context/prepare.ts';
import { startClusterProxy } from '../../local/context/proxy.ts';
import { type Json, type JsonObject, textAt } from '../../local/json.ts';
import { createClusterApi } from '../../local/kubelet/api.ts';
import { listen } from '../../local/lambda/listen.ts';
import { StartRefusal } from '../../local/start/refusal.ts';
import { base64, useKubeconfig } from '../support/kubeconfig.ts';
import { until } from '../support/running-stack.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const certificates = await makeCertificates();
const { caPem } = certificates;
const kubeconfig = useKubeconfig();
const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

const TOKEN = 'a-token-of-the-functions';

/** A proxy in front of the context that was written last, as one who is signed in sees it. */
async function proxied(onFault: (error: Error) => void = () => undefined) {
  const proxy = await startClusterProxy({
    context: loadKubeContext('dev'),
    authenticate: async (token) => (token === TOKEN ? 'functions' : undefined),
    onFault,
  });
  const api = createClusterApi({ server: proxy.url, caPem: proxy.caPem, token: TOKEN });
  closers.push(proxy.close, async () => api.close());
  return { ...proxy, api };
}

describe('the proxy', () => {
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer(() => ({ status: 200, body: { kind: 'Answer' } }), certificates);
    closers.push(server.close);
  });
  const write = (user: JsonObject, path = '') =>
    kubeconfig.write({ name: 'dev', server: server.url + path, caPem, user });

  test('puts the credentials of the context in the place of the ones that it verified', async () => {
    write({ token: 'context-token' }, '/k8s/clusters/c-1/');
    const { api } = await proxied();
    expect(await api.post('/api/v1/x?dryRun=All', { a: 'ü' })).toEqual({ status: 200, body: { kind: 'Answer' } });
    expect(server.seen.at(-1)).toMatchObject({
      method: 'POST',
      path: '/k8s/clusters/c-1/api/v1/x?dryRun=All',
      headers: { authorization: 'Bearer context-token', host: new URL(server.url).host },
      body: '{"a":"ü"}',
    });
  });

  test('answers 401 itself to a token that it does not know', async () => {
    write({ token: 'context-token' });
    const { url, caPem: trusted } = await proxied();
    const stranger = createClusterApi({ server: url, caPem: trusted, token: 'k8s-aws-v1.unknown' });
    const before = server.seen.length;
    expect(await stranger.get('/version')).toMatchObject({ status: 401, body: { kind: 'Status', code: 401 } });
    expect(server.seen.length).toBe(before);
    stranger.close();
  });

  test('asks the plug-in of an exec context, and again once its token was refused', async () => {
    const plugin = join(kubeconfig.folder, 'plugin');
    const count = join(kubeconfig.folder, 'count');
    writeFileSync(
      plugin,
      `#!/bin/sh
echo x >> ${count}
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"exec-'$(wc -l < ${count} | tr -d ' ')$WHO'"}}'`,
    );
    chmodSync(plugin, 0o755);
    const env = [{ name: 'WHO', value: '-me' }];
    write({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, env, interactiveMode: 'Never' } });
    server.script(({ headers }) => ({ status: headers.authorization === 'Bearer exec-2-me' ? 200 : 401 }));
    const { api } = await proxied();
    const statuses = [await api.get('/a'), await api.get('/b'), await api.get('/c')].map(({ status }) => status);
    expect(statuses).toEqual([401, 200, 200]);
  });

  test('says what is wrong with a plug-in, and gives no answer', async () => {
    write({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/no/such/plugin' } });
    const faults: string[] = [];
    const { api } = await proxied(({ message }) => void faults.push(message));
    await expect(api.get('/a')).rejects.toThrow();
    expect(faults).toEqual(['spawn /no/such/plugin ENOENT']);
  });

  test('shows a client certificate', async () => {
    const client = await generate([{ name: 'commonName', value: 'jane' }], { keyType: 'ec', algorithm: 'sha256' });
    const names: string[] = [];
    const mutual = createServer(
      { cert: certificates.certificatePem, key: certificates.keyPem, ca: client.cert, requestCert: true },
      (request, response) => {
        names.push(String(peerOf(request.socket)));
        response.end('{}');
      },
    );
    closers.push(
      async () => mutual.closeAllConnections(),
      async () => void mutual.close(),
    );
    const url = `https://127.0.0.1:${await listen(mutual)}`;
    const user = { 'client-certificate-data': base64(client.cert), 'client-key-data': base64(client.private) };
    kubeconfig.write({ name: 'dev', server: url, caPem, user });
    const { api } = await proxied();
    await api.get('/a');
    expect(names).toEqual(['jane']);
  });

  test('streams a watch, and ends it when either side does', async () => {
    const cluster = await startCluster({ authenticate: async (token) => token });
    kubeconfig.write({ name: 'dev', server: cluster.url, caPem: cluster.caPem, user: { token: 'jane' } });
    const { api } = await proxied();
    const seen: string[] = [];
    const watched = api.watch('/api/v1/namespaces/terrakube/configmaps?watch=1', ({ type, object }) => {
      seen.push(`${type} ${textAt(object, 'metadata', 'name')}`);
    });
    await api.post('/api/v1/namespaces/terrakube/configmaps', { metadata: { name: 'one' } });
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual(['ADDED one']);
    await cluster.close();
    expect(await watched.catch(() => 'broken')).toBeOneOf([200, 'broken']);
  });
});

const peerOf = (socket: object): Json => {
  const isTls = (one: object): one is TLSSocket => 'getPeerCertificate' in one;
  return isTls(socket) ? String(socket.getPeerCertificate().subject.CN) : null;
};

/** A cluster as a script: what it has, and what it allows. */
const clusterScript =
  (answers: Readonly<Record<string, readonly [number, object]>>, denied: readonly string[] = []): Script =>
  ({ method, path, body }) => {
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const asked: Json = JSON.parse(body);
      const verb = textAt(asked, 'spec', 'resourceAttributes', 'verb');
      const resource = textAt(asked, 'spec', 'resourceAttributes', 'resource');
      const subresource = textAt(asked, 'spec', 'resourceAttributes', 'subresource');
      const right = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`;
      return { status: 201, body: { status: { allowed: !denied.includes(right) } } };
    }
    const known = answers[`${method} ${path}`];
    if (known !== undefined) return { status: known[0], body: known[1] };
    return { status: path === '/version' || method === 'GET' ? 200 : 404, body: { gitVersion: 'v1.36.2', items: [] } };
  };

const secretPath = 'GET /api/v1/namespaces/terrakube/secrets/terrakube-executor-secrets';
const noSecret = { [secretPath]: [404, {}] } as const;
const twoNodes = { 'GET /api/v1/nodes': [200, { items: [{ metadata: { name: 'a' } }, { metadata: {} }] }] } as const;
const terrakube = { url: 'https://terrakube.example.com', internalSecret: 'secret-of-the-environment' };

describe('a run in the cluster of a context', () => {
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer(clusterScript({}), certificates);
    closers.push(server.close);
  });

  /** What is reported, and why it does not start. */
  async function attempt(script: Script, given: Partial<ContextRun> = {}, url = server.url) {
    server.script(script);
    kubeconfig.write({ name: 'dev', server: url, caPem, user: { token: 'jane' } });
    const reported: string[] = [];
    const run = { context: 'dev', namespace: 'terrakube', hasExecutor: false, ...given };
    try {
      const start = contextStarter({ ...run, report: (text) => void reported.push(text) });
      const cluster = await start({ authenticate: async () => undefined });
      await cluster.close();
      return { reported, hasNodes: cluster.hasNodes };
    } catch (error) {
      if (!(error instanceof StartRefusal)) throw error;
      return { reported, refusal: { exitCode: error.exitCode, message: error.message } };
    }
  }

  test('takes a cluster without nodes, and leaves neither node nor Secret of the stand-in behind', async () => {
    const deleted = { 'DELETE /api/v1/namespaces/terrakube/secrets/terrakube-executor-secrets': [200, {}] } as const;
    const before = server.seen.length;
    expect(await attempt(clusterScript({ ...noSecret, ...deleted }))).toEqual({
      hasNodes: false,
      reported: [
        'Context dev: Kubernetes v1.36.2',
        'It has no nodes: a kubelet of this machine runs its pods, as processes',
        'Deleted Secret terrakube-executor-secrets again: it named the stand-in Terrakube',
      ],
    });
    const deletes = server.seen.slice(before).filter(({ method }) => method === 'DELETE');
    expect(deletes.map(({ path }) => path)).toEqual([
      '/api/v1/nodes/local',
      '/api/v1/namespaces/terrakube/secrets/terrakube-executor-secrets',
    ]);
  });

  test('takes a node that an earlier run has left for none', async () => {
    const left = { metadata: { name: 'local', labels: { 'terrakube.io/local-kubelet': 'true' } } };
    const script = clusterScript({ ...noSecret, 'GET /api/v1/nodes': [200, { items: [left] }] });
    expect(await attempt(script)).toMatchObject({ hasNodes: false });
  });

  test('takes nodes of its own, and leaves everything', async () => {
    const before = server.seen.length;
    expect(await attempt(clusterScript({ ...noSecret, ...twoNodes }), { terrakube })).toEqual({
      hasNodes: true,
      reported: ['Context dev: Kubernetes v1.36.2', 'It has nodes (2): their kubelets run the pods'],
    });
    expect(server.seen.slice(before).filter(({ method }) => method === 'DELETE')).toEqual([]);
  });

  test('takes a cluster that hides its nodes for one that has some, unless it must know', async () => {
    const script = clusterScript({ ...noSecret, 'GET /api/v1/nodes': [403, {}] }, ['list nodes']);
    expect(await attempt(script, { terrakube })).toMatchObject({ hasNodes: true });
    expect((await attempt(script)).refusal).toEqual({
      exitCode: 1,
      message: 'Context dev has no right to:\n  list nodes in the cluster',
    });
  });

  test('keeps a Secret that is there, and says where it does not fit', async () => {
    const data = { InternalSecret: base64('another'), AzBuilderApiUrl: base64('http://elsewhere') };
    const { reported, refusal } = await attempt(clusterScript({ [secretPath]: [200, { data }] }), { terrakube });
    expect(refusal).toBeUndefined();
    expect(reported?.slice(2)).toEqual([
      'Secret terrakube-executor-secrets is in namespace terrakube already, and stays as it is',
      'Its InternalSecret is not the one of the environment: Terrakube will refuse one of the two',
      'Its AzBuilderApiUrl is http://elsewhere: executors report there, not to https://terrakube.example.com',
    ]);
  });

  test.each([
    [
      'pods on nodes cannot reach the stand-in Terrakube',
      {},
      'The cluster has nodes, and pods on them cannot reach the stand-in Terrakube on 127.0.0.1 of this machine: add --terrakube-url URL, with a Terrakube that they reach.',
    ],
    [
      'pods on nodes cannot reach a Terrakube on this machine',
      { terrakube: { ...terrakube, url: 'http://localhost:8080' } },
      'The cluster has nodes, and in pods on them localhost is the pod itself: give --terrakube-url an address that they reach.',
    ],
    [
      'nodes run the image',
      { terrakube, hasExecutor: true },
      '--executor is for a cluster without nodes. This one has nodes, which run the image: leave it out.',
    ],
  ])('is refused where %s', async (_, given, message) => {
    const { refusal } = await attempt(clusterScript({ ...noSecret, ...twoNodes }), given);
    expect(refusal).toEqual({ exitCode: 2, message });
  });

  test("is refused where the stand-in's executors would report to somebody's Terrakube", async () => {
    const { refusal } = await attempt(clusterScript({ [secretPath]: [200, {}] }));
    expect(refusal?.exitCode).toBe(2);
    expect(refusal?.message.split('\n')).toEqual([
      'Secret terrakube-executor-secrets is in namespace terrakube already, and is not overwritten: with it, executors would report to the Terrakube that it names, not to the stand-in.',
      'Take that Terrakube (--terrakube-url URL), or another namespace (environment variable ExecutorEphemeralNamespace).',
      'If an earlier run has left it: kubectl --context dev -n terrakube delete secret terrakube-executor-secrets',
    ]);
  });

  test('is refused without rights, and names each verb; nothing is created', async () => {
    const noNamespace = { 'GET /api/v1/namespaces/terrakube': [404, {}] } as const;
    const denied = ['create jobs', 'patch pods/status', 'create namespaces', 'delete nodes'];
    const before = server.seen.length;
    const { refusal } = await attempt(clusterScript({ ...noSecret, ...noNamespace }, denied));
    expect(refusal).toEqual({
      exitCode: 1,
      message: [
        'Context dev has no right to:',
        '  create jobs.batch in namespace terrakube',
        '  patch pods/status in namespace terrakube',
        '  delete nodes in the cluster',
        '  create namespaces in the cluster',
      ].join('\n'),
    });
    const changes = server.seen.slice(before).filter(({ method, path }) => method !== 'GET' && !/reviews$/.test(path));
    expect(changes).toEqual([]);
  });

  test('is refused where the credentials are', async () => {
    const { refusal } = await attempt(clusterScript({ 'GET /version': [401, {}] }));
    expect(refusal).toEqual({
      exitCode: 1,
      message: 'The cluster does not accept the credentials of context dev: sign in again.',
    });
  });

  test('is refused where nobody answers', async () => {
    const { refusal } = await attempt(clusterScript({}), {}, 'https://127.0.0.1:1');
    expect(refusal).toEqual({
      exitCode: 1,
      message: 'The cluster of context dev cannot be reached: connect ECONNREFUSED 127.0.0.1:1',
    });
  });

  test('is refused where another authority has signed', async () => {
    kubeconfig.write({
      name: 'dev',
      server: server.url,
      caPem: (await makeCertificates()).caPem,
      user: { token: 'x' },
    });
    const start = contextStarter({
      context: 'dev',
      namespace: 'terrakube',
      hasExecutor: false,
      report: () => undefined,
    });
    await expect(start({ authenticate: async () => undefined })).rejects.toThrow(
      /^The cluster of context dev cannot be reached: .*(certificate|signature)/,
    );
  });
});
