// Several Jobs by one event: each is looked at, a few at a time, and what is logged about them is ids.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { errorFields } from '../../lib/door.ts';
import { observeAll } from '../../lib/flows/observe-all.ts';
import { INSTALLATION, ids, kubernetesJob, PAYLOAD_SECRETS, terrakubeJob } from '../support/builders.ts';
import { createInMemoryLog, type InMemoryLog } from '../support/in-memory-log.ts';
import { createInMemoryMetrics } from '../support/in-memory-metrics.ts';
import { leaksIn } from '../support/leaks.ts';
import { executing } from '../support/observe-scenes.ts';
import { createObserveWorld, podOf, running } from '../support/observe-world.ts';
import type { Around } from '../support/tap.ts';

const of = (number: number) => ids({ jobId: String(number) });
const nameOf = (number: number): string => jobName(of(number), INSTALLATION, 1);
const numbers = Array.from({ length: 25 }, (_, index) => 100 + index);

/** A world of many Jobs, all of which have just been created. */
function createCrowd(around?: Around) {
  const world = createObserveWorld({ job: null, terrakube: null, ...(around ? { around } : {}) });
  const asked: string[] = [];
  for (const number of numbers) {
    world.store.put(kubernetesJob({ of: of(number) }));
    world.terrakube.put(of(number), terrakubeJob());
  }
  const { cluster } = world.deps;
  const getJob = (name: string) => {
    asked.push(name);
    return cluster.getJob(name);
  };
  const log: InMemoryLog = createInMemoryLog();
  const metrics = createInMemoryMetrics();
  return {
    deps: { ...world.deps, cluster: { ...cluster, getJob }, log, metrics, errorFields },
    asked,
    log,
    metrics,
    world,
  };
}

const doorbells = numbers.map((number) => ({ jobName: nameOf(number) }));

describe('all Jobs of an event', () => {
  test('are looked at, each once', async () => {
    const { deps, asked, log } = createCrowd();
    expect(await observeAll(deps, doorbells)).toBe(0);
    expect(asked.toSorted()).toEqual(numbers.map(nameOf).toSorted());
    expect(log.lines.map(({ jobName: name }) => name).toSorted()).toEqual(numbers.map(nameOf).toSorted());
  });

  test('are looked at with no right to pods and Events, too, and that is said once', async () => {
    const { deps, log } = createCrowd();
    const forbidden = async () => 'forbidden' as const;
    const cluster = { ...deps.cluster, listPods: forbidden, listEvents: forbidden };
    const unread = new Set<string>();
    expect(await observeAll({ ...deps, cluster, unread }, doorbells)).toBe(0);
    expect(await observeAll({ ...deps, cluster, unread }, doorbells)).toBe(0);
    const message = 'not all may be listed: causes come from what is left';
    expect(log.lines.filter(({ level }) => level !== 'info')).toEqual([
      { level: 'warn', message, reason: 'pods' },
      { level: 'warn', message, reason: 'events' },
    ]);
  });

  test('are looked at ten at a time', async () => {
    let [open, most] = [0, 0];
    const { deps } = createCrowd(async (method, call) => {
      if (method !== 'getJob') return call();
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      return call();
    });
    await observeAll(deps, doorbells);
    expect(most).toBe(10);
  });

  test('are looked at, too, when some of them fail, in whatever way', async () => {
    let calls = 0;
    const { deps, asked, log } = createCrowd(async (method, call) => {
      if (method !== 'listPods') return call();
      calls += 1;
      if (calls % 5 === 0) throw new DispatcherError('clusterUnavailable', 'The Kubernetes API gave no answer.');
      if (calls % 7 === 0) throw new TypeError(`cannot read ${PAYLOAD_SECRETS.join()}`);
      return call();
    });
    const failed = await observeAll(deps, doorbells);
    expect(failed).toBe(5 + 3);
    expect(asked).toHaveLength(numbers.length);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(failed);
    expect(log.lines.filter(({ code }) => code === 'unexpected')).toHaveLength(3);
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });

  test('may be none', async () => {
    const { deps, log } = createCrowd();
    expect([await observeAll(deps, []), log.lines]).toEqual([0, []]);
  });
});

describe('a line of the log', () => {
  test('says which Job, which step, which row and what was done', async () => {
    const { deps, log, world } = createCrowd();
    world.cluster.putPod(podOf({ of: of(100), status: running() }));
    world.terrakube.put(of(100), executing());
    await observeAll(deps, doorbells.slice(0, 1));
    expect(log.lines).toEqual([
      {
        level: 'info',
        message: 'job observed',
        jobName: nameOf(100),
        terrakubeJobId: '100',
        stepId: ids().stepId,
        outcome: 'running',
        reason: 'row 26: leave, none',
        durationMs: 0,
      },
    ]);
  });

  test('of an error says which Job and which error', async () => {
    const { deps, log, world } = createCrowd();
    const fault = new DispatcherError('terrakubeRefused', 'Terrakube answered 401 to GET /job.', { status: 401 });
    const terrakube = { ...world.terrakube, getJob: () => Promise.reject(fault) };
    expect(await observeAll({ ...deps, terrakube }, doorbells.slice(0, 1))).toBe(1);
    expect(log.lines).toEqual([
      {
        level: 'error',
        message: 'job not observed',
        jobName: nameOf(100),
        code: 'terrakubeRefused',
        reason: fault.message,
        status: 401,
      },
    ]);
  });

  test('only warns of a Job that others change at each look', async () => {
    const { deps, log, world } = createCrowd();
    const cluster = { ...world.cluster, stopJob: async () => 'conflict' as const };
    world.terrakube.put(of(100), { ...executing(), status: 'cancelled' });
    expect(await observeAll({ ...deps, cluster }, doorbells.slice(0, 1))).toBe(1);
    expect(log.lines).toMatchObject([{ level: 'warn', message: 'job not observed', code: 'jobChanging' }]);
  });
});
