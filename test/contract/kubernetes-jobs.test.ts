import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { buildPayloadSecret } from '../../lib/domain/payload-secret.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { startCluster } from '../../local/cluster/cluster.ts';
import { listen } from '../../local/lambda/listen.ts';
import { kubernetesJob, PAYLOAD_SECRETS, payload, recordedVerdict } from '../support/builders.ts';
import { describeJobStore } from '../support/job-store-suite.ts';
import {
  createCountedToken,
  type KubernetesBench,
  type KubernetesBenchOptions,
  startKubernetesBench,
} from '../support/kubernetes-bench.ts';
import { leaksIn } from '../support/leaks.ts';
import { recorded } from '../support/recorded.ts';
import { refusedWith } from '../support/refused-with.ts';
import type { Reply, Script } from '../support/scripted-server.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(script: Script, options?: KubernetesBenchOptions): Promise<KubernetesBench> {
  const bench = await startKubernetesBench(script, options);
  closing.push(bench.close);
  return bench;
}

const replyOf = (file: string): Reply => {
  const { status, headers, body } = recorded(file).response;
  // Hop-by-hop: the recording holds the body as an object, whose length and framing are the server's business.
  const { 'Content-Length': _, 'Transfer-Encoding': __, ...lasting } = headers;
  return { status, headers: lasting, body: typeof body === 'string' ? body : Object(body) };
};
const created = (): Reply => replyOf('201-create');
const emptyList: Reply = {
  status: 200,
  body: { apiVersion: 'batch/v1', kind: 'JobList', metadata: {}, items: [] },
};

const job = kubernetesJob();
const secret = buildPayloadSecret(job, { name: 'job-17', uid: 'uid-17' }, payload());

describeJobStore('the Kubernetes API client, on the stand-in cluster', async () => {
  const cluster = await startCluster({ authenticate: async (token) => (token === 'token-1' ? 'dispatch' : undefined) });
  const store = createKubernetesJobs({
    cluster: { get: async () => ({ endpoint: cluster.url, caPem: cluster.caPem }), forget: () => false },
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => epochMs(Date.now()),
  });
  return { store, namespace: 'terrakube', close: cluster.close };
});

describe('a request', () => {
  const seenOf = ({ server }: KubernetesBench) =>
    server.seen.map(({ method, path, body }) => ({
      method,
      path: decodeURIComponent(path),
      ...(body === '' ? {} : { body: JSON.parse(body) }),
    }));

  test('to stop a Job is one merge patch of version, verdict and clock', async () => {
    const bench = await start(created);
    const verdict = recordedVerdict({ title: 'Grüße "and" 🙂' });
    expect(await bench.store.stopJob('job-17', '4711', verdict)).toBe('patched');
    expect(seenOf(bench)).toEqual([
      {
        method: 'PATCH',
        path: '/apis/batch/v1/namespaces/terrakube/jobs/job-17',
        body: {
          metadata: { resourceVersion: '4711', annotations: { 'terrakube.io/verdict': JSON.stringify(verdict) } },
          spec: { activeDeadlineSeconds: 1 },
        },
      },
    ]);
    expect(bench.server.seen[0]?.headers).toMatchObject({
      'content-type': 'application/merge-patch+json',
      authorization: 'Bearer token-1',
    });
  });

  test('to resume a Job is one merge patch of version and suspension', async () => {
    const bench = await start(created);
    expect(await bench.store.resumeJob('job-17', '4711')).toBe('patched');
    expect(seenOf(bench)).toEqual([
      {
        method: 'PATCH',
        path: '/apis/batch/v1/namespaces/terrakube/jobs/job-17',
        body: { metadata: { resourceVersion: '4711' }, spec: { suspend: false } },
      },
    ]);
    expect(bench.server.seen[0]?.headers['content-type']).toBe('application/merge-patch+json');
  });

  test('to create sends the object as JSON, byte for byte what was built', async () => {
    const bench = await start(created);
    await bench.store.createJob(job);
    await bench.store.createSecret(secret);
    expect(seenOf(bench)).toEqual([
      { method: 'POST', path: '/apis/batch/v1/namespaces/terrakube/jobs', body: JSON.parse(JSON.stringify(job)) },
      { method: 'POST', path: '/api/v1/namespaces/terrakube/secrets', body: secret },
    ]);
    expect(bench.server.seen.map(({ headers }) => headers['content-type'])).toEqual([
      'application/json',
      'application/json',
    ]);
  });

  test('for a Secret that is created asks for its metadata only, and takes a whole one as well', async () => {
    const metadata = { name: 'job-17', uid: 'uid-of-it', resourceVersion: '4' };
    const bench = await start(() => ({ status: 201, body: { kind: 'PartialObjectMetadata', metadata } }));
    expect(await bench.store.createSecret(secret)).toMatchObject({ kind: 'ok', object: { metadata } });
    expect(bench.server.seen[0]?.headers.accept).toBe('application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1');

    bench.server.script(() => ({ status: 201, body: { ...secret, metadata } }));
    expect(await bench.store.createSecret(secret)).toMatchObject({ kind: 'ok' });
    bench.server.script(() => ({ status: 201, body: { kind: 'ConfigMap', metadata } }));
    expect(await bench.store.createSecret(secret)).toEqual({ kind: 'noAnswer' });
  });

  test('for the owners of a Secret asks for its metadata only', async () => {
    const bench = await start(() => ({
      status: 200,
      body: {
        apiVersion: 'meta.k8s.io/v1',
        kind: 'PartialObjectMetadata',
        metadata: { name: 'job-17', uid: 'uid-of-it', ownerReferences: [{ uid: 'uid-17' }, { uid: 'uid-18' }] },
      },
    }));
    expect(await bench.store.getSecretOwners('job-17')).toEqual(['uid-17', 'uid-18']);
    expect(seenOf(bench)).toEqual([{ method: 'GET', path: '/api/v1/namespaces/terrakube/secrets/job-17' }]);
    expect(bench.server.seen[0]?.headers.accept).toBe('application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1');
  });

  test('for a list carries the selector as it is', async () => {
    const bench = await start(() => emptyList);
    expect(await bench.store.listJobs('terrakube.io/job=17,terrakube.io/step=a-b')).toEqual([]);
    expect(seenOf(bench)).toEqual([
      {
        method: 'GET',
        path: '/apis/batch/v1/namespaces/terrakube/jobs?labelSelector=terrakube.io/job=17,terrakube.io/step=a-b',
      },
    ]);
  });

  test('uses the connection of the one before', async () => {
    const bench = await start(() => emptyList);
    for (let turn = 0; turn < 5; turn += 1) await bench.store.listJobs('a=b');
    expect(bench.server.connections).toBe(1);
  });
});

describe('a token that the cluster does not know', () => {
  const tokensOf = ({ server }: KubernetesBench) => server.seen.map(({ headers }) => headers.authorization);

  test.each(['401-expired-token', '403-anonymous'])(
    'is replaced once, and the request sent again (%s)',
    async (file) => {
      const bench = await start(({ headers }) =>
        headers.authorization === 'Bearer token-1' ? replyOf(file) : created(),
      );
      expect(await bench.store.createJob(job)).toMatchObject({ kind: 'ok', object: { metadata: { name: 'dup' } } });
      expect(tokensOf(bench)).toEqual(['Bearer token-1', 'Bearer token-2']);
    },
  );

  test('is not replaced for a role that may not do it', async () => {
    const bench = await start(() => replyOf('403-rbac-create'));
    expect(await bench.store.createJob(job)).toMatchObject({ kind: 'refused', refusal: { status: 403 } });
    expect(tokensOf(bench)).toEqual(['Bearer token-1']);
  });

  test('is tried no third time, and the next request has another one', async () => {
    const bench = await start(() => replyOf('401-bad-token'));
    expect(await refusedWith(bench.store.listJobs('a=b'))).toEqual({
      code: 'clusterUnauthorized',
      status: 401,
      message: 'The Kubernetes API answered 401 about list of Jobs.',
    });
    expect(tokensOf(bench)).toEqual(['Bearer token-1', 'Bearer token-2']);
    await bench.store.createJob(job);
    expect(tokensOf(bench).slice(2)).toEqual(['Bearer token-3', 'Bearer token-4']);
  });

  test('is replaced by one new one for all who hold it at the same time', async () => {
    const bench = await start(({ headers }) =>
      headers.authorization === 'Bearer token-1' ? replyOf('401-expired-token') : emptyList,
    );
    await Promise.all(Array.from({ length: 5 }, () => bench.store.listJobs('a=b')));
    expect(new Set(tokensOf(bench))).toEqual(new Set(['Bearer token-1', 'Bearer token-2']));
  });
});

describe('an address that is not the cluster any more', () => {
  const moved = (first: { readonly endpoint?: string; readonly caPem?: string }): KubernetesBenchOptions => ({
    addresses: ({ url }, { caPem }) => [
      { endpoint: url, caPem, ...first },
      { endpoint: url, caPem },
    ],
  });

  test.each([
    ['its name is gone', async () => moved({ endpoint: 'https://-gone.invalid' })],
    ['its authority has another key', async () => moved({ caPem: (await makeCertificates()).caPem })],
  ])('is asked for once more when %s', async (_, options) => {
    const bench = await start(created, await options());
    expect(await bench.store.createJob(job)).toMatchObject({ kind: 'ok' });
    expect(bench.forgotten()).toBe(1);
  });

  test('is asked for once more when the certificate is for another name', async () => {
    const bench = await start(created, {
      addresses: ({ url }, { caPem }) => [
        { endpoint: url.replace('127.0.0.1', '0.0.0.0'), caPem },
        { endpoint: url, caPem },
      ],
    });
    expect(await bench.store.createJob(job)).toMatchObject({ kind: 'ok' });
    expect(bench.forgotten()).toBe(1);
  });

  test('is not asked for a third time', async () => {
    const { caPem } = await makeCertificates();
    const bench = await start(created, { addresses: ({ url }) => [{ endpoint: url, caPem }] });
    expect(await bench.store.createJob(job)).toEqual({ kind: 'noAnswer' });
    expect(bench.forgotten()).toBe(1);
    expect(bench.server.seen).toEqual([]);
  });

  test('stays when it comes from the settings', async () => {
    const { caPem } = await makeCertificates();
    const bench = await start(created, {
      addresses: ({ url }) => [{ endpoint: url, caPem }],
      canBeForgotten: false,
    });
    expect(await bench.store.createJob(job)).toEqual({ kind: 'noAnswer' });
  });
});

describe('a request without an answer', () => {
  test.each<[string, Script]>([
    ['the connection breaks', () => 'reset'],
    ['nothing comes in time', () => 'silence'],
    ['the answer is not JSON', () => ({ status: 201, headers: { 'content-type': 'application/json' }, body: '{"kin' })],
    ['a proxy answers in HTML', () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' })],
  ])('may have been done or not: %s', async (_, script) => {
    const { store } = await start(script);
    expect(await store.createJob(job)).toEqual({ kind: 'noAnswer' });
    expect(await store.createSecret(secret)).toEqual({ kind: 'noAnswer' });
    expect([
      await refusedWith(store.listJobs('a=b')),
      await refusedWith(store.getJob('job-17')),
      await refusedWith(store.getSecretOwners('job-17')),
      await refusedWith(store.stopJob('job-17', '1', recordedVerdict())),
    ]).toEqual(
      ['list of Jobs', 'Job job-17', 'Secret job-17', 'Job job-17'].map((what) => ({
        code: 'clusterUnavailable',
        message: `The Kubernetes API gave no answer about ${what}.`,
      })),
    );
  });

  test('is one that shows another kind of object', async () => {
    const metadata = { name: 'job-17', uid: 'uid-17', resourceVersion: '1' };
    const { store } = await start(() => ({ status: 201, body: { kind: 'Pod', metadata, items: [] } }));
    expect(await store.createJob(job)).toEqual({ kind: 'noAnswer' });
    expect(await store.createSecret(secret)).toEqual({ kind: 'noAnswer' });
    expect([await refusedWith(store.listJobs('a=b')), await refusedWith(store.getJob('job-17'))]).toEqual(
      ['list of Jobs', 'Job job-17'].map((what) => ({
        code: 'clusterUnavailable',
        message: `The Kubernetes API gave no answer about ${what}.`,
      })),
    );
  });

  test('is one to a server where nobody listens', async () => {
    const { store, server } = await start(created);
    await server.close();
    expect(await store.createJob(job)).toEqual({ kind: 'noAnswer' });
  });

  test('is one to a server that never ends the handshake', async () => {
    const mute = createServer((socket) => closing.unshift(async () => void socket.destroy()));
    closing.push(() => new Promise((resolve) => mute.close(() => resolve())));
    const endpoint = `https://127.0.0.1:${await listen(mute)}`;
    const { store } = await start(created, { addresses: (_, { caPem }) => [{ endpoint, caPem }] });
    expect(await store.createJob(job)).toEqual({ kind: 'noAnswer' });
  });
});

test.each<[string, Script, KubernetesBenchOptions]>([
  ['a refusal', () => replyOf('403-rbac-create'), {}],
  ['an unknown token', () => replyOf('401-bad-token'), {}],
  ['a throttled request', () => replyOf('429-too-many-requests'), {}],
  ['a reset', () => 'reset', {}],
  ['a time-out', () => 'silence', {}],
  [
    'a broken answer',
    ({ body }) => ({ status: 200, headers: { 'content-type': 'application/json' }, body: `{${body}` }),
    {},
  ],
  [
    'a wrong certificate',
    created,
    { addresses: ({ url }, { certificatePem }) => [{ endpoint: url, caPem: certificatePem }] },
  ],
])('neither token nor header nor body is in what comes of %s', async (_, script, options) => {
  const { store } = await start(script, options);
  const secrets = ['token-', 'Bearer', 'x-kubernetes-pf', ...PAYLOAD_SECRETS, ...Object.values(secret.data ?? {})];
  const calls = [
    () => store.createJob(job),
    () => store.createSecret(secret),
    () => store.listJobs('a=b'),
    () => store.getJob('job-17'),
    () => store.getSecretOwners('job-17'),
    () => store.stopJob('job-17', '1', recordedVerdict({ evidence: 'evidence-of-the-verdict' })),
  ];
  for (const call of calls) {
    const outcome = await call().catch((error: unknown) => error);
    expect(leaksIn(outcome, [...secrets, 'evidence-of-the-verdict'])).toEqual([]);
  }
});
