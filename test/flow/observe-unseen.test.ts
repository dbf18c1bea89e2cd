// What observing one Job does when there is little to see: no Job, not ours, no right to look, no Terrakube, or only the last
// document of a Job that is gone.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { ids, kubernetesJob, NOON, recordedVerdict } from '../support/builders.ts';
import { FIRST_JOB } from '../support/observe-doors.ts';
import { cancelled, executing, startedJob, suspendedJob } from '../support/observe-scenes.ts';
import {
  createObserveWorld,
  endedJob,
  type ObserveWorld,
  podOf,
  running,
  terminated,
} from '../support/observe-world.ts';

const stepOf = (world: ObserveWorld) => world.terrakube.job(ids())?.steps[0];
const outputOf = (world: ObserveWorld) => decodeURIComponent(stepOf(world)?.output ?? '');

describe('what is none of ours', () => {
  test('a name without a Job is asked for once', async () => {
    const calls: string[] = [];
    const world = createObserveWorld({
      job: null,
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    expect(await world.observe(undefined, 'job-17-somebody')).toEqual({
      row: 0,
      action: 'leave',
      deed: 'none',
      outcome: 'missing',
    });
    expect(calls).toEqual(['getJob']);
  });

  test.each([
    ['a Job of another installation', kubernetesJob({ installation: 'ffffffff' })],
    ['a Job without our labels', { ...kubernetesJob(), metadata: { name: FIRST_JOB } }],
    [
      'a Job whose labels name no step',
      { ...kubernetesJob(), metadata: { ...kubernetesJob().metadata, labels: { a: 'b' } } },
    ],
  ])('%s is not looked at any further', async (_, job) => {
    const calls: string[] = [];
    const world = createObserveWorld({
      job,
      terrakube: cancelled(null),
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    const seen = await world.observe(undefined, job.metadata?.name ?? '');
    expect([seen.row, calls]).toEqual([0, ['getJob']]);
  });

  test('nor is the last document of one', async () => {
    const world = createObserveWorld({ job: null, terrakube: executing() });
    const foreign = kubernetesJob({ installation: 'ffffffff' });
    expect(await world.observe(foreign)).toMatchObject({ row: 0 });
    expect(world.writes).toEqual([]);
  });

  test("nor a last document of our own when the name is now another installation's", async () => {
    const foreign = kubernetesJob({ installation: 'ffffffff' });
    const job = { ...foreign, metadata: { ...foreign.metadata, name: FIRST_JOB } };
    const world = createObserveWorld({ job, terrakube: executing() });
    expect(await world.observe(kubernetesJob())).toMatchObject({ row: 0 });
    expect(world.writes).toEqual([]);
  });
});

describe("with no more than Terrakube's own role", () => {
  const blind = (world: ObserveWorld) => {
    const forbidden = async () => 'forbidden' as const;
    Object.assign(world.deps, { cluster: { ...world.deps.cluster, listPods: forbidden, listEvents: forbidden } });
    return world;
  };

  test('the cause comes from the Job alone', async () => {
    const world = blind(
      createObserveWorld({
        job: endedJob({ ended: 'Failed' }),
        pods: [podOf({ status: terminated('OOMKilled', 137) })],
        terrakube: executing(),
      }),
    );
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 34, deed: 'done' });
    expect(outputOf(world)).toContain('BackoffLimitExceeded');
    expect(outputOf(world)).not.toContain('memory');
  });

  test('an executor that runs is seen, and one that boots under a cancelled job is stopped without its pod', async () => {
    const world = blind(createObserveWorld({ job: startedJob(), terrakube: cancelled(null) }));
    expect(await world.observe()).toMatchObject({ row: 22, outcome: 'running', deed: 'done' });
    expect(world.writes).toEqual(['stopJob', 'appendLog']);
  });
});

describe('Terrakube cannot be read', () => {
  test('nothing is done, and the error is the one that the client gave', async () => {
    const fault = new DispatcherError('terrakubeRefused', 'Terrakube answered 401 to GET /job.', { status: 401 });
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      around: async (_, call) => call(),
    });
    const getJob = () => Promise.reject(fault);
    Object.assign(world.deps, { terrakube: { ...world.terrakube, getJob } });
    world.clock.advance(61_000);
    await expect(world.observe()).rejects.toBe(fault);
    expect(fault.retryable).toBe(true);
    expect([world.writes, world.clock.sleeps]).toEqual([[], []]);
  });
});

describe('the last document of a Job that is gone', () => {
  test('with an end says what its rows say', async () => {
    const world = createObserveWorld({ job: null, terrakube: executing() });
    world.clock.advance(61_000);
    expect(await world.observe(endedJob({ ended: 'Failed' }))).toMatchObject({ row: 3, deed: 'done' });
    expect(outputOf(world)).toContain('BackoffLimitExceeded');
  });

  test('that went at once is looked at again when a report must have come', async () => {
    const world = createObserveWorld({ job: null, terrakube: executing() });
    world.clock.advance(61_000);
    expect(await world.observe(endedJob({ ended: 'Complete' }))).toMatchObject({
      row: 3,
      action: 'fail',
      deed: 'done',
    });
    expect(world.clock.sleeps).toEqual([10_000, 2000]);
    expect(outputOf(world)).toContain('without reporting its result');
  });

  test('that says only whose it was waits for a door that knows more', async () => {
    const world = createObserveWorld({ job: null, terrakube: executing() });
    const { status: _, ...trace } = kubernetesJob();
    expect(await world.observe(trace)).toMatchObject({ row: 3, action: 'fail', deed: 'done' });
    expect(world.clock.sleeps).toEqual([15_000, 2000]);
    expect(outputOf(world)).toContain('deleted');

    const other = createObserveWorld({
      job: null,
      terrakube: executing(),
      around: async (_method, call) => {
        // Another door tells the real cause meanwhile.
        if (other.clock.sleeps.length > 0) other.terrakube.changeJob(ids(), { status: 'failed' });
        if (other.clock.sleeps.length > 0) other.terrakube.changeStep(ids(), { status: 'failed', output: 'told' });
        return call();
      },
    });
    expect(await other.observe(trace)).toMatchObject({ action: 'leave' });
    expect(other.writes).toEqual([]);
  });

  test('of a restart is told, since there is no Job to claim', async () => {
    const world = createObserveWorld({ job: null });
    const final = endedJob({ ended: 'Failed', verdict: recordedVerdict({ action: 'restart', cause: 'imagePull' }) });
    const never = { ...final, status: { ...final.status, failed: 0 } };
    world.clock.advance(61_000);
    expect(await world.observe(never)).toMatchObject({ row: 3, action: 'fail', deed: 'done' });
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  });

  test('does not count while the Job is there', async () => {
    const world = createObserveWorld({
      job: startedJob(),
      pods: [podOf({ status: running() })],
      terrakube: executing(),
    });
    expect(await world.observe(endedJob({ ended: 'Failed' }))).toMatchObject({ row: 26 });
    expect(world.writes).toEqual([]);
  });

  test('of a suspended Job that we deleted says nothing', async () => {
    const world = createObserveWorld({ job: null });
    const final = { ...suspendedJob(), metadata: kubernetesJob({ verdict: recordedVerdict() }).metadata ?? {} };
    expect(await world.observe(final)).toMatchObject({ action: 'leave' });
    expect(world.writes).toEqual([]);
  });

  test('is told of again for fifteen seconds while Terrakube does not answer, and then the event must come again', async () => {
    const world = createObserveWorld({ job: null, terrakube: executing() });
    const getJob = () => Promise.reject(new DispatcherError('terrakubeUnavailable', 'no answer'));
    Object.assign(world.deps, { terrakube: { ...world.deps.terrakube, getJob } });
    await expect(world.observe(kubernetesJob())).rejects.toMatchObject({ code: 'terrakubeUnavailable' });
    expect(world.clock.sleeps).toEqual([1000, 2000, 4000, 8000]);
    expect(world.clock.now() - NOON).toBe(15_000);
  });
});
