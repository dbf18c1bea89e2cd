// Histories that only the reconciler can end well. Each begins at the moment at which things have gone wrong; without the
// rule that answers it, it would end with a step that nobody ends, one that runs twice, or a healthy one that is failed.
import { describe, expect, test } from 'vitest';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import type { TerrakubeChange } from '../../lib/ports.ts';
import {
  INSTALLATION,
  ids,
  kubernetesJob,
  laterStep,
  NOON,
  reason,
  recordedVerdict,
  step,
  terrakubeJob,
} from '../support/builders.ts';
import { told } from '../support/observe-scenes.ts';
import { endedJob, running, terminated } from '../support/observe-world.ts';
import { podFor, runJobController, sendAgain } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileOptions, type ReconcileWorld } from '../support/reconcile-world.ts';

const MINUTE = 60_000;
const apply = ids({ type: 'terraformApply', stepId: laterStep().id });
const RESTART = recordedVerdict({ action: 'restart', cause: 'unschedulable', title: 'no node fits' });
const statusOf = ({ terrakube }: ReconcileWorld) => {
  const { status, steps = [] } = terrakube.job(ids()) ?? {};
  return [status, ...steps.map((one) => one.status)];
};
/** Every status that is written to a job or step from now on. */
function writesOf(world: ReconcileWorld): readonly string[] {
  const statuses: string[] = [];
  const { patchJob, patchStep } = world.terrakube;
  type Of = Parameters<typeof patchJob>[0];
  const noting = (kind: string, patch: typeof patchJob) => async (of: Of, change: TerrakubeChange) => {
    if (change.status !== undefined) statuses.push(`${kind} ${change.status}`);
    await patch(of, change);
  };
  Object.assign(world.terrakube, { patchJob: noting('job', patchJob), patchStep: noting('step', patchStep) });
  return statuses;
}

/** A world, some minutes after noon. */
function worldAfter(minutes: number, options: ReconcileOptions): ReconcileWorld {
  const world = createReconcileWorld(options);
  world.clock.advance(minutes * MINUTE);
  runJobController(world);
  return world;
}

/** The first start of a step, stopped to be started again, with these annotations more. */
function firstStart(annotations: Readonly<Record<string, string>>) {
  const job = endedJob({ ended: 'Failed', verdict: RESTART });
  return { ...job, metadata: { ...job.metadata, annotations: { ...job.metadata?.annotations, ...annotations } } };
}
const claimedBefore = (minutes: number) => ({ 'terrakube.io/claim': new Date(NOON - minutes * MINUTE).toISOString() });

describe('a claim is left behind by a run that was killed after its request, and the next start has failed', () => {
  const second = endedJob({ ended: 'Failed', start: 2 });
  const options: ReconcileOptions = {
    jobs: [firstStart(claimedBefore(0)), second],
    pods: [podFor({ start: 2, status: terminated('Error', 1) })],
    terrakube: [[ids(), terrakubeJob({ steps: [step(), laterStep()] })]],
  };

  test('the first start is not sent again while the second is told failed: nothing follows a failed plan', async () => {
    const world = worldAfter(3, options);
    const writes = writesOf(world);
    await world.run();
    expect(writes).toEqual(['step failed', 'job failed']);
    expect(statusOf(world)).toEqual(['failed', 'failed', 'failed']);
  });
});

describe('dispatch has failed a step, was killed before it failed the job, and there is no Job', () => {
  test('the job is failed with the reason that the step has', async () => {
    const world = worldAfter(1, { terrakube: [[ids(), told('queue')]] });
    await world.run();
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'failed',
      output: failureTexts(reason(), step()).jobOutput,
    });
    expect(world.metric('InvariantHalfToldJob')).toBe(1);
    expect(world.writes).toEqual(['patchJob']);
  });
});

describe('a user cancels while a fresh payload is being asked for', () => {
  test('the job that our request has revived is cancelled again', async () => {
    const world = worldAfter(1, {
      jobs: [firstStart({ 'terrakube.io/restarted-at': new Date(NOON).toISOString() })],
      terrakube: [[ids(), terrakubeJob({ status: 'pending', steps: [step({ status: 'cancelled' })] })]],
    });
    await world.run();
    expect(statusOf(world)).toEqual(['cancelled', 'cancelled']);
    expect(world.metric('InvariantLostCallback')).toBe(1);
  });
});

describe('a run sees nothing unfinished, and a Job is created a second later', () => {
  /** The Job waits for its node; its user cancels after 20 s. */
  async function cancelledAfterAll(more: { readonly watchesWhenIdle: boolean }) {
    const world = worldAfter(1, { terrakube: [[ids(), terrakubeJob()]] });
    const run = world.begin(more);
    await world.clock.pass(1000);
    world.store.put(kubernetesJob());
    world.cluster.putPod(podFor({ nodeName: '' }));
    await world.clock.pass(20_000);
    world.terrakube.changeJob(ids(), { status: 'cancelled', steps: [step({ status: 'cancelled' })] });
    await world.clock.pass(3000);
    const [job] = world.store.allJobs();
    await world.clock.until(run);
    return job && readVerdict(job);
  }

  test('it is watched all the same, and the cancelled Job is stopped within three seconds', async () => {
    expect(await cancelledAfterAll({ watchesWhenIdle: true })).toMatchObject({ action: 'cancel' });
  });

  test('nobody sees it where an idle installation is not watched', async () => {
    expect(await cancelledAfterAll({ watchesWhenIdle: false })).toBeUndefined();
  });
});

describe("the Job of a job's next step is created while a run reads both worlds", () => {
  const ended = endedJob({ ended: 'Complete' });
  const annotations = {
    ...ended.metadata?.annotations,
    'terrakube.io/payload-deleted-at': new Date(NOON).toISOString(),
  };
  const plan = { ...ended, metadata: { ...ended.metadata, annotations } };
  const steps = [step({ status: 'completed' }), laterStep({ status: 'running' })];
  /** Nothing has a Job but the plan, which is done; the apply's Job comes after this call. */
  function racing(call: string, number = 1): ReconcileWorld {
    let calls = 0;
    const world: ReconcileWorld = worldAfter(10, {
      jobs: [plan],
      terrakube: [[ids(), terrakubeJob({ status: 'running', steps: [steps[0] ?? step(), laterStep()] })]],
      around: async (method, done) => {
        const answer = await done();
        calls += method === call ? 1 : 0;
        if (method === call && calls === number) {
          const job = kubernetesJob({ of: apply });
          const metadata = { ...job.metadata, uid: 'uid-of-apply', creationTimestamp: new Date(world.clock.now()) };
          world.store.put({ ...job, metadata, status: { active: 1, ready: 1 } });
          world.cluster.putPod(podFor({ of: apply, status: running(10 * MINUTE) }));
          world.terrakube.changeJob(ids(), { steps });
        }
        return answer;
      },
      settings: { ownsAllSteps: true },
    });
    return world;
  }

  test.each([
    { call: 'listLiveJobs', number: 1 },
    { call: 'snapshotJobs', number: 1 },
    { call: 'listJobs', number: 1 },
    // Of each look: the Job, and the Terrakube job.
    ...[1, 2, 3, 4].map((number) => ({ call: 'getJob', number })),
  ])('after $call $number: nothing is written about it', async ({ call, number }) => {
    const world = racing(call, number);
    const writes = writesOf(world);
    await world.run();
    expect(writes).toEqual([]);
    expect(statusOf(world)).toEqual(['running', 'completed', 'running']);
  });

  test('without it the job is failed: its plan was reported, and the job never was', async () => {
    const world = racing('never');
    await world.run();
    expect(statusOf(world)[0]).toBe('failed');
  });
});

describe('a restart has worked, and a later run finds the claim a minute old', () => {
  const options = (mark: boolean): ReconcileOptions => ({
    jobs: [
      firstStart({
        ...claimedBefore(2),
        ...(mark ? { 'terrakube.io/restarted-at': new Date(NOON).toISOString() } : {}),
      }),
    ],
    terrakube: [[ids(), terrakubeJob()]],
  });

  test('its mark says so: it is not asked for again, although no next Job is there yet', async () => {
    const world = worldAfter(3, options(true));
    const writes = writesOf(world);
    await world.run();
    expect(writes).toEqual([]);
  });

  test('without the mark the claim is taken over, once', async () => {
    const world = worldAfter(3, options(false));
    const writes = writesOf(world);
    const made = sendAgain(world, [ids()]);
    await world.run();
    await world.run(world.sandbox());
    expect({ writes, made }).toEqual({ writes: ['job pending'], made: [jobName(ids(), INSTALLATION, 2)] });
  });
});

describe('all steps of a job have completed, and it still reads pending since its workspace is locked', () => {
  test('Terrakube completes it: it is not told failed, however long that takes', async () => {
    const world = worldAfter(30, {
      jobs: [endedJob({ ended: 'Complete' })],
      terrakube: [[ids(), terrakubeJob({ status: 'pending', steps: [step({ status: 'completed' })] })]],
    });
    const writes = writesOf(world);
    await world.run();
    expect(writes).toEqual([]);
  });

  test('one whose last step was cancelled is ended', async () => {
    const world = worldAfter(30, {
      jobs: [endedJob({ ended: 'Complete' })],
      terrakube: [
        [
          ids(),
          terrakubeJob({
            status: 'pending',
            steps: [step({ status: 'completed' }), laterStep({ status: 'cancelled' })],
          }),
        ],
      ],
    });
    await world.run();
    expect(statusOf(world)[0]).toBe('cancelled');
  });
});

describe('a suspended Job was restarted and deleted, and its deletion is seen', () => {
  const suspended = (annotations: Readonly<Record<string, string>>) => {
    const job = firstStart(annotations);
    return { ...job, spec: { template: {}, ...job.spec, suspend: true }, status: {} };
  };

  test('by the run that has deleted it: it is not judged a second time', async () => {
    const job = suspended({ 'terrakube.io/restarted-at': new Date(NOON).toISOString() });
    const world = worldAfter(2, { jobs: [job], terrakube: [[ids(), terrakubeJob()]] });
    const writes = writesOf(world);
    await world.run();
    expect(world.store.allJobs()).toEqual([]);
    expect(world.log.lines.filter(({ outcome }) => outcome === 'missing')).not.toEqual([]);
    expect({ writes, status: statusOf(world) }).toEqual({ writes: [], status: ['queue', 'pending'] });
  });

  test('by another run, which knows neither mark nor comments: it is not judged either', async () => {
    const world = worldAfter(2, { jobs: [suspended({})], terrakube: [[ids(), terrakubeJob({ status: 'pending' })]] });
    const writes = writesOf(world);
    const run = world.begin();
    await world.clock.pass(5000);
    world.store.remove(jobName(ids(), INSTALLATION, 1));
    world.terrakube.changeJob(ids(), { status: 'queue' });
    await world.clock.until(run);
    expect({ writes, status: statusOf(world) }).toEqual({ writes: [], status: ['queue', 'pending'] });
  });
});

describe('dispatch was paused for an hour', () => {
  const waiting = (isDispatchPaused: boolean): ReconcileWorld =>
    worldAfter(60, { terrakube: [[ids(), terrakubeJob()]], settings: { ownsAllSteps: true, isDispatchPaused } });

  test('steps that wait without a Job are not told failed', async () => {
    const world = waiting(true);
    await world.run();
    expect([world.writes, statusOf(world)]).toEqual([[], ['queue', 'pending']]);
  });

  test('nor a moment after the pause, as long as their messages may still be read', async () => {
    const world = waiting(false);
    world.terrakube.changeJob(ids(), { comments: 'waiting: dispatch is paused, 3590 s' });
    await world.run();
    expect(statusOf(world)).toEqual(['queue', 'pending']);
  });

  test('without a pause they are: their Job never came', async () => {
    const world = waiting(false);
    await world.run();
    expect(statusOf(world)).toEqual(['failed', 'failed']);
    expect(world.metric('InvariantNeverCreatedStep')).toBe(1);
  });
});
