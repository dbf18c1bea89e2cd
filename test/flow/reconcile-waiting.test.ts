// A Job that waits for its node, beside a Terrakube that gives up a job in its queue after a minute without a change.
import { describe, expect, test } from 'vitest';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { ids, kubernetesJob, terrakubeJob } from '../support/builders.ts';
import { running } from '../support/observe-world.ts';
import { every, podFor, runJobController, sweepQueue } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';
import type { Around } from '../support/tap.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const NO_NODE = {
  phase: 'Pending',
  conditions: [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/3 nodes are available: 3 Insufficient cpu.',
    },
  ],
};

/** A wait, and what Terrakube saw of it. */
interface Wait {
  readonly world: ReconcileWorld;
  /** When the comments were changed, in milliseconds since the Job was created. */
  readonly pings: readonly number[];
  readonly swept: readonly string[];
}

/** Runs begin every minute; the container starts after this time, and its executor speaks ten seconds later. */
async function wait(
  startsAfterMs: number,
  keepAlive: boolean,
  latency?: (world: ReconcileWorld) => Around,
): Promise<Wait> {
  const world = createReconcileWorld({
    jobs: [kubernetesJob()],
    pods: [podFor({ nodeName: '', status: NO_NODE })],
    terrakube: [[ids(), terrakubeJob()]],
    settings: { keepAlive },
  });
  const { clock, terrakube, store, cluster } = world;
  const createdAt = clock.now();
  const pings: number[] = [];
  const swept = sweepQueue(world, [ids()]);
  runJobController(world);
  let before = terrakube.job(ids())?.comments;
  every(clock, 100, () => {
    const now = terrakube.job(ids())?.comments;
    if (now !== before) pings.push(clock.now() - createdAt);
    before = now;
  });
  clock.at(startsAfterMs, () => {
    if (terrakube.job(ids())?.status !== 'queue') return;
    store.put({ ...kubernetesJob(), status: { active: 1, ready: 1 } });
    cluster.putPod(podFor({ status: running(startsAfterMs) }));
    clock.at(10 * SECOND, () => {
      terrakube.changeStep(ids(), { status: 'running', output: 'https://log' });
      terrakube.changeJob(ids(), { status: 'running' });
    });
  });
  const around = latency?.(world);
  for (let minute = 0; minute < 6; minute += 1) {
    void world.begin(world.sandbox(around));
    await clock.pass(MINUTE);
  }
  return { world, pings, swept };
}

/** Times between one ping and the next, the first from the Job's creation. */
const gaps = (pings: readonly number[]): readonly number[] => pings.map((at, index) => at - (pings[index - 1] ?? 0));

/** Each way of a call takes up to 300 ms, by numbers that follow from a seed. */
const slow =
  (seed: number) =>
  ({ clock }: ReconcileWorld): Around => {
    let state = seed;
    const latency = () => {
      state = (state * 16_807) % 2_147_483_647;
      return durationMs((state / 2_147_483_647) * 300);
    };
    return async (_, call) => {
      await clock.sleep(latency());
      const answer = await call();
      await clock.sleep(latency());
      return answer;
    };
  };

const FOUR_MINUTES = 4 * MINUTE;

describe('a pod that waits four minutes for its node', () => {
  test('is kept alive, over all runs, until its container starts', async () => {
    const { world, pings, swept } = await wait(FOUR_MINUTES, true);
    expect(swept).toEqual([]);
    expect(Math.min(...gaps(pings))).toBeGreaterThanOrEqual(15 * SECOND);
    expect(Math.max(...gaps(pings))).toBeLessThanOrEqual(25 * SECOND);
    expect(pings.filter((at) => at > FOUR_MINUTES + 3 * SECOND)).toEqual([]);
    expect(world.terrakube.job(ids())?.status).toBe('running');
    expect(world.terrakube.everyLine).toEqual([
      'terrakube-dispatcher: waiting: no node fits: 0/3 nodes are available: 3 Insufficient cpu.',
    ]);
  });

  test('is kept alive when every call takes its time', { timeout: 30_000 }, async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const { pings, swept } = await wait(FOUR_MINUTES, true, slow(seed));
      expect({ seed, swept }).toEqual({ seed, swept: [] });
      expect(Math.min(...gaps(pings)), `seed ${seed}`).toBeGreaterThanOrEqual(15 * SECOND);
      expect(Math.max(...gaps(pings)), `seed ${seed}`).toBeLessThanOrEqual(28 * SECOND);
      expect(pings.filter((at) => at > FOUR_MINUTES + 5 * SECOND)).toEqual([]);
    }
  });

  test('is swept without KeepAlive: its Job is stopped, and the name of its step says why', async () => {
    const { world, pings, swept } = await wait(FOUR_MINUTES, false);
    expect({ pings, swept }).toEqual({ pings: [], swept: [ids().jobId] });
    const [job] = world.store.allJobs();
    expect(job && readVerdict(job)).toMatchObject({ action: 'quiet', cause: 'swept' });
    expect(world.writes.filter((write) => write === 'stopJob')).toHaveLength(1);
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'failed',
      steps: [
        { status: 'failed', output: null, name: expect.stringContaining("failed by Terrakube's heartbeat check") },
      ],
    });
  });
});

test('a container that starts just before the next ping is due is given one more, within three seconds', async () => {
  const { pings, swept } = await wait(39 * SECOND, true);
  expect(swept).toEqual([]);
  expect(pings.filter((at) => at > 39 * SECOND)).toEqual([expect.closeTo(40 * SECOND, -4)]);
});

test('a container that starts while two runs watch is not pinged by both', { timeout: 30_000 }, async () => {
  // A ping is due just when the container starts: each of these was pinged twice by runs that answer the change.
  for (const start of [82.8, 83, 83.2, 83.9]) {
    const { pings } = await wait(start * SECOND, true, slow(Math.round(start * 10)));
    expect(Math.min(...gaps(pings)), `${start} s`).toBeGreaterThanOrEqual(15 * SECOND);
  }
});

test('a container that has run for more than three seconds is not pinged any more', async () => {
  const { pings } = await wait(36 * SECOND, true);
  expect(pings.filter((at) => at > 36 * SECOND)).toEqual([]);
});

test('a container that starts at once is never pinged', async () => {
  const { pings, swept } = await wait(5 * SECOND, true);
  expect({ pings, swept }).toEqual({ pings: [], swept: [] });
});
