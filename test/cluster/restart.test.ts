// The API server goes away and comes back while steps are dispatched: each of them ends as exactly one Job.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { epochMs, seconds } from '../../lib/domain/time.ts';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { type ControlPlane, startControlPlane } from '../../local/control-plane/control-plane.ts';
import { executorSettings, INSTALLATION, ids, payload } from '../support/builders.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';
import { createClusterWorld } from '../support/reconciler-worlds.ts';

let controlPlane: ControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ programs: await buildControlPlane() });
}, 120_000);
afterAll(() => controlPlane.stop());

const STEPS = 60;

test('an API server that is restarted in the middle loses no step and doubles none', { timeout: 120_000 }, async () => {
  const { url, caPem, tokens } = controlPlane;
  const address = { endpoint: url, caPem };
  const jobs = createKubernetesJobs({
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => tokens.admin, forget: () => undefined },
    namespace: 'terrakube',
    now: () => epochMs(Date.now()),
    timeoutMs: 3000,
  });
  const steps = Array.from({ length: STEPS }, () => ids({ jobId: String(randomInt(1, 2 ** 40)) }));
  const outcomes: string[] = [];
  const dispatchOne = async (of: (typeof steps)[number]): Promise<void> => {
    const world = createDispatchWorld({ ids: of });
    for (let delivery = 0; delivery < 200; delivery += 1) {
      const result = await world.deliver({ jobs, executor: executorSettings() }, { payload: payload(of) });
      outcomes.push(result);
      if (result === 'done') return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error('never acknowledged');
  };

  const restarted = controlPlane.restart();
  for (let first = 0; first < STEPS; first += 10) await Promise.all(steps.slice(first, first + 10).map(dispatchOne));
  await restarted;

  expect(outcomes).toContain('again');
  const found = await jobs.listJobs('app.kubernetes.io/managed-by=terrakube-dispatcher');
  expect(found.map(({ metadata }) => metadata?.name).sort()).toEqual(
    steps.map((of) => jobName(of, INSTALLATION, 1)).sort(),
  );
});

test('a watch after the restart goes on from where it was or says that it cannot, and nothing is missed', {
  timeout: 120_000,
}, async () => {
  const { url, caPem, tokens } = controlPlane;
  const address = { endpoint: url, caPem };
  const cluster = createKubernetesReconciler({
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => tokens.admin, forget: () => undefined },
    namespace: 'terrakube',
    now: () => epochMs(Date.now()),
    timeoutMs: 3000,
  });
  const seen: string[] = [];
  const versions: (string | undefined)[] = [];
  const sawAfter = Promise.withResolvers<'seen'>();
  const watch = (resourceVersion: string) =>
    cluster.watchJobs({
      labelSelector: 'app=watched',
      resourceVersion,
      timeout: seconds(60),
      onChange: ({ kind, object }) => {
        seen.push(`${kind} ${object.metadata?.name}`);
        versions.push(object.metadata?.resourceVersion);
        if (object.metadata?.name === 'after') sawAfter.resolve('seen');
      },
    });
  const create = async (name: string): Promise<void> => {
    const client = createClusterClient({ url, caPem, token: tokens.admin });
    await createClusterWorld(client, 'terrakube').createJob(name, { app: 'watched' });
    client.close();
  };
  const first = watch((await cluster.snapshotJobs('app=watched')).resourceVersion);
  await create('before');
  await expect.poll(() => seen).toContain('changed before');
  await controlPlane.restart();
  const end = await first.ended;
  await create('after');
  // A server that has just started answers 410 Gone for a version from before, when other writes have followed it.
  const second = end.kind === 'expired' ? first : watch(end.resourceVersion);
  const outcome = await Promise.race([sawAfter.promise, second.ended.then(({ kind }) => kind)]);
  if (outcome === 'expired') {
    const { items } = await cluster.snapshotJobs('app=watched');
    expect(items.map(({ metadata }) => metadata?.name).sort()).toEqual(['after', 'before']);
    return;
  }
  expect(outcome).toBe('seen');
  second.close();
  expect(await second.ended).toMatchObject({ kind: 'closed' });
  expect(versions).toEqual([...new Set(versions)]);
});
