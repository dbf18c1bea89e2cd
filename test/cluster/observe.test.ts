// What became of Jobs on a real cluster, told to Terrakube by job-status, which hears of it from the audit log only: Jobs
// that end while their executor is at work.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seconds } from '../../lib/domain/time.ts';
import { listAt, textAt } from '../../local/json.ts';
import type { AuditedWorld, DispatchedStep } from '../support/audited-world.ts';
import { until } from '../support/running-stack.ts';
import { auditedWorld, untilTold } from './support/audited-cluster.ts';
import { hasControllers } from './support/real-cluster.ts';

describe.runIf(hasControllers).concurrent('job-status tells', { timeout: 60_000 }, () => {
  let world: AuditedWorld;
  beforeAll(async () => {
    world = await auditedWorld('observe');
  });
  afterAll(() => world?.close());

  const jobPath = ({ jobName }: DispatchedStep): string =>
    `/apis/batch/v1/namespaces/${world.namespace}/jobs/${jobName}`;
  const podsOf = async ({ jobName }: DispatchedStep) => {
    const query = `labelSelector=${encodeURIComponent(`batch.kubernetes.io/job-name=${jobName}`)}`;
    return listAt(
      (await world.client.send('GET', `/api/v1/namespaces/${world.namespace}/pods?${query}`)).body,
      'items',
    );
  };
  /** Waits for the executor to run, as the Job's own status says. */
  const untilRunning = (step: DispatchedStep) =>
    until('the executor to run', async () => {
      const { body } = await world.client.send('GET', jobPath(step));
      return JSON.stringify(body).includes('"ready":1');
    });

  test('an exit code, with the last words', async () => {
    const step = await world.dispatch({ script: 'console.error("no space left on device"); process.exit(3)' });

    expect(await untilTold(step)).toEqual({
      job: 'failed',
      step: 'failed',
      name: 'Step: executor ended with exit code 3',
      text: expect.stringMatching(
        /container executor ended with exit code 3 \(Error.*It said: no space left on device/,
      ),
    });
  });

  test('a deadline', async () => {
    const step = await world.dispatch({ executor: { activeDeadlineSeconds: seconds(2) } });

    expect(await untilTold(step)).toMatchObject({
      name: 'Step: time limit of 2 s exceeded',
      text: expect.stringContaining('was stopped by activeDeadlineSeconds'),
    });
  });

  test('a pod that was deleted, and that an apply may have left a lock', async () => {
    const step = await world.dispatch({ type: 'terraformApply' });
    await untilRunning(step);
    await step.report({ status: 'running' });
    for (const pod of await podsOf(step)) {
      const path = `/api/v1/namespaces/${world.namespace}/pods/${textAt(pod, 'metadata', 'name')}`;
      expect((await world.client.send('DELETE', path)).status).toBe(200);
    }

    expect(await untilTold(step)).toMatchObject({
      step: 'failed',
      name: 'Step: the pod was deleted',
      text: expect.stringContaining('terraform force-unlock'),
    });
  });

  test('a callback that was lost, ten seconds after the executor ended with 0', async () => {
    const step = await world.dispatch({ script: 'setTimeout(() => {}, 1500)' });
    await step.report({ status: 'running' });

    expect(await untilTold(step)).toMatchObject({
      name: 'Step: executor ended without reporting its result',
      text: expect.stringContaining('Terraform may have succeeded'),
    });
  });

  test('an executor that never reached Terrakube', async () => {
    const step = await world.dispatch({ script: '' });

    expect(await untilTold(step)).toMatchObject({
      name: 'Step: executor could not reach Terrakube or sign in to it',
      text: expect.stringContaining('Nothing was run: safe to run again.'),
    });
  });

  test('nothing about a step whose report came within the ten seconds', async () => {
    const step = await world.dispatch({ script: '' });
    await until('the Job to complete', async () => {
      const { body } = await world.client.send('GET', jobPath(step));
      return JSON.stringify(body).includes('"type":"Complete"');
    });
    await step.report({ status: 'completed', output: 'https://terrakube.example/output' });
    await until('the look that follows', () =>
      world.log.lines.some(({ jobName, outcome }) => jobName === step.jobName && outcome === 'succeeded'),
    );

    expect(step.shown()).toMatchObject({ step: 'completed', name: 'Step', text: '' });
  });

  test('once, whatever the executor still reports', async () => {
    const step = await world.dispatch({ script: 'process.exit(1)' });
    const told = await untilTold(step);
    await step.report({ status: 'completed', output: 'https://terrakube.example/output' });
    await world.ring(step.jobName, 0);
    await world.ring(step.jobName, 3_600_000);

    expect(step.shown()).toEqual({ ...told, step: 'completed', text: '' });
  });
});

const DELETED = { job: 'failed', step: 'failed', name: 'Step: its Kubernetes Job was deleted' };

/** Deletes a Job while its executor runs. */
async function deleteRunning(world: AuditedWorld, propagationPolicy: string) {
  const step = await world.dispatch();
  const job = `/apis/batch/v1/namespaces/${world.namespace}/jobs/${step.jobName}`;
  await until('the executor to run', async () => {
    return JSON.stringify((await world.client.send('GET', job)).body).includes('"ready":1');
  });
  expect((await world.client.send('DELETE', job, { body: { propagationPolicy } })).status).toBe(200);
  return { step, job };
}

describe.runIf(hasControllers)('job-status tells of a Job that was deleted', () => {
  test.each(['Foreground', 'Background'])(
    'from its last document in the same batch (%s)',
    async (propagationPolicy) => {
      const world = await auditedWorld('deleted', { everyMs: Number.POSITIVE_INFINITY });
      try {
        const { step, job } = await deleteRunning(world, propagationPolicy);
        await until('Job and pod to be gone', async () => {
          const { body } = await world.client.send('GET', `/api/v1/namespaces/${world.namespace}/pods`);
          return listAt(body, 'items').length === 0 && (await world.client.send('GET', job)).status === 404;
        });
        await world.flush();

        expect(await untilTold(step)).toMatchObject(DELETED);
      } finally {
        await world.close();
      }
    },
  );

  test.each(['Foreground', 'Background'])(
    'from what is left of it, when its last document came before it was gone (%s)',
    async (propagationPolicy) => {
      const world = await auditedWorld('gone');
      try {
        const { step } = await deleteRunning(world, propagationPolicy);

        expect(await untilTold(step)).toMatchObject(DELETED);
      } finally {
        await world.close();
      }
    },
    60_000,
  );
});
