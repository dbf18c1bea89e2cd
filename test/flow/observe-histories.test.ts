// Histories of observing that a simulation of the protocol found; their numbers only tell them apart. Without the rule that
// answers it, each of them ends with a step that nobody ends, one that runs twice, or one that is told a wrong reason.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { isLiveJob } from '../../lib/domain/terrakube-job.ts';
import { ids, kubernetesJob, laterStep, NOON, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import {
  createObserveWorld,
  endedJob,
  type ObserveWorld,
  podOf,
  running,
  terminated,
} from '../support/observe-world.ts';

const name = kubernetesJob().metadata?.name ?? '';
const EVICTED = {
  phase: 'Failed',
  reason: 'Evicted',
  message: 'Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ',
};
const stepOf = (world: ObserveWorld) => world.terrakube.job(ids())?.steps[0];
const executing = terrakubeJob({ status: 'running', steps: [step({ status: 'running', output: '' })] });
const RESTART = recordedVerdict({ action: 'restart', cause: 'imagePull' });

describe('history 2: the job still reads pending when its executor is lost', () => {
  test('the job is failed first, so that Terrakube does not send its next step', async () => {
    const seen: string[] = [];
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: EVICTED })],
      terrakube: terrakubeJob({ status: 'pending', steps: [step({ status: 'running' }), laterStep()] }),
      around: async (method, call) => {
        const answer = await call();
        if (method.startsWith('patch')) seen.push(`${method}: job ${world.terrakube.job(ids())?.status}`);
        return answer;
      },
    });
    world.clock.advance(60_000);
    await world.observe();
    expect(seen[0]).toBe('patchJob: job failed');
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }, {}] });
    expect(world.clock.sleeps).toEqual([]);
  });

  test('a job in the queue is failed last, two seconds after its step', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: EVICTED })],
      terrakube: executing,
    });
    world.clock.advance(60_000);
    await world.observe();
    expect(world.writes).toEqual(['annotateJob', 'appendLog', 'patchStep', 'patchJob']);
    expect(world.clock.sleeps).toEqual([2000]);
    expect(stepOf(world)?.name).toContain('evicted');
  });
});

describe('history 3: a stop for a restart hits a container that has just started', () => {
  test('a step that has begun to run is failed, not started again', async () => {
    const of = ids({ type: 'terraformApply' });
    const world = createObserveWorld({
      ids: of,
      job: endedJob({ of, ended: 'Failed', verdict: RESTART }),
      pods: [podOf({ of, status: terminated('Error', 143) })],
      terrakube: executing,
    });
    world.clock.advance(60_000);
    const seen = await world.observe();
    expect(seen).toMatchObject({ row: 11, deed: 'done' });
    expect(world.terrakube.job(of)).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
    expect(decodeURIComponent(world.terrakube.job(of)?.steps[0]?.output ?? '')).toMatch(/state/i);
  });
});

describe('history 4: a pod is bound to a node and its payload is too old', () => {
  test('nobody knows whether it has started, so it is stopped for good', async () => {
    const world = createObserveWorld({
      job: { ...kubernetesJob(), status: { active: 1, ready: 0, startTime: new Date(NOON) } },
      pods: [
        podOf({
          status: {
            phase: 'Pending',
            containerStatuses: [
              {
                name: 'executor',
                image: '',
                imageID: '',
                ready: false,
                restartCount: 0,
                state: { waiting: { reason: 'ContainerCreating' } },
              },
            ],
          },
        }),
      ],
    });
    world.clock.advance(1_600_000);
    const seen = await world.observe();
    expect(seen).toMatchObject({ action: 'stop', deed: 'done' });
    expect(world.store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/verdict']).toContain('"action":"fail"');
  });
});

describe('history 10: a user cancels while the executor still boots', () => {
  test('the executor has not spoken: the Job is stopped and its pod gets one second', async () => {
    const world = createObserveWorld({
      job: { ...kubernetesJob({ of: ids() }), status: { active: 1, ready: 1 } },
      pods: [podOf({ status: running() })],
      terrakube: terrakubeJob({ status: 'cancelled', steps: [step({ status: 'cancelled', output: null })] }),
    });
    world.clock.advance(10_000);
    await world.observe();
    expect(world.store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/verdict']).toContain('"action":"cancel"');
    expect(world.cluster.deletedPods).toEqual([{ name: 'pod-1', gracePeriodSeconds: 1 }]);
  });

  test('a job that came back to life all the same is cancelled again', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict({ action: 'cancel', cause: 'exit' }) }),
      terrakube: executing,
    });
    world.clock.advance(90_000);
    expect(await world.observe()).toMatchObject({ row: 12, deed: 'done' });
    expect(world.terrakube.job(ids())?.status).toBe('cancelled');
  });
});

describe('history 11: the kubelet changes the Job while it is being stopped', () => {
  const cancelled = terrakubeJob({ status: 'cancelled', steps: [step({ status: 'cancelled', output: null })] });

  test('the next look follows at once', async () => {
    let conflicts = 2;
    const world = createObserveWorld({
      job: { ...kubernetesJob(), status: { active: 1, ready: 1 } },
      pods: [podOf({ status: running() })],
      terrakube: cancelled,
      around: async (method, call) => {
        if (method !== 'stopJob' || conflicts === 0) return call();
        conflicts -= 1;
        return 'conflict';
      },
    });
    expect(await world.observe()).toMatchObject({ action: 'stop', deed: 'done' });
    expect(world.writes.filter((method) => method === 'stopJob')).toHaveLength(3);
    expect(world.clock.sleeps).toEqual([]);
  });

  test('a Job that never holds still is an error, so that the event comes again', async () => {
    const world = createObserveWorld({
      job: { ...kubernetesJob(), status: { active: 1, ready: 1 } },
      pods: [podOf({ status: running() })],
      terrakube: cancelled,
      around: async (method, call) => (method === 'stopJob' ? 'conflict' : call()),
    });
    await expect(world.observe()).rejects.toMatchObject({ code: 'jobChanging', retryable: true });
  });
});

describe('history 13: a user cancels in the two seconds between step and job', () => {
  test('the job stays cancelled', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: terminated('OOMKilled', 137) })],
      terrakube: executing,
    });
    world.clock.advance(60_000);
    const { clock } = world.deps;
    const sleep = async (duration: Parameters<typeof clock.sleep>[0]) => {
      world.terrakube.changeJob(ids(), { status: 'cancelled' });
      await clock.sleep(duration);
    };
    Object.assign(world.deps, { clock: { ...clock, sleep } });
    await world.observe();
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'cancelled', steps: [{ status: 'failed' }] });
  });
});

describe('history 14: a suspended Job is stopped', () => {
  const suspended = () => {
    const job = kubernetesJob();
    const spec = { template: {}, ...job.spec, suspend: true };
    return { ...job, metadata: { ...job.metadata, generation: 1 }, spec, status: {} };
  };

  test('its verdict is recorded, carried out, and the Job is deleted last', async () => {
    const world = createObserveWorld({ job: suspended() });
    world.clock.advance(1_600_000);
    Object.assign(world.deps, { maxStarts: 1 });
    await world.observe();
    expect(world.writes).toEqual(['stopJob', 'annotateJob', 'appendLog', 'patchStep', 'patchJob', 'deleteJob']);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
    expect(world.store.allJobs()).toEqual([]);
  });

  test('one that is to start again stays until somebody has carried that out', async () => {
    const world = createObserveWorld({ job: suspended() });
    world.clock.advance(1_600_000);
    await world.observe();
    expect(world.writes).toEqual(['stopJob']);
    await world.observe();
    expect(world.store.allJobs()).toHaveLength(1);
    expect(world.terrakube.job(ids())?.status).toBe('queue');
  });

  test('a Job that dispatch resumes meanwhile is looked at again', async () => {
    let isResumed = false;
    const world = createObserveWorld({
      job: suspended(),
      around: async (method, call) => {
        if (method === 'stopJob' && !isResumed) {
          isResumed = true;
          await world.store.resumeJob(name, world.store.allJobs()[0]?.metadata?.resourceVersion ?? '');
        }
        return call();
      },
    });
    world.clock.advance(1_600_000);
    await world.observe();
    expect(isResumed).toBe(true);
    expect(world.store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/verdict']).toBeDefined();
  });
});

describe('history 16: a person deletes the Job, and the first tell fails', () => {
  test('it is told within the same invocation', async () => {
    let failures = 2;
    const world = createObserveWorld({
      job: null,
      terrakube: executing,
      around: async (method, call) => {
        if (method !== 'appendLog' || failures === 0) return call();
        failures -= 1;
        throw new DispatcherError('terrakubeUnavailable', 'Terrakube gave no answer.');
      },
    });
    const final = kubernetesJob();
    expect(await world.observe({ ...final, status: { active: 1 } })).toMatchObject({ row: 3, deed: 'done' });
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
    expect(stepOf(world)?.name).toContain('deleted');
  });
});

describe('history 21: the executor could not sign in: it ends well and its step is still pending', () => {
  test('ten seconds after its end the user reads it', async () => {
    const world = createObserveWorld({ job: endedJob({ ended: 'Complete' }, 1000) });
    world.clock.advance(1000);
    expect(await world.observe()).toMatchObject({ row: 31, deed: 'done' });
    expect(world.clock.sleeps).toEqual([10_000, 2000]);
    expect(stepOf(world)?.status).toBe('failed');
  });

  test('a report that comes in these ten seconds counts', async () => {
    const world = createObserveWorld({ job: endedJob({ ended: 'Complete' }, 1000) });
    const { clock } = world.deps;
    const sleep = async (duration: Parameters<typeof clock.sleep>[0]) => {
      world.terrakube.changeStep(ids(), { status: 'completed', output: 'https://log' });
      world.terrakube.changeJob(ids(), { status: 'completed' });
      await clock.sleep(duration);
    };
    Object.assign(world.deps, { clock: { ...clock, sleep } });
    expect(await world.observe()).toMatchObject({ action: 'leave' });
    expect(world.writes).toEqual([]);
  });
});

describe('history 22: an executor is killed under a job that was cancelled', () => {
  test('its step is ended, its job stays as it is', async () => {
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict({ action: 'cancel', cause: 'exit' }) }),
      terrakube: terrakubeJob({ status: 'cancelled', steps: [step({ status: 'running', output: '' })] }),
    });
    world.clock.advance(65_000);
    expect(await world.observe()).toMatchObject({ row: 35, deed: 'done' });
    expect(isLiveJob({ ...terrakubeJob(), ...world.terrakube.job(ids()) })).toBe(false);
    expect(stepOf(world)?.status).not.toBe('running');
  });
});

describe('history 28: another door records its verdict after the Job was read', () => {
  test('a step that is to be started again is not told failed', async () => {
    let looks = 0;
    const world = createObserveWorld({
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ nodeName: '', status: { phase: 'Failed', reason: 'OutOfcpu' } })],
      around: async (method, call) => {
        // Job and Terrakube job are read once in each look.
        if (method === 'getJob') looks += 1;
        if (method === 'getJob' && looks === 3) {
          const [job] = world.store.allJobs();
          const version = job?.metadata?.resourceVersion ?? '';
          await world.cluster.annotateJob(name, version, { 'terrakube.io/verdict': JSON.stringify(RESTART) });
        }
        return call();
      },
      settings: {},
    });
    world.clock.advance(60_000);
    await world.observe();
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
    expect(world.terrakube.everyLine).toEqual([]);
  });
});
