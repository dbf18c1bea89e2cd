// What a sandbox remembers as over must not hide what comes later.
import { expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { ids, laterStep, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import { endedJob } from '../support/observe-world.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';
import { looks } from '../support/watched-executors.ts';

const PLANNED = step({ status: 'completed', output: 'https://log' });

/** A plan that has ended well, and an apply that waits to be approved; a sandbox has seen both for two runs. */
async function waitingForApproval(): Promise<ReconcileWorld> {
  const world = createReconcileWorld({
    jobs: [endedJob({ ended: 'Complete' })],
    terrakube: [[ids(), terrakubeJob({ status: 'waitingApproval', steps: [PLANNED, laterStep()] })]],
  });
  world.clock.advance(70_000);
  await world.run();
  await world.run();
  return world;
}

test('a Terrakube job that goes on after its first Job was over fails when its next step never becomes a Job', async () => {
  const world = await waitingForApproval();
  world.terrakube.changeJob(ids(), { status: 'queue' });
  await world.run();
  expect(world.terrakube.job(ids())?.status).toBe('queue');
  world.clock.advance(1_860_000);
  await world.run();
  expect(world.terrakube.job(ids())?.status).toBe('failed');
  expect(world.terrakube.job(ids())?.steps[1]?.name).toContain('never became a Kubernetes Job');
});

test('a cancelled job that comes back to life after its Job was over is cancelled again', async () => {
  const verdict = recordedVerdict({ action: 'cancel', cause: 'cancelled' });
  const world = createReconcileWorld({
    jobs: [endedJob({ ended: 'Failed', verdict })],
    terrakube: [[ids(), terrakubeJob({ status: 'cancelled', steps: [step({ status: 'cancelled' })] })]],
  });
  world.clock.advance(70_000);
  await world.run();
  await world.run();
  world.terrakube.changeJob(ids(), { status: 'running' });
  await world.run();
  expect(world.terrakube.job(ids())?.status).toBe('cancelled');
});

test('a cancelled job that an executor sets running half a minute later is cancelled again in the same run', async () => {
  const verdict = recordedVerdict({ action: 'cancel', cause: 'cancelled' });
  const world = createReconcileWorld({
    jobs: [endedJob({ ended: 'Failed', verdict })],
    terrakube: [[ids(), terrakubeJob({ status: 'cancelled', steps: [step({ status: 'cancelled' })] })]],
  });
  const run = world.begin();
  await world.clock.pass(30_000);
  world.terrakube.changeJob(ids(), { status: 'running' });
  await world.clock.pass(15_000);
  expect(world.terrakube.job(ids())?.status).toBe('cancelled');
  await world.clock.until(run);
});

test('a step that a locked workspace has left pending is failed when that had failed at first', async () => {
  let failures = 0;
  const world = createReconcileWorld({
    jobs: [endedJob({ ended: 'Complete' })],
    terrakube: [[ids(), terrakubeJob({ status: 'failed', steps: [PLANNED, laterStep()] })]],
    around: async (method, call) => {
      if (method !== 'patchStep' || failures > 0) return call();
      failures += 1;
      throw new DispatcherError('terrakubeUnavailable', 'no answer');
    },
  });
  world.clock.advance(3_600_000);
  expect(await world.run()).toEqual({ failed: 0 });
  expect(world.terrakube.job(ids())?.steps[1]?.status).toBe('failed');
});

test('Jobs that are over are not looked at because a watch was lost', async () => {
  const world = await waitingForApproval();
  const before = looks(world);
  const run = world.begin();
  await world.clock.pass(5500);
  world.cluster.breakWatches('expired');
  await world.clock.until(run);
  expect(looks(world)).toEqual(before);
});
