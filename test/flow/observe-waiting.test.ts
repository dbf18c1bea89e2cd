// What observing one Job does while its executor has not started: the user reads why, once, and Terrakube does not give
// the job up; what never started may start again.
import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { ids, terrakubeJob } from '../support/builders.ts';
import { FIRST_JOB } from '../support/observe-doors.ts';
import { cancelled, suspendedJob, waitingFor } from '../support/observe-scenes.ts';
import { createObserveWorld, endedJob, type ObserveWorld, podOf } from '../support/observe-world.ts';

const annotation = ({ store }: ObserveWorld, key: string) =>
  store.allJobs()[0]?.metadata?.annotations?.[`terrakube.io/${key}`];

describe('explain and keepAlive', () => {
  test('one line for each change of cause, remembered at the Job', async () => {
    const world = createObserveWorld({
      pods: [podOf({ status: waitingFor('ImagePullBackOff', 'unauthorized') })],
      settings: { keepAlive: false },
    });
    const look = async () => {
      world.clock.advance(5000);
      const { row, action } = await world.observe();
      return { row, action, said: annotation(world, 'said') };
    };
    const first = await look();
    expect(first).toMatchObject({ row: 20, action: 'explain', said: expect.stringContaining('cannot be pulled') });
    expect(await look()).toEqual(first);
    expect(await look()).toEqual(first);
    world.cluster.putPod(podOf({ status: waitingFor('CreateContainerConfigError', 'secret "x" not found') }));
    const second = await look();
    expect(second.said).toContain('"x"');
    expect(await look()).toEqual(second);
    const said = [first.said, second.said];
    expect(world.terrakube.everyLine.map((line, at) => `${['imagePull', 'configMissing'][at]}: ${line}`)).toEqual(said);
    expect(world.writes).toEqual(['annotateJob', 'appendLog', 'annotateJob', 'appendLog']);
  });

  const unschedulable = (message: string): V1Pod['status'] => ({
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
  });

  test.each<readonly [string, readonly V1Pod['status'][]]>([
    [
      'a pull and its back-off, as older kubelets word it',
      [
        waitingFor('ErrImagePull', 'failed to resolve reference: unexpected status: 401 Unauthorized'),
        waitingFor('ImagePullBackOff', 'Back-off pulling image "azbuilder/executor:2.33.0"'),
        waitingFor('ErrImagePull', 'failed to resolve reference: unexpected status: 401 Unauthorized'),
      ],
    ],
    [
      'what a scheduler says while nodes come and go',
      [
        unschedulable('0/5 nodes are available: 5 Insufficient cpu.'),
        unschedulable('0/6 nodes are available: 1 node(s) had untolerated taint, 5 Insufficient cpu.'),
        unschedulable('0/5 nodes are available: 5 Insufficient cpu.'),
      ],
    ],
  ])('%s is one cause and one line', async (_, statuses) => {
    const world = createObserveWorld({ settings: { keepAlive: false } });
    for (const status of statuses) {
      world.cluster.putPod(podOf({ nodeName: status?.conditions ? '' : 'ip-10-0-0-7', status }));
      world.clock.advance(2000);
      expect(await world.observe()).toMatchObject({ row: 20, action: 'explain' });
    }
    expect(world.writes).toEqual(['annotateJob', 'appendLog']);
  });

  test('a line whose Job changes meanwhile is written after the next look, once', async () => {
    let isChanged = false;
    const world = createObserveWorld({
      pods: [podOf({ status: waitingFor('ImagePullBackOff', 'unauthorized') })],
      settings: { keepAlive: false },
      around: async (method, call) => {
        if (method === 'annotateJob' && !isChanged) {
          isChanged = true;
          const [job = {}] = world.store.allJobs();
          world.store.put(job);
        }
        return call();
      },
    });
    world.clock.advance(5000);
    expect(await world.observe()).toMatchObject({ row: 20, deed: 'done' });
    expect(world.writes).toEqual(['annotateJob', 'annotateJob', 'appendLog']);
  });

  test('a job in the queue is kept alive now and then while its Job waits', async () => {
    const world = createObserveWorld({ pods: [podOf({ status: waitingFor('ContainerCreating', '') })] });
    const comments: (string | null | undefined)[] = [];
    for (const ms of [15_000, 30_000, 10_000, 30_000]) {
      world.clock.advance(ms);
      expect(await world.observe()).toMatchObject({ row: 21, action: 'keepAlive' });
      comments.push(world.terrakube.job(ids())?.comments);
    }
    expect(comments).toEqual([
      null,
      'waiting: the executor is starting, 45 s',
      'waiting: the executor is starting, 45 s',
      'waiting: the executor is starting, 85 s',
    ]);
    expect(world.writes).toEqual(['patchJob', 'patchJob']);
  });

  test('a job that is explained is kept alive by the same look', async () => {
    const world = createObserveWorld({ pods: [podOf({ status: waitingFor('ImagePullBackOff', 'unauthorized') })] });
    world.clock.advance(40_000);
    await world.observe();
    expect(world.writes).toEqual(['annotateJob', 'appendLog', 'patchJob']);
  });
});

describe('restart', () => {
  test('is recorded here, and carried out by the reconciler only', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ nodeName: '', status: { phase: 'Failed', reason: 'OutOfcpu' } })],
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 33, action: 'restart', deed: 'done' });
    expect(world.store.allJobs().map(readVerdict)).toMatchObject([{ action: 'restart', cause: 'nodeRejected' }]);
    expect(await world.observe()).toMatchObject({ row: 10, action: 'restart', deed: 'none' });
    expect(world.writes).toEqual(['annotateJob']);
    expect(world.terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
    expect(world.store.allJobs()[0]?.spec?.activeDeadlineSeconds).toBe(21_000);
  });
});

describe('delete', () => {
  test('a suspended Job of a cancelled job is stopped, and deleted by its uid', async () => {
    const deleted: (readonly string[])[] = [];
    const world = createObserveWorld({ job: suspendedJob(), terrakube: cancelled(null) });
    const { cluster } = world.deps;
    const deleteJob = async (...of: readonly [string, string]) => {
      deleted.push(of);
      await cluster.deleteJob(...of);
    };
    Object.assign(world.deps, { cluster: { ...cluster, deleteJob } });
    expect(await world.observe()).toMatchObject({ action: 'delete', deed: 'done' });
    expect(deleted).toEqual([[FIRST_JOB, 'uid-of-start-1']]);
    expect(world.store.allJobs()).toEqual([]);
    expect(world.writes).toEqual(['stopJob', 'deleteJob']);
  });
});
