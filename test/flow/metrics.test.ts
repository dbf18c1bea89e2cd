// What is counted while messages are settled and Jobs observed.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import type { MetricValues } from '../../lib/domain/metric-names.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { observeAll } from '../../lib/flows/observe-all.ts';
import { DENIED, QUOTA, refuse, THROTTLED } from '../support/api-refusals.ts';
import { ids, PAYLOAD_SECRETS, patience, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld, type DispatchWorld } from '../support/dispatch-world.ts';
import { createInMemoryLog } from '../support/in-memory-log.ts';
import { createInMemoryMetrics } from '../support/in-memory-metrics.ts';
import { leaksIn } from '../support/leaks.ts';
import { createScene, executing, SCENES } from '../support/observe-scenes.ts';
import { endedJob, podOf, terminated } from '../support/observe-world.ts';
import { createReconcileWorld } from '../support/reconcile-world.ts';

type Put = readonly [MetricValues, string?];

describe('of a message is counted', () => {
  const answering = (refusal: Parameters<typeof refuse>[0]) => (world: DispatchWorld) =>
    world.deliver({ jobs: { ...world.store, createJob: refuse(refusal) } });
  const failing = (error: Error) => (world: DispatchWorld) =>
    world.deliver({ terrakube: { ...world.terrakube, getJob: () => Promise.reject(error) } });

  test.each<[string, (world: DispatchWorld) => Promise<unknown>, Put]>([
    [
      'the Job that it became, and how long after its acceptance',
      (world) => {
        world.clock.advance(1500);
        return world.deliver();
      },
      [{ Dispatched: 1, AcceptedToCreatedMs: 1500 }],
    ],
    ['a refusal of the cluster', answering(DENIED), [{ ToldFailed: 1 }, 'failed']],
    [
      'a refusal of our own',
      (world) => world.deliver({ executor: { ...world.deps.executor, requireOptIn: true } }),
      [{ ToldFailed: 1 }, 'refused'],
    ],
    ['a quota that is used up', answering(QUOTA), [{ Waiting: 1 }, 'quota']],
    ['a cluster that is too busy', answering(THROTTLED), [{ Waiting: 1 }, 'throttled']],
    ['a pause', (world) => world.deliver({ patience: { ...patience(), isPaused: true } }), [{ Waiting: 1 }, 'paused']],
    [
      'a Terrakube that does not answer',
      failing(new DispatcherError('terrakubeUnavailable', 'Terrakube gave no answer.')),
      [{ Waiting: 1 }, 'terrakubeUnavailable'],
    ],
    [
      'a fault that nobody foresaw, without a word of it',
      failing(new TypeError(`cannot read ${PAYLOAD_SECRETS.join()}`)),
      [{ Waiting: 1 }, 'unexpected'],
    ],
    [
      'a cluster that does not know us',
      (world) => {
        const listJobs = () => Promise.reject(new DispatcherError('clusterUnauthorized', 'no', { status: 401 }));
        return world.deliver({ jobs: { ...world.store, listJobs } });
      },
      [{ Waiting: 1 }, 'unauthorized'],
    ],
  ])('%s', async (_what, deliver, put) => {
    const world = createDispatchWorld();
    await deliver(world);
    expect(world.metrics.puts).toEqual([put]);
    expect(leaksIn(world.metrics.puts, PAYLOAD_SECRETS)).toEqual([]);
  });

  test('that it was delivered twice', async () => {
    const world = createDispatchWorld();
    await world.deliver();
    await world.deliver();
    expect(world.metrics.puts).toEqual([[{ Dispatched: 1, AcceptedToCreatedMs: 0 }], [{ AlreadyDispatched: 1 }]]);
  });

  test('that it is not needed', async () => {
    const world = createDispatchWorld({ job: null });
    await world.deliver();
    expect(world.metrics.puts).toEqual([[{ Skipped: 1 }, 'jobGone']]);
  });

  test('that Terrakube has not committed its job', async () => {
    const world = createDispatchWorld({ job: terrakubeJob({ status: 'pending', steps: [] }) });
    await world.deliver();
    expect(world.metrics.puts).toEqual([[{ Waiting: 1 }, 'notCommitted']]);
  });
});

const killed = { jobs: [endedJob({ ended: 'Failed' })], pods: [podOf({ status: terminated('OOMKilled', 137) })] };

describe('of a Job is counted', () => {
  test('a tell by its cause, and the time since its end by the clock of the API server', async () => {
    const scene = SCENES.find(({ what }) => what === 'an executor that ran out of memory');
    if (!scene) throw new Error('the scene is gone');
    const world = createScene(scene);
    const metrics = createInMemoryMetrics();
    const [job] = world.store.allJobs();
    const endedAt = job?.status?.conditions?.[0]?.lastTransitionTime?.getTime() ?? 0;
    const doorbell = { jobName: job?.metadata?.name ?? '' };
    const deps = { ...world.deps, metrics, log: createInMemoryLog(), errorFields };
    await observeAll(deps, [doorbell]);
    await observeAll(deps, [doorbell]);
    const ClusterToToldMs = world.cluster.serverNow() - endedAt;
    expect(ClusterToToldMs).toBeGreaterThan(2000);
    expect(metrics.puts).toEqual([[{ ToldFailed: 1, ClusterToToldMs }, 'outOfMemory']]);
  });

  test('by reconcile the same, and once by any number of runs', async () => {
    const world = createReconcileWorld({ ...killed, terrakube: [[ids(), executing()]] });
    await world.clock.pass(61_000);
    const both = [world.begin(), world.begin(world.sandbox())];
    for (const run of both) await world.clock.until(run);
    expect(world.metrics.puts.filter(([, reason]) => reason !== undefined)).toEqual([
      [{ ToldFailed: 1, ClusterToToldMs: expect.any(Number) }, 'outOfMemory'],
    ]);
    expect(world.metric('ClusterToToldMs')).toBeLessThan(durationMs(30_000));
  });
});
