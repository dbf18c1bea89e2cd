import { describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { INSTALLATION, ids, kubernetesJob, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import { endedJob, podOf, running } from '../support/observe-world.ts';
import { createReconcileWorld } from '../support/reconcile-world.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const restart = recordedVerdict({ action: 'restart', cause: 'unschedulable', title: 'no node fits' });

describe('a run', () => {
  test('of an empty installation watches for 90 s and does nothing', async () => {
    const world = createReconcileWorld();
    const startedAt = world.clock.now();
    expect(await world.run()).toEqual({ failed: 0 });
    expect(world.clock.now() - startedAt).toBe(90_000);
    expect(world.writes).toEqual([]);
  });

  test('ends at once when it need not watch an idle installation', async () => {
    const world = createReconcileWorld();
    const startedAt = world.clock.now();
    await world.run({ watchesWhenIdle: false });
    expect(world.clock.now() - startedAt).toBe(0);
  });

  test('starts a step again whose Job was stopped for it', async () => {
    const world = createReconcileWorld({
      jobs: [endedJob({ ended: 'Failed', verdict: restart })],
      terrakube: [[ids(), terrakubeJob()]],
    });
    await world.run();
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'pending',
      comments: expect.stringMatching(/^fresh 2\/3 /),
    });
    const { annotations } = world.store.allJobs()[0]?.metadata ?? {};
    expect(annotations).toMatchObject({ 'terrakube.io/restarted-at': expect.any(String) });
    expect(world.writes.filter((write) => write === 'patchJob')).toHaveLength(1);
    expect(world.metric('Restarted')).toBe(1);
  });

  test('stops the Job of a job that is cancelled while it waits, within three seconds', async () => {
    const world = createReconcileWorld({
      jobs: [kubernetesJob()],
      pods: [podOf({})],
      terrakube: [[ids(), terrakubeJob()]],
    });
    const run = world.begin();
    await world.clock.pass(30_000);
    world.terrakube.changeJob(ids(), { status: 'cancelled', steps: [step({ status: 'cancelled' })] });
    await world.clock.pass(3000);
    expect(world.store.allJobs()[0]?.spec?.activeDeadlineSeconds).toBe(1);
    expect(world.writes.filter((write) => write === 'stopJob')).toHaveLength(1);
    await world.clock.until(run);
    expect(world.metric('Stopped')).toBe(1);
  });

  test('keeps a job alive that waits, every 20 to 22 s', async () => {
    const world = createReconcileWorld({
      jobs: [kubernetesJob()],
      pods: [podOf({})],
      terrakube: [[ids(), terrakubeJob()]],
    });
    await world.run();
    expect(world.writes.filter((write) => write === 'patchJob')).toHaveLength(4);
  });

  test('deletes the payload of an ended Job, once', async () => {
    const job = endedJob({ ended: 'Complete' });
    const world = createReconcileWorld({
      jobs: [job],
      terrakube: [[ids(), terrakubeJob({ status: 'completed', steps: [step({ status: 'completed' })] })]],
    });
    world.store.putSecret({
      metadata: {
        name: NAME,
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: NAME, uid: job.metadata?.uid ?? '' }],
      },
    });
    await world.run();
    expect(world.store.allSecrets()).toEqual([]);
    expect(world.writes).toEqual(['deletePayload', 'annotateJob']);
    await world.run();
    expect(world.writes).toHaveLength(2);
  });

  test('does nothing but report in report mode', async () => {
    const world = createReconcileWorld({
      jobs: [kubernetesJob()],
      pods: [podOf({ status: running() })],
      terrakube: [],
      deps: { isReportOnly: true, cancelPoll: durationMs(10_000) },
    });
    await world.run();
    expect(world.writes).toEqual([]);
    expect(world.metric('InvariantOrphanJob')).toBe(1);
  });
});
