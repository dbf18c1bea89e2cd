// What observing one Job does about each verdict: the one action, in its order, once.
import { describe, expect, test } from 'vitest';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { isoTime } from '../../lib/domain/time.ts';
import { carryOut } from '../../lib/flows/carry-out.ts';
import { lookAtJob } from '../../lib/flows/look-at-job.ts';
import { ids, laterStep, NOON, reason, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import { FIRST_JOB } from '../support/observe-doors.ts';
import { cancelled, executing, startedJob, told } from '../support/observe-scenes.ts';
import {
  createObserveWorld,
  endedJob,
  type ObserveWorld,
  podOf,
  running,
  terminated,
} from '../support/observe-world.ts';

const APPLY = ids({ type: 'terraformApply' });
const annotation = ({ store }: ObserveWorld, key: string) =>
  store.allJobs()[0]?.metadata?.annotations?.[`terrakube.io/${key}`];
const stepOf = (world: ObserveWorld) => world.terrakube.job(ids())?.steps[0];
const outputOf = (world: ObserveWorld) => decodeURIComponent(stepOf(world)?.output ?? '');

describe('leave', () => {
  test('does nothing about an executor that is at work', async () => {
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() })],
      terrakube: executing(),
    });
    world.clock.advance(60_000);
    expect(await world.observe()).toEqual({
      row: 26,
      action: 'leave',
      deed: 'none',
      outcome: 'running',
      terrakubeJobId: '17',
      stepId: ids().stepId,
    });
    expect([world.writes, world.clock.sleeps]).toEqual([[], []]);
  });

  test('says once in the log of the run why a cancelled apply goes on', async () => {
    const world = createObserveWorld({
      ids: APPLY,
      job: startedJob({ of: APPLY }),
      pods: [podOf({ of: APPLY, status: running() })],
      terrakube: cancelled('https://log'),
    });
    for (let looks = 0; looks < 3; looks += 1) {
      world.clock.advance(60_000);
      expect(await world.observe()).toMatchObject({ row: 23, action: 'leave' });
    }
    expect(world.writes).toEqual(['annotateJob', 'appendLog']);
    expect(world.terrakube.everyLine).toEqual([annotation(world, 'said')]);
    expect(annotation(world, 'said')).toContain('left to end by itself');
    expect(annotation(world, 'verdict')).toBeUndefined();
  });

  test('does not wait for a report about a step that has been reported', async () => {
    const done = terrakubeJob({ status: 'completed', steps: [step({ status: 'completed', output: 'https://log' })] });
    const world = createObserveWorld({ job: endedJob({ ended: 'Complete' }, 1000), terrakube: done });
    world.clock.advance(1000);
    expect(await world.observe()).toMatchObject({ row: 37, deed: 'none' });
    expect([world.writes, world.clock.sleeps]).toEqual([[], []]);
  });
});

describe('stop', () => {
  test('records the verdict, deletes the pod and then says so in the log of the run', async () => {
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() })],
      terrakube: cancelled(null),
    });
    world.clock.advance(8000);
    expect(await world.observe()).toMatchObject({ row: 22, action: 'stop', deed: 'done' });
    expect(world.writes).toEqual(['stopJob', 'deletePod', 'appendLog']);
    const [job = {}] = world.store.allJobs();
    expect(job.spec?.activeDeadlineSeconds).toBe(1);
    expect(readVerdict(job)).toMatchObject({ action: 'cancel', cause: 'cancelled', at: isoTime(world.clock.now()) });
    expect(world.cluster.deletedPods).toEqual([{ name: 'pod-1', gracePeriodSeconds: 1 }]);
    expect(world.terrakube.everyLine).toEqual([expect.stringMatching(/^terrakube-dispatcher: /)]);
    expect(world.terrakube.everyLine[0]?.match(/terrakube-dispatcher/g)).toHaveLength(1);
  });

  test('deletes no pod that only looks like one of the Job', async () => {
    const stranger = podOf({ name: 'stranger', status: running() });
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() }), { ...stranger, metadata: { ...stranger.metadata, ownerReferences: [] } }],
      terrakube: cancelled(null),
    });
    await world.observe();
    expect(world.cluster.deletedPods.map(({ name }) => name)).toEqual(['pod-1']);
  });

  test('leaves the pod its grace period when its executor has spoken', async () => {
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() })],
      terrakube: cancelled('https://log'),
    });
    expect(await world.observe()).toMatchObject({ row: 23, action: 'stop', deed: 'done' });
    expect(world.writes).toEqual(['stopJob', 'appendLog']);
  });

  test('is an error that is tried again when the role may not patch Jobs', async () => {
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() })],
      terrakube: cancelled(null),
      around: async (method, call) => (method === 'stopJob' ? 'forbidden' : call()),
    });
    await expect(world.observe()).rejects.toMatchObject({ code: 'clusterRefused', retryable: true });
    expect(world.writes).toEqual(['stopJob']);
  });

  test('of a Job that is gone by then does nothing', async () => {
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() })],
      terrakube: cancelled(null),
      around: async (method, call) => {
        if (method === 'stopJob') world.store.remove(FIRST_JOB);
        return call();
      },
    });
    expect(await world.observe()).toMatchObject({ action: 'stop', deed: 'none' });
    expect([world.cluster.deletedPods, world.terrakube.everyLine]).toEqual([[], []]);
  });
});

describe('fail and tell', () => {
  test('two doors at once write each line of the log once', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing(),
    });
    world.clock.advance(60_000);
    // A hundred times as fast as in the world, and in its order.
    const sleep = (duration: number) => new Promise<void>((resolve) => setTimeout(resolve, duration / 100));
    Object.assign(world.deps, { clock: { ...world.deps.clock, sleep } });
    await Promise.all([world.observe(), world.observe(), world.observe()]);
    expect(world.terrakube.everyLine).toHaveLength(3);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  });

  test('a door that was killed right after it had said that it would tell is followed by another', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing(),
      around: async (method, call) => {
        if (method === 'appendLog' && world.terrakube.everyLine.length === 0 && world.clock.sleeps.length === 0) {
          throw new Error('killed');
        }
        return call();
      },
    });
    world.clock.advance(60_000);
    await expect(world.observe()).rejects.toThrow('killed');
    await world.observe();
    expect(world.clock.sleeps).toEqual([4000, 2000]);
    expect(world.terrakube.everyLine).toHaveLength(3);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  });

  test('a step whose container ran out of memory is failed with the reason, then its job', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing(),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 34, deed: 'done', outcome: 'failed: outOfMemory' });
    expect(world.writes).toEqual(['annotateJob', 'appendLog', 'patchStep', 'patchJob']);
    expect(stepOf(world)).toMatchObject({ status: 'failed', name: expect.stringContaining('out of memory') });
    expect(outputOf(world)).toContain('out of memory');
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', output: expect.stringContaining('memory') });
    expect(world.terrakube.everyLine).toHaveLength(3);
  });

  test('half a tell is finished with the words that stand in the step', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict({ title: 'other words' }) }),
      terrakube: told('running'),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 13, action: 'tell', deed: 'done' });
    expect(world.writes).toEqual(['patchJob']);
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'failed',
      output: failureTexts(reason(), step()).jobOutput,
      steps: told('running').steps,
    });
  });

  test('a recorded verdict is told to step and job, in its own words', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict({ title: 'image x:1 cannot be pulled' }) }),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 13, deed: 'done' });
    expect(world.writes).toEqual(['annotateJob', 'appendLog', 'patchStep', 'patchJob']);
    expect(stepOf(world)?.name).toBe('Terraform Plan: image x:1 cannot be pulled');
  });

  test('under a job that has ended only the step is written, and no log that nobody could read', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict() }),
      terrakube: terrakubeJob({ status: 'failed' }),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 13, action: 'tell', deed: 'done' });
    expect([world.writes, world.clock.sleeps]).toEqual([['annotateJob', 'patchStep'], []]);
    expect(outputOf(world)).toContain('the Job was refused');
  });

  test('a step that was reported between the look and the tell keeps its result', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing(),
      around: async (method, call) => {
        const answer = await call();
        if (method === 'appendLog') {
          world.terrakube.changeStep(ids(), { status: 'completed' });
          world.terrakube.changeJob(ids(), { status: 'completed' });
        }
        return answer;
      },
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 34, deed: 'none' });
    expect(world.writes).toEqual(['annotateJob', 'appendLog']);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'completed', steps: [{ status: 'completed' }] });
  });
});

test('a Terrakube that loses a write is written to once in each look', async () => {
  const world = createObserveWorld({
    job: endedJob({ ended: 'Failed' }),
    pods: [podOf({ status: terminated('OOMKilled', 137) })],
    terrakube: executing(),
    around: async (method, call) => (method === 'patchStep' ? undefined : call()),
  });
  world.clock.advance(61_000);
  await world.observe();
  expect(world.writes).toEqual(['annotateJob', 'appendLog', 'patchStep']);
});

describe('patchJob, patchStep and annotate', () => {
  test('a job without a step to run is cancelled when ours was', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      terrakube: terrakubeJob({ status: 'queue', steps: [step({ status: 'cancelled' })] }),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 28, action: 'patchJob', deed: 'done' });
    expect(world.writes).toEqual(['annotateJob', 'patchJob']);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'cancelled', output: null });
  });

  test('a job whose steps were made anew, and have all ended, is failed with a reason', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Complete' }),
      terrakube: terrakubeJob({ status: 'running', steps: [laterStep({ status: 'completed' })] }),
    });
    world.clock.advance(200_000);
    const first = await lookAtJob(world.deps, FIRST_JOB);
    const look = await lookAtJob(world.deps, FIRST_JOB, undefined, first && { ...first, unchangedSince: NOON });
    expect(look?.verdict).toMatchObject({ row: 28, action: { kind: 'patchJob', status: 'failed' } });
    expect(look && (await carryOut(world.deps, look))).toBe('done');
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'failed',
      output: expect.stringContaining('no step left to run'),
      steps: [{ name: 'Terraform Apply', status: 'completed', output: null }],
    });
  });

  test.each([
    ['that has just ended', 61_000],
    ['that ended long ago', 900_000],
  ])('a step left running under an ended job, by a Job %s, is closed after ten seconds', async (_, afterMs) => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing('failed'),
    });
    world.clock.advance(afterMs);
    expect(await world.observe()).toMatchObject({ row: 35, action: 'patchStep', deed: 'done' });
    expect([world.writes, world.clock.sleeps]).toEqual([['annotateJob', 'patchStep'], [10_000]]);
    expect(stepOf(world)).toMatchObject({ status: 'failed', name: expect.stringContaining('out of memory') });
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', output: null });
  });

  test('the name of a step that failed without its cause gets it once, and nothing else', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [
        podOf({ status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' } }),
      ],
      terrakube: terrakubeJob({ status: 'failed', steps: [step({ status: 'failed', output: 'https://log' })] }),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 36, action: 'annotate', deed: 'done' });
    expect(await world.observe()).toMatchObject({ action: 'leave', deed: 'none' });
    expect(world.writes).toEqual(['annotateJob', 'patchStep']);
    expect(stepOf(world)).toEqual(
      step({ status: 'failed', output: 'https://log', name: expect.stringMatching(/^Terraform Plan: .*evicted.*\)$/) }),
    );
  });
});
