// What a run sees while it watches: changes, streams that end, and what it does where nothing may be watched.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { durationMs } from '../../lib/domain/time.ts';
import type { OpenWatch, ReconciledCluster, WatchRequest } from '../../lib/ports.ts';
import { ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { terminated } from '../support/observe-world.ts';
import { podFor, runJobController } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';
import {
  changed,
  executing,
  executorPod,
  executors,
  failedJob,
  idsOf,
  looks,
  nameOf,
  runningJob,
} from '../support/watched-executors.ts';

describe('a change', () => {
  test('is looked at once', async () => {
    const world = executors(2);
    const run = world.begin();
    await world.clock.pass(5000);
    world.store.put(changed(idsOf(1), 1));
    await world.clock.pass(1);
    expect(looks(world)).toEqual({ [nameOf(1)]: 1 });
    await world.clock.until(run);
    expect(looks(world)).toEqual({ [nameOf(1)]: 1 });
  });

  test('that comes while a look is under way is looked at once more, however many come', async () => {
    const world: ReconcileWorld = executors(1, {
      around: async (method, call) => {
        if (method === 'getJob') await world.clock.sleep(durationMs(500));
        return call();
      },
    });
    const run = world.begin();
    await world.clock.pass(5000);
    for (let change = 1; change <= 5; change += 1) {
      world.store.put(changed(idsOf(0), change));
      await world.clock.pass(50);
    }
    await world.clock.until(run);
    expect(looks(world)).toEqual({ [nameOf(0)]: 2 });
  });

  test('of our own annotations is none', async () => {
    const world = executors(1);
    const run = world.begin();
    await world.clock.pass(5000);
    const [job] = world.store.allJobs();
    const version = job?.metadata?.resourceVersion ?? '';
    expect(await world.cluster.annotateJob(nameOf(0), version, { 'terrakube.io/said': 'x' })).toBe('patched');
    await world.clock.until(run);
    expect(looks(world)).toEqual({});
  });
});

/** A Job fails, one is deleted and a new one is created, unseen by watches that have just ended. */
function changeUnseen(world: ReconcileWorld): void {
  world.store.put(failedJob(idsOf(0)));
  world.cluster.putPod(executorPod(idsOf(0), terminated('OOMKilled', 137)));
  world.cluster.removePod(`${nameOf(1)}-abcde`);
  world.store.remove(nameOf(1));
  world.store.put(runningJob(idsOf(3)));
}

const ALL_SEEN = { [nameOf(0)]: 1, [nameOf(1)]: 1, [nameOf(3)]: 1 };

describe('a stream that ends', () => {
  test.each(['expired', 'closed'] as const)('as %s: what was missed is seen within two seconds', async (kind) => {
    const world = executors(3);
    world.terrakube.put(idsOf(3), executing(idsOf(3)));
    const run = world.begin();
    await world.clock.pass(5500);
    world.cluster.breakWatches(kind);
    changeUnseen(world);
    await world.clock.pass(2000);
    // The failure is told meanwhile: that look is not over.
    expect({ [nameOf(0)]: 1, ...looks(world) }).toEqual(ALL_SEEN);
    await world.clock.until(run);
    expect([0, 1, 2, 3].map((at) => world.terrakube.job(idsOf(at))?.status)).toEqual([
      'failed',
      'failed',
      'running',
      'running',
    ]);
    expect(world.terrakube.job(idsOf(0))?.steps[0]?.name).toContain('out of memory');
  });

  test('as closed is opened from where it was, without a new list', async () => {
    const calls: string[] = [];
    const world = executors(1, {
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    const run = world.begin();
    await world.clock.pass(5500);
    world.cluster.breakWatches('closed');
    await world.clock.pass(2000);
    expect(world.cluster.openWatches()).toEqual({ jobs: 1, pods: 1 });
    await world.clock.until(run);
    expect(calls.filter((call) => call.startsWith('snapshot'))).toEqual(['snapshotJobs', 'snapshotPods']);
    expect(world.cluster.openWatches()).toEqual({ jobs: 0, pods: 0 });
  });

  test('is none that lasts for longer than 20 s: a dead connection says nothing', async () => {
    const world = executors(1);
    const lasts: number[] = [];
    const noted =
      <T>(watch: (request: WatchRequest<T>) => OpenWatch) =>
      (request: WatchRequest<T>): OpenWatch => {
        lasts.push(request.timeout);
        return watch(request);
      };
    const { cluster } = world.deps;
    await world.run({
      cluster: { ...cluster, watchJobs: noted(cluster.watchJobs), watchPods: noted(cluster.watchPods) },
    });
    expect(lasts.length).toBeGreaterThan(8);
    expect(Math.max(...lasts)).toBe(20);
  });

  test('again and again at once is not opened in a circle', async () => {
    const world = executors(1);
    let opened = 0;
    const cluster = {
      ...world.deps.cluster,
      watchJobs: ({ resourceVersion }: { readonly resourceVersion: string }): OpenWatch => {
        opened += 1;
        return { ended: Promise.resolve({ kind: 'closed', resourceVersion }), close: () => undefined };
      },
    };
    await world.run({ cluster });
    expect(opened).toBe(90);
  });
});

test('an Event that comes while a run watches is explained to the user in that run', async () => {
  const world = createReconcileWorld({
    jobs: [{ ...kubernetesJob(), status: {} }],
    terrakube: [[ids(), terrakubeJob()]],
  });
  const run = world.begin();
  await world.clock.pass(3000);
  expect(world.terrakube.everyLine).toEqual([]);
  const [job] = world.store.allJobs();
  world.cluster.putEvent({
    metadata: { name: 'refused', namespace: 'terrakube' },
    involvedObject: { kind: 'Job', name: job?.metadata?.name ?? '', uid: job?.metadata?.uid ?? '' },
    type: 'Warning',
    reason: 'FailedCreate',
    message: 'Error creating: pods "x" is forbidden: exceeded quota: no-pods, requested: pods=1, used: pods=0',
    lastTimestamp: new Date(world.clock.now()),
  });
  await world.clock.pass(13_000);
  expect(world.terrakube.everyLine).toEqual([expect.stringContaining('exceeded quota: no-pods')]);
  await world.clock.until(run);
});

test('a look at all of Terrakube that hangs hides no cancel', async () => {
  const world = createReconcileWorld({
    jobs: [kubernetesJob()],
    pods: [podFor({ nodeName: '' })],
    terrakube: [[ids(), terrakubeJob()]],
  });
  runJobController(world);
  const { terrakubeJobs } = world.deps;
  const startedAt = world.clock.now();
  let hangs = false;
  const listJobs: typeof terrakubeJobs.listJobs = async (jobIds) => {
    const isAboutAll = world.clock.now() - startedAt >= 9_900;
    if (isAboutAll && !hangs) {
      hangs = true;
      await world.clock.sleep(durationMs(15_000));
    }
    return terrakubeJobs.listJobs(jobIds);
  };
  const run = world.begin({ terrakubeJobs: { ...terrakubeJobs, listJobs } });
  await world.clock.pass(10_500);
  expect(hangs).toBe(true);
  world.terrakube.changeJob(ids(), { status: 'cancelled', steps: [step({ status: 'cancelled' })] });
  await world.clock.pass(3000);
  expect(world.store.allJobs()[0]?.spec?.activeDeadlineSeconds).toBe(1);
  await world.clock.until(run);
});

test('at most ten Jobs are looked at at the same time', async () => {
  let underWay = 0;
  let most = 0;
  const world: ReconcileWorld = executors(40, {
    around: async (method, call) => {
      if (method !== 'getJob') return call();
      underWay += 1;
      most = Math.max(most, underWay);
      await world.clock.sleep(durationMs(100));
      underWay -= 1;
      return call();
    },
  });
  const run = world.begin();
  await world.clock.pass(5000);
  for (let at = 0; at < 40; at += 1) world.store.put(changed(idsOf(at), 1));
  await world.clock.until(run);
  expect(Object.keys(looks(world))).toHaveLength(40);
  expect(most).toBe(10);
});

const REFUSED = new DispatcherError('clusterRefused', 'The Kubernetes API answered 403 to watch jobs.');

/** A cluster whose watches are refused. */
const refusing = (cluster: ReconciledCluster): ReconciledCluster => {
  const refuse = (): OpenWatch => ({ ended: Promise.reject(REFUSED), close: () => undefined });
  return { ...cluster, watchJobs: refuse, watchPods: refuse };
};

describe('where nothing may be watched', () => {
  test('the run goes on, and a cancel is seen all the same', async () => {
    const world = createReconcileWorld({
      jobs: [kubernetesJob()],
      pods: [podFor({ nodeName: '' })],
      terrakube: [[ids(), terrakubeJob()]],
    });
    runJobController(world);
    const startedAt = world.clock.now();
    const run = world.begin({ cluster: refusing(world.deps.cluster) });
    await world.clock.pass(5000);
    world.terrakube.changeJob(ids(), { status: 'cancelled', steps: [step({ status: 'cancelled' })] });
    await world.clock.pass(3000);
    expect(world.store.allJobs()[0]?.spec?.activeDeadlineSeconds).toBe(1);
    expect(await world.clock.until(run)).toEqual({ failed: 0 });
    expect(world.clock.now() - startedAt).toBe(90_000);
    // Once for Jobs and once for pods.
    const warning = { level: 'warn', message: 'watch interrupted', code: 'clusterRefused', reason: REFUSED.message };
    expect(world.log.lines.filter(({ level }) => level === 'warn')).toEqual([warning, warning]);
  });

  test('nor pods be read at all, Jobs alone say what there is', async () => {
    const world = executors(2);
    const forbidden = {
      snapshotPods: async () => 'forbidden' as const,
      listPods: async () => 'forbidden' as const,
    };
    const run = world.begin({ cluster: { ...world.deps.cluster, ...forbidden } });
    await world.clock.pass(5000);
    expect(world.cluster.openWatches()).toEqual({ jobs: 1, pods: 0 });
    world.store.put(failedJob(idsOf(0)));
    await world.clock.pass(5000);
    expect(world.terrakube.job(idsOf(0))?.status).toBe('failed');
    expect(await world.clock.until(run)).toEqual({ failed: 0 });
  });

  test('nor pods and Events be read, that is said once', async () => {
    const world = executors(2);
    const forbidden = async () => 'forbidden' as const;
    const blind = { snapshotPods: forbidden, listPods: forbidden, listWarnings: forbidden, listEvents: forbidden };
    const cluster = { ...world.deps.cluster, ...blind };
    await world.run({ cluster });
    await world.run({ cluster });
    const message = 'not all may be listed: causes come from what is left';
    expect(world.log.lines.filter(({ level }) => level !== 'info')).toEqual([
      { level: 'warn', message, reason: 'pods' },
      { level: 'warn', message, reason: 'events' },
    ]);
  });

  test('nor an idle installation be watched, it is not watched for pods that nobody sees', async () => {
    const world = createReconcileWorld();
    const startedAt = world.clock.now();
    const snapshotPods = async () => 'forbidden' as const;
    await world.run({ watchesWhenIdle: false, cluster: { ...world.deps.cluster, snapshotPods } });
    expect(world.clock.now()).toBe(startedAt);
  });
});
