// Dispatch on a real API server: the flow with its real client, and a Terrakube in memory.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { createVerdict } from '../../lib/domain/create-answer.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { PAYLOAD_KEY } from '../../lib/domain/payload-secret.ts';
import { epochMs } from '../../lib/domain/time.ts';
import type { JobStore } from '../../lib/ports.ts';
import { executorSettings, INSTALLATION, ids, NOON, payload, request } from '../support/builders.ts';
import { type ClusterClient, createClusterClient } from '../support/cluster-client.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';
import { startMeddlingProxy } from '../support/meddling-proxy.ts';
import { until } from '../support/running-stack.ts';
import { hasControllers, type RealCluster, realCluster } from './support/real-cluster.ts';

let cluster: RealCluster;
let client: ClusterClient;
beforeAll(async () => {
  cluster = await realCluster('dispatch');
  client = createClusterClient(cluster);
});
afterAll(async () => {
  await client.close();
  await cluster.close();
});

const aStep = (): DispatchIds => ids({ jobId: String(randomInt(1, 2 ** 40)) });
const settings = (namespace = cluster.namespace) => executorSettings({ namespace });

function storeOf(
  namespace = cluster.namespace,
  at: { url: string; caPem: string } = cluster,
  token = cluster.token,
): JobStore {
  const address = { endpoint: at.url, caPem: at.caPem };
  return createKubernetesJobs({
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => token, forget: () => undefined },
    namespace,
    now: () => epochMs(Date.now()),
    timeoutMs: 3000,
  });
}

/** A Terrakube with this step in the queue, and dispatch on the real cluster. */
function worldOf(of: DispatchIds, jobs: JobStore = storeOf(), namespace = cluster.namespace) {
  const world = createDispatchWorld({ ids: of });
  return { ...world, dispatch: () => world.deliver({ jobs, executor: settings(namespace) }, { payload: payload(of) }) };
}

async function exists(resource: 'jobs' | 'secrets', name: string, namespace = cluster.namespace): Promise<boolean> {
  const group = resource === 'jobs' ? '/apis/batch/v1' : '/api/v1';
  const { status } = await client.send('GET', `${group}/namespaces/${namespace}/${resource}/${name}`, {});
  return status === 200;
}

describe('a dispatch', () => {
  test('makes a Job and its Secret, with the very bytes of the payload', async () => {
    const of = aStep();
    const world = worldOf(of);

    expect(await world.dispatch()).toBe('done');

    const name = jobName(of, INSTALLATION, 1);
    const { body } = await client.send('GET', `/api/v1/namespaces/${cluster.namespace}/secrets/${name}`, {});
    const data = Reflect.get(Object(Reflect.get(Object(body), 'data')), PAYLOAD_KEY);
    const text = Buffer.from(String(data), 'base64').toString('ascii');
    expect(Buffer.from(text, 'base64')).toEqual(Buffer.from(payload(of)));
    expect(world.log.lines).toMatchObject([{ outcome: 'created', jobName: name }]);
  });

  test('that comes again finds its Job', async () => {
    const of = aStep();
    const world = worldOf(of);

    expect([await world.dispatch(), await world.dispatch(), await world.dispatch()]).toEqual(['done', 'done', 'done']);

    expect(world.log.lines.map((line) => line.outcome)).toEqual(['created', 'exists', 'exists']);
  });

  test.runIf(hasControllers)('takes its Secret along when the Job is deleted', async () => {
    const of = aStep();
    await worldOf(of).dispatch();
    const name = jobName(of, INSTALLATION, 1);
    expect(await exists('secrets', name)).toBe(true);

    await client.send('DELETE', `/apis/batch/v1/namespaces/${cluster.namespace}/jobs/${name}`, {
      body: { propagationPolicy: 'Background' },
    });

    await until('the Secret to be collected', async () => !(await exists('secrets', name)));
  });

  test('of a payload at the limit of a Secret is taken', async () => {
    const of = aStep();
    const filler = 'x'.repeat(786_432 - payload(of, { filler: '' }).byteLength);
    const world = createDispatchWorld({ ids: of });

    const executor = settings();
    expect(await world.deliver({ jobs: storeOf(), executor }, { payload: payload(of, { filler }) })).toBe('done');

    expect(await exists('secrets', jobName(of, INSTALLATION, 1))).toBe(true);
  });

  test.each(['secretEnv', 'env'] as const)(
    'of 90,000 bytes by %s is taken, and its Job may start',
    async (transport) => {
      const of = aStep();
      const filler = 'x'.repeat(90_000 - payload(of, { filler: '' }).byteLength);
      const world = createDispatchWorld({ ids: of });
      const executor = executorSettings({ namespace: cluster.namespace, transport });

      expect(await world.deliver({ jobs: storeOf(), executor }, { payload: payload(of, { filler }) })).toBe('done');

      const job = await storeOf().getJob(jobName(of, INSTALLATION, 1));
      expect(job === 'notFound' ? job : job.spec?.suspend).toBe(false);
      expect(await exists('secrets', jobName(of, INSTALLATION, 1))).toBe(transport === 'secretEnv');
    },
  );

  test('200 times at once makes 200 Jobs with their Secrets', { timeout: 60_000 }, async () => {
    const store = storeOf();
    const steps = Array.from({ length: 200 }, aStep);

    const results = await Promise.all(steps.map((of) => worldOf(of, store).dispatch()));

    expect(new Set(results)).toEqual(new Set(['done']));
    const names = steps.map((of) => jobName(of, INSTALLATION, 1));
    const { body } = await client.send('GET', `/api/v1/namespaces/${cluster.namespace}/secrets`, {});
    const items: unknown = Reflect.get(Object(body), 'items');
    const found = new Set(Array.isArray(items) ? items.map((item) => item.metadata.name) : []);
    expect(names.filter((name) => !found.has(name))).toEqual([]);
  });
});

// One that takes nothing from the beginning: where Jobs are made beside it, its controller may count from a view that has
// not seen them yet, and does so again only minutes later.
test.runIf(hasControllers)('a quota that is used up lets the step wait and say so, until it is raised', async () => {
  const own = await realCluster('quota');
  try {
    const path = `/api/v1/namespaces/${own.namespace}/resourcequotas`;
    const quotaOf = (jobs: string) => ({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'executors' },
      spec: { hard: { 'count/jobs.batch': jobs } },
    });
    await client.send('POST', path, { body: quotaOf('0') });
    await until('the quota to be counted', async () => {
      const { body } = await client.send('GET', `${path}/executors`, {});
      return JSON.stringify(body).includes('"used":{"count/jobs.batch":"0"}');
    });
    const step = aStep();
    const world = worldOf(step, storeOf(own.namespace), own.namespace);

    expect(await world.dispatch()).toBe('again');

    expect(world.log.lines.at(-1)).toMatchObject({ outcome: 'waiting', delaySeconds: 5 });
    expect(world.terrakube.everyLine).toEqual([
      `terrakube-dispatcher: waiting: quota executors of namespace ${own.namespace} is used up (used count/jobs.batch=0, limit count/jobs.batch=0)`,
    ]);
    await client.send('PUT', `${path}/executors`, { body: quotaOf('1') });
    await until('the step to get through', async () => (await world.dispatch()) === 'done');
    expect(world.log.lines.at(-1)).toMatchObject({ outcome: 'created' });
  } finally {
    await own.close();
  }
});

describe('a manifest that the API server refuses', () => {
  const manifest = () =>
    buildJob({
      request: request({ ids: aStep() }),
      settings: settings(),
      installation: INSTALLATION,
      start: 1,
      now: NOON,
    });
  type Manifest = ReturnType<typeof manifest>;
  const container = (job: Manifest) => job.spec?.template.spec?.containers[0];
  const refusals: readonly (readonly [string, (job: Manifest) => void, RegExp])[] = [
    [
      'without an image',
      (job) => Object.assign(container(job) ?? {}, { image: '' }),
      /containers\[0\]\.image: Required value/,
    ],
    [
      'with a label that is none',
      (job) => Object.assign(job.metadata?.labels ?? {}, { team: 'a b' }),
      /metadata\.labels: Invalid value: "a b"/,
    ],
    [
      'with a name that is none',
      (job) => Object.assign(job.metadata ?? {}, { name: 'Job_17' }),
      /metadata\.name: Invalid value: "Job_17"/,
    ],
    [
      'with a request over its limit',
      (job) =>
        Object.assign(container(job) ?? {}, { resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } }),
      /must be less than or equal to memory limit/,
    ],
    [
      'with a toleration that is none',
      (job) => Object.assign(job.spec?.template.spec ?? {}, { tolerations: [{ key: 'a', operator: 'Bogus' }] }),
      /tolerations\[0\]\.operator: Unsupported value: "Bogus"/,
    ],
    [
      'with a quantity that is none',
      (job) => Object.assign(container(job) ?? {}, { resources: { limits: { memory: 'lots' } } }),
      /quantities must match the regular expression/,
    ],
    [
      'for another namespace',
      (job) => Object.assign(job.metadata ?? {}, { namespace: 'other' }),
      /namespace of the provided object does not match/,
    ],
  ];

  test.each(refusals)('%s is terminal, and quotes what is wrong', async (_, spoil, evidence) => {
    const job = manifest();
    spoil(job);

    const answer = await storeOf().createJob(job);

    expect(answer.kind).toBe('refused');
    const verdict = answer.kind === 'refused' ? createVerdict('Job', answer.refusal, cluster.namespace) : undefined;
    expect(verdict).toMatchObject({
      kind: 'terminal',
      reason: { title: 'Kubernetes refused the Job as invalid', evidence: expect.stringMatching(evidence) },
    });
  });
});

describe('a dispatcher', () => {
  test('without a role tells the user which one is missing', async () => {
    const of = aStep();
    const allowed = storeOf();
    // It may list, as with a role that is too small; a create is refused.
    const stranger = storeOf(cluster.namespace, cluster, inject('controlPlane').tokens.stranger);
    const world = worldOf(of, { ...stranger, listJobs: allowed.listJobs });

    expect(await world.dispatch()).toBe('done');

    expect(world.terrakube.job(of)?.steps[0]?.name).toMatch(
      /^Terraform Plan: the dispatcher may not create Jobs in namespace dispatch-/,
    );
  });

  test('with a token that nobody knows waits, and names the access entry after five minutes', async () => {
    const of = aStep();
    const world = worldOf(of, storeOf(cluster.namespace, cluster, 'nobody'));

    expect(await world.dispatch()).toBe('again');
    expect(world.terrakube.everyLine).toEqual([]);
    world.clock.advance(300_000);
    expect(await world.dispatch()).toBe('again');

    expect(world.terrakube.everyLine).toEqual([
      'terrakube-dispatcher: waiting: the cluster does not accept the sign-in of the dispatcher; check the EKS access entry of the dispatch role (group terrakube-dispatch)',
    ]);
  });

  test('whose namespace does not exist tells the user', async () => {
    const of = aStep();
    const world = worldOf(of, storeOf('nowhere'), 'nowhere');

    expect(await world.dispatch()).toBe('done');

    expect(world.terrakube.job(of)?.steps[0]?.name).toBe(
      'Terraform Plan: namespace nowhere does not exist in the cluster',
    );
  });
});

describe('over a network that breaks', () => {
  test.each([
    ['resets before the server', 'before', { kind: 'reset' }],
    ['resets after the server did its work', 'after', { kind: 'reset' }],
    ['connections that fall silent before the server', 'before', { kind: 'hang' }],
    ['connections that fall silent after it', 'after', { kind: 'hang' }],
    ['answers that take two seconds', 'after', { kind: 'wait', ms: 2000 }],
  ] as const)('%s: ten dispatches make ten Jobs and ten Secrets', { timeout: 90_000 }, async (_, when, deed) => {
    const proxy = await startMeddlingProxy(cluster.url, cluster.caPem);
    try {
      // Every third request of the first sixty meets the fault.
      proxy.meddle({
        [when]: ({ number }: { number: number }) => (number < 60 && number % 3 === 0 ? deed : undefined),
      });
      const store = storeOf(cluster.namespace, proxy);
      const steps = Array.from({ length: 10 }, aStep);

      await Promise.all(
        steps.map(async (of) => {
          const world = worldOf(of, store);
          for (let delivery = 0; delivery < 30; delivery += 1) if ((await world.dispatch()) === 'done') return;
          throw new Error('never acknowledged');
        }),
      );

      for (const name of steps.map((of) => jobName(of, INSTALLATION, 1))) {
        expect([name, await exists('jobs', name), await exists('secrets', name)]).toEqual([name, true, true]);
      }
    } finally {
      await proxy.close();
    }
  });
});
