// What a run sees while it watches, and what it outlasts: streams that end, lists that are refused, calls that fail or
// never come back, and a machine that stood still.
import type { V1Job } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { durationMs } from '../../lib/domain/time.ts';
import type { OpenWatch, ReconciledCluster } from '../../lib/ports.ts';
import { INSTALLATION, ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { endedJob, running, terminated } from '../support/observe-world.ts';
import { podFor, runJobController } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileOptions, type ReconcileWorld } from '../support/reconcile-world.ts';
import type { Around } from '../support/tap.ts';

const idsOf = (at: number): DispatchIds =>
  ids({ jobId: String(100 + at), stepId: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}` });
const nameOf = (at: number): string => jobName(idsOf(at), INSTALLATION, 1);
const executing = (of: DispatchIds) =>
  terrakubeJob({ status: 'running', steps: [step({ id: of.stepId, status: 'running', output: 'https://log' })] });

/** A Job whose executor runs. */
function runningJob(of: DispatchIds): V1Job {
  const job = kubernetesJob({ of });
  return {
    ...job,
    metadata: { ...job.metadata, uid: `uid-of-${of.jobId}` },
    status: { active: 1, ready: 1 },
  };
}
/** Its pod. */
const executorPod = (of: DispatchIds, status: ReturnType<typeof running>) =>
  podFor({ of, ...(status ? { status } : {}) }, `uid-of-${of.jobId}`);

const failedJob = (of: DispatchIds): V1Job => {
  const { status = {} } = endedJob({ of, ended: 'Failed' }, 5000);
  return { ...runningJob(of), status };
};

/** So many executors at work. */
function executors(count: number, options: ReconcileOptions = {}): ReconcileWorld {
  const all = Array.from({ length: count }, (_, at) => idsOf(at));
  const world = createReconcileWorld({
    jobs: all.map(runningJob),
    pods: all.map((of) => executorPod(of, running())),
    terrakube: all.map((of) => [of, executing(of)]),
    ...options,
  });
  world.clock.advance(20_000);
  runJobController(world);
  return world;
}

/** How often each Job was looked at, not counting its payload. */
const looks = ({ log }: ReconcileWorld): Readonly<Record<string, number>> => {
  const seen = log.lines.filter(({ message, outcome }) => message === 'job observed' && outcome !== 'payload');
  const names = seen.map(({ jobName: name = '' }) => name);
  return Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((one) => one === name).length]));
};

/** Another status of an executor at work. */
const changed = (of: DispatchIds, startTime: number): V1Job => ({
  ...runningJob(of),
  status: { active: 1, ready: 1, startTime: new Date(startTime) },
});

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
    expect(world.log.lines.find(({ level }) => level === 'warn')).toEqual({
      level: 'warn',
      message: 'watch interrupted',
      code: 'clusterRefused',
      reason: REFUSED.message,
    });
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
});

/** An executor that is out of memory, and calls that the test holds up. */
function outOfMemory(around: Around): ReconcileWorld {
  const world = executors(1, { around });
  world.store.put(failedJob(idsOf(0)));
  world.cluster.putPod(executorPod(idsOf(0), terminated('OOMKilled', 137)));
  return world;
}

const NEVER = new Promise<never>(() => undefined);

describe('a look', () => {
  test('that hangs for ever does not hold up the run for longer than 110 s', async () => {
    const world = outOfMemory((method, call) => (method === 'appendLog' ? NEVER : call()));
    const startedAt = world.clock.now();
    await world.run();
    expect(world.clock.now() - startedAt).toBe(110_000);
    expect(world.log.lines.at(-1)).toEqual({ level: 'warn', message: 'run ended before everything was done' });
  });

  test('that goes on after the run has ended writes nothing any more', async () => {
    const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>();
    const world = outOfMemory(async (method, call) => {
      if (method === 'appendLog') await thawed;
      return call();
    });
    await world.run();
    const written = world.writes.length;
    thaw();
    await world.clock.pass(60_000);
    expect(world.writes.slice(written)).toEqual(['appendLog']);
    expect(world.terrakube.job(idsOf(0))?.status).toBe('running');
  });

  test('that a machine which stood still for five minutes had begun does nothing on what it has read', async () => {
    const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>();
    let reads = 0;
    const world = outOfMemory(async (method, call) => {
      const answer = await call();
      reads += method === 'getJob' ? 1 : 0;
      if (method === 'getJob' && reads === 4) await thawed;
      return answer;
    });
    const { deps } = world;
    const isPayload = (write: string) => write === 'deletePayload';
    const run = world.begin({ cluster: { ...deps.cluster, deletePayload: async () => 'forbidden' } });
    await world.clock.pass(5000);
    world.clock.advance(300_000);
    thaw();
    expect(await world.clock.until(run)).toEqual({ failed: 1 });
    expect(world.writes.filter((write) => !isPayload(write))).toEqual([]);
    expect(world.log.lines.filter(({ level }) => level === 'error')).toMatchObject([{ reason: 'The run is over.' }]);
  });

  const unanswered = new DispatcherError('terrakubeUnavailable', 'Terrakube does not answer.');

  test('that fails until the end is counted', async () => {
    const world = outOfMemory(async (method, call) => {
      if (method === 'appendLog') throw unanswered;
      return call();
    });
    expect(await world.run()).toEqual({ failed: 1 });
  });

  test('that fails, and succeeds later in the run, is not', async () => {
    let failures = 0;
    const world = outOfMemory(async (method, call) => {
      if (method === 'appendLog' && failures < 3) {
        failures += 1;
        throw unanswered;
      }
      return call();
    });
    expect(await world.run()).toEqual({ failed: 0 });
    expect([failures, world.terrakube.job(idsOf(0))?.status]).toEqual([3, 'failed']);
  });

  test('at a change that needs nothing is taken again when it has failed', async () => {
    let isDown = false;
    const world = executors(1, {
      around: async (method, call) => {
        if (isDown && method === 'getJob') throw unanswered;
        return call();
      },
    });
    const run = world.begin();
    await world.clock.pass(5000);
    isDown = true;
    world.store.put(changed(idsOf(0), 1));
    await world.clock.pass(20_000);
    isDown = false;
    expect(await world.clock.until(run)).toEqual({ failed: 0 });
    expect(looks(world)).toEqual({ [nameOf(0)]: 1 });
  });

  test('at a Job that somebody deleted while Terrakube was down is taken until it is told', async () => {
    let isDown = false;
    const world = executors(1, {
      around: async (method, call) => {
        if (isDown && method !== 'listJobs') throw unanswered;
        return call();
      },
    });
    const run = world.begin();
    await world.clock.pass(5000);
    isDown = true;
    world.cluster.removePod(`${nameOf(0)}-abcde`);
    world.store.remove(nameOf(0));
    await world.clock.pass(40_000);
    isDown = false;
    expect(await world.clock.until(run)).toEqual({ failed: 0 });
    expect(world.terrakube.job(idsOf(0))?.status).toBe('failed');
  });

  test('that meets a fault of ours ends nothing, and its message is not logged', async () => {
    const world = executors(1, {
      around: async (method, call) => {
        if (method === 'getJob' || method === 'listJobs') throw new TypeError('cannot read hunter2');
        return call();
      },
    });
    const run = world.begin();
    await world.clock.pass(5000);
    world.store.put(changed(idsOf(0), 1));
    expect(await world.clock.until(run)).toEqual({ failed: 1 });
    const faults = world.log.lines.filter(({ code }) => code === 'unexpected');
    expect(new Set(faults.map(({ message, reason }) => `${message}: ${reason}`))).toEqual(
      new Set(['job not observed: TypeError', 'look failed: TypeError']),
    );
    expect(JSON.stringify(world.log.lines)).not.toContain('hunter2');
  });
});

describe('a run', () => {
  test.each(['listLiveJobs', 'snapshotJobs', 'snapshotPods'])('fails at once when %s does', async (list) => {
    const fault = new DispatcherError('clusterUnavailable', 'no answer');
    const world = executors(1, { around: async (method, call) => (method === list ? Promise.reject(fault) : call()) });
    await expect(world.run()).rejects.toBe(fault);
  });

  test('whose lists never come ends with an error before its function is ended', async () => {
    const world = executors(1, { around: (method, call) => (method === 'snapshotJobs' ? NEVER : call()) });
    const startedAt = world.clock.now();
    await expect(world.run()).rejects.toThrow('The run took too long');
    expect(world.clock.now() - startedAt).toBe(114_000);
  });
});
