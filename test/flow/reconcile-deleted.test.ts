// A person deletes a Job; its pod outlives it for its grace period.
import { expect, test } from 'vitest';
import { jobName, stepLabels } from '../../lib/domain/job-name.ts';
import { INSTALLATION, ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { podOf, running, terminated } from '../support/observe-world.ts';
import { createReconcileWorld } from '../support/reconcile-world.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const executing = terrakubeJob({ status: 'running', steps: [step({ status: 'running', output: 'https://log' })] });

/** A pod with a name and labels as the job controller gives them. */
function podOfJob() {
  const pod = podOf({ name: `${NAME}-x7k2p`, status: running() });
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...pod.metadata?.labels, ...stepLabels(ids(), INSTALLATION) } },
  };
}

const isTold = {
  status: 'failed',
  steps: [{ status: 'failed', name: 'Terraform Plan: its Kubernetes Job was deleted' }],
};

test('a Job that is deleted while its executor runs is told once the pod is gone', async () => {
  const pod = podOfJob();
  const world = createReconcileWorld({ jobs: [kubernetesJob()], pods: [pod], terrakube: [[ids(), executing]] });
  const run = world.begin();
  await world.clock.pass(5000);
  world.store.remove(NAME);
  await world.clock.pass(20_000);
  expect(world.terrakube.job(ids())?.status).toBe('running');
  // It has ended, and is still there for a moment.
  world.cluster.putPod({ ...pod, status: terminated('Error', 143) ?? {} });
  await world.clock.pass(1000);
  world.cluster.removePod(`${NAME}-x7k2p`);
  await world.clock.pass(5000);
  expect(world.terrakube.job(ids())).toMatchObject(isTold);
  await world.clock.until(run);
});

test('the last Job that is deleted is told, too, where an idle installation is not watched', async () => {
  const world = createReconcileWorld({ jobs: [kubernetesJob()], pods: [podOfJob()], terrakube: [[ids(), executing]] });
  const run = world.begin({ watchesWhenIdle: false });
  await world.clock.pass(5000);
  world.store.remove(NAME);
  await world.clock.pass(20_000);
  world.cluster.removePod(`${NAME}-x7k2p`);
  await world.clock.pass(5000);
  expect(world.terrakube.job(ids())).toMatchObject(isTold);
  const toldAt = world.clock.now();
  await world.clock.until(run);
  expect(world.clock.now() - toldAt).toBeLessThan(30_000);
});

test('a Job that was deleted before the run began is told when its pod goes', async () => {
  const world = createReconcileWorld({ pods: [podOfJob()], terrakube: [[ids(), executing]] });
  const run = world.begin();
  await world.clock.pass(20_000);
  world.cluster.removePod(`${NAME}-x7k2p`);
  await world.clock.pass(30_000);
  expect(world.terrakube.job(ids())).toMatchObject(isTold);
  await world.clock.until(run);
});

test("a pod of another installation is nobody's", async () => {
  const pod = podOfJob();
  const labels = { ...pod.metadata.labels, 'terrakube.io/installation': 'ffffffff' };
  const world = createReconcileWorld({
    pods: [{ ...pod, metadata: { ...pod.metadata, labels } }],
    terrakube: [[ids(), executing]],
  });
  const run = world.begin();
  await world.clock.pass(5000);
  world.cluster.removePod(`${NAME}-x7k2p`);
  await world.clock.until(run);
  expect(world.writes).toEqual([]);
});
