// What a run outlasts: calls that fail or never come back, faults of ours, and a machine that stood still.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { durationMs } from '../../lib/domain/time.ts';
import type { ReconcileDeps } from '../../lib/flows/reconcile.ts';
import { NOON } from '../support/builders.ts';
import { terminated } from '../support/observe-world.ts';
import type { ReconcileWorld } from '../support/reconcile-world.ts';
import type { Around } from '../support/tap.ts';
import {
  changed,
  executorPod,
  executors,
  failedJob,
  idsOf,
  looks,
  nameOf,
  runningJob,
} from '../support/watched-executors.ts';

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
  const lists = ['listLiveJobs', 'snapshotJobs', 'snapshotPods', 'listWarnings'];

  test.each(lists)('goes on when %s fails for twenty seconds', async (list) => {
    const fault = new DispatcherError('clusterUnavailable', 'no answer');
    const startsAt = 20_000;
    const world = outOfMemory(async (method, call) => {
      if (method === list && world.clock.now() < NOON + 20_000 + startsAt) throw fault;
      return call();
    });
    world.store.put(runningJob(idsOf(1)));
    expect(await world.run()).toEqual({ failed: 0 });
    expect(world.terrakube.job(idsOf(0))?.status).toBe('failed');
    expect(world.clock.now() - NOON).toBe(20_000 + 90_000);
  });

  test.each(lists)('fails when %s goes on to fail', async (list) => {
    const fault = new DispatcherError('terrakubeUnavailable', 'no answer');
    const world = executors(1, { around: async (method, call) => (method === list ? Promise.reject(fault) : call()) });
    const startedAt = world.clock.now();
    await expect(world.run()).rejects.toBe(fault);
    expect(world.clock.now() - startedAt).toBe(20_000);
  });

  test('fails at once when it is refused', async () => {
    const fault = new DispatcherError('clusterRefused', 'no right');
    const world = executors(1, {
      around: async (method, call) => (method === 'snapshotJobs' ? Promise.reject(fault) : call()),
    });
    const startedAt = world.clock.now();
    await expect(world.run()).rejects.toBe(fault);
    expect(world.clock.now()).toBe(startedAt);
  });

  test('whose lists never come ends with an error before its function is ended', async () => {
    const world = executors(1, { around: (method, call) => (method === 'snapshotJobs' ? NEVER : call()) });
    const startedAt = world.clock.now();
    await expect(world.run()).rejects.toThrow('The run took too long');
    expect(world.clock.now() - startedAt).toBe(114_000);
  });
});

describe('the dead letters', () => {
  const none = { answered: 0, removed: 0, unreadable: 0, failed: 0, waiting: 0 };

  test('are answered before a run ends that cannot read both worlds', async () => {
    const fault = new DispatcherError('clusterRefused', 'no right');
    const world = executors(1, {
      around: async (method, call) => (method === 'snapshotJobs' ? Promise.reject(fault) : call()),
    });
    let isAnswered = false;
    const answerLetters = async () => {
      await world.clock.sleep(durationMs(5000));
      isAnswered = true;
      return none;
    };
    await expect(world.run({ answerLetters })).rejects.toBe(fault);
    expect(isAnswered).toBe(true);
  });

  test('count as not answered until a run needs to say nothing about them', async () => {
    const world = executors(1);
    const answerLetters = async () => ({ answered: 1, removed: 10, unreadable: 100, failed: 2, waiting: 4 });
    expect(await world.run({ answerLetters })).toEqual({ failed: 2 });
    const [unanswered, unreadable] = ['InvariantDeadLetterNotAnswered', 'DeadLettersUnreadable'] as const;
    expect([world.metric(unanswered), world.metric(unreadable)]).toEqual([7, 100]);
  });

  test('that are under way when the run is over are told nothing any more', async () => {
    const world = executors(1);
    const answerLetters: ReconcileDeps['answerLetters'] = async ({ terrakube }) => {
      await world.clock.sleep(durationMs(130_000));
      await terrakube.patchStep(idsOf(0), { status: 'failed' });
      return none;
    };
    await expect(world.run({ answerLetters })).rejects.toThrow('The run took too long');
    await world.clock.pass(60_000);
    expect(world.terrakube.job(idsOf(0))?.steps[0]?.status).toBe('running');
    expect(world.log.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'dead letters not read' },
    ]);
  });
});
