// What observing one Job does about each verdict: the one action, in its order, once.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { isoTime } from '../../lib/domain/time.ts';
import { ids, kubernetesJob, NOON, reason, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import { FIRST_JOB } from '../support/observe-doors.ts';
import { cancelled, executing, startedJob, suspendedJob, told, waitingFor } from '../support/observe-scenes.ts';
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
  test('a step whose container ran out of memory is failed with the reason, then its job', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing(),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 34, deed: 'done', outcome: 'failed: outOfMemory' });
    expect(world.writes).toEqual(['appendLog', 'patchStep', 'patchJob']);
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
    expect(world.writes).toEqual(['appendLog', 'patchStep', 'patchJob']);
    expect(stepOf(world)?.name).toBe('Terraform Plan: image x:1 cannot be pulled');
  });

  test('under a job that has ended only the step is written, and no log that nobody could read', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict() }),
      terrakube: terrakubeJob({ status: 'failed' }),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 13, action: 'tell', deed: 'done' });
    expect([world.writes, world.clock.sleeps]).toEqual([['patchStep'], []]);
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
    expect(world.writes).toEqual(['appendLog']);
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
  expect(world.writes).toEqual(['appendLog', 'patchStep']);
});

describe('patchJob, patchStep and annotate', () => {
  test('a job without a step to run is cancelled when ours was', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      terrakube: terrakubeJob({ status: 'queue', steps: [step({ status: 'cancelled' })] }),
    });
    world.clock.advance(61_000);
    expect(await world.observe()).toMatchObject({ row: 28, action: 'patchJob', deed: 'done' });
    expect(world.writes).toEqual(['patchJob']);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'cancelled', output: null });
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
    expect([world.writes, world.clock.sleeps]).toEqual([['patchStep'], [10_000]]);
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
    expect(world.writes).toEqual(['patchStep']);
    expect(stepOf(world)).toEqual(
      step({ status: 'failed', output: 'https://log', name: expect.stringMatching(/^Terraform Plan: .*evicted.*\)$/) }),
    );
  });
});

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
    expect(world.terrakube.everyLine).toEqual([first.said, second.said]);
    expect(world.writes).toEqual(['annotateJob', 'appendLog', 'annotateJob', 'appendLog']);
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

  test('a job in the queue is kept alive every 30 seconds while its Job waits', async () => {
    const world = createObserveWorld({ pods: [podOf({ status: waitingFor('ContainerCreating', '') })] });
    const comments: (string | null | undefined)[] = [];
    for (const ms of [10_000, 20_000, 20_000, 20_000]) {
      world.clock.advance(ms);
      expect(await world.observe()).toMatchObject({ row: 21, action: 'keepAlive' });
      comments.push(world.terrakube.job(ids())?.comments);
    }
    expect(comments).toEqual([
      null,
      'waiting: the executor is starting, 30 s',
      'waiting: the executor is starting, 30 s',
      'waiting: the executor is starting, 70 s',
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
