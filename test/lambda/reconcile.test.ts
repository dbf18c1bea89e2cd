// The built reconciler in Lambda's own runtime client, invoked by its schedule, in runs that overlap: what its users see.
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../local/json.ts';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { mergePatchType } from '../support/cluster-context.ts';
import { emfFaults } from '../support/emf.ts';
import { until } from '../support/running-stack.ts';
import {
  PAYLOAD_MARKERS,
  type ScheduledStack,
  type StartedJob,
  startScheduledStack,
} from '../support/scheduled-stack.ts';

/** A run begins every 12 s here, and all that this file starts is done at once. */
const PATIENCE_MS = 35_000;
const namespace = 'terrakube';
const boots = { DEMO_BOOT_MS: '60000', DEMO_BOOT_HEEDS_MS: '60000' };
const works = { DEMO_WORK_MS: '60000' };

const stacks: { calm?: ScheduledStack; strict?: ScheduledStack } = {};
let deadJobId = '';
beforeAll(async () => {
  stacks.calm = await startScheduledStack();
  deadJobId = await leaveDeadLetter(stacks.calm);
  stacks.strict = await startScheduledStack({ functionSettings: { CancelRunningApply: 'true' } });
  // What is deleted before anybody has looked is nobody's to tell.
  for (const { logs } of [stacks.calm, stacks.strict]) {
    await until('the first run to look', () => logs.some((line) => line['ActiveJobs'] !== undefined));
  }
});
afterAll(async () => {
  await stacks.calm?.stack.close();
  await stacks.strict?.stack.close();
});

function calm(): ScheduledStack {
  if (!stacks.calm) throw new Error('the stack is not up yet');
  return stacks.calm;
}

function strict(): ScheduledStack {
  if (!stacks.strict) throw new Error('the stack is not up yet');
  return stacks.strict;
}

/** A job whose message was given up, before any other job is there. */
async function leaveDeadLetter({ stack }: ScheduledStack): Promise<string> {
  const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan', name: 'terraformPlan' }] });
  const acceptedAt = { StringValue: new Date(Date.now() - 3_600_000).toISOString(), DataType: 'String' };
  await stack.queues.client.send(
    new SendMessageCommand({
      QueueUrl: stack.queues.queues['DeadLetterQueue']?.url,
      MessageBody: payload.toString('utf8'),
      MessageAttributes: { acceptedAt },
    }),
  );
  return jobId;
}

const steps = ({ stack }: ScheduledStack, { jobId }: StartedJob) => stack.terrakube.job(jobId).steps;
const untilAre = (job: StartedJob, statuses: readonly string[]) =>
  until(`job and steps to be ${statuses}`, () => job.statuses().join() === statuses.join(), PATIENCE_MS);
/** The executor has spoken: it works. */
const untilWorks = (job: StartedJob, what = ['running', 'running']) => untilAre(job, what);
const podsOf = async ({ kubernetes }: ScheduledStack, { jobId }: StartedJob) => {
  const labelSelector = `terrakube.io/job=${jobId}`;
  return (await kubernetes.core.listNamespacedPod({ namespace, labelSelector })).items;
};
const untilPod = async (on: ScheduledStack, job: StartedJob, phase: string) => {
  await until(`a pod that is ${phase}`, async () => (await podsOf(on, job))[0]?.status?.phase === phase);
  return (await podsOf(on, job))[0]?.metadata?.name ?? '';
};
async function deleteJob({ kubernetes }: ScheduledStack, job: StartedJob): Promise<void> {
  const [name = ''] = (await job.jobs()).map(({ metadata }) => metadata?.name ?? '');
  await kubernetes.batch.deleteNamespacedJob({ name, namespace, body: { propagationPolicy: 'Background' } });
}

async function setPodStatus({ stack }: ScheduledStack, pod: string, status: JsonObject): Promise<void> {
  const { url, caPem } = stack.cluster;
  const client = createClusterClient({ url, caPem, token: stack.clusterToken });
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/status`;
  const answer = await client.send('PATCH', path, { body: { status }, contentType: mergePatchType });
  client.close();
  expect(answer.status).toBe(200);
}

/** Cancels a job and says after how many milliseconds its Job was stopped. */
async function cancelAndMeasure({ stack }: ScheduledStack, job: StartedJob): Promise<number> {
  await stack.terrakube.cancel(job.jobId);
  const startedAt = performance.now();
  await until('the Job to be stopped', async () => (await verdictOf(job))?.includes('"cancel"') ?? false);
  return performance.now() - startedAt;
}
const verdictOf = async (job: StartedJob) => (await job.jobs())[0]?.metadata?.annotations?.['terrakube.io/verdict'];

describe.concurrent('with nothing but its schedule as eyes, the product', { timeout: 45_000 }, () => {
  test('leaves a healthy job alone, and its payload readable for no longer than its pod', async () => {
    const on = calm();
    const job = on.start({ types: ['terraformPlan', 'terraformApply'] });
    await untilAre(job, ['completed', 'completed', 'completed']);
    const labelSelector = `terrakube.io/job=${job.jobId}`;
    await until('the payloads to be deleted', async () => {
      return (await on.kubernetes.core.listNamespacedSecret({ namespace, labelSelector })).items.length === 0;
    });
    expect([job.lines(), (await job.jobs()).length]).toEqual([[], 2]);
  });

  test('stops a cancelled job whose pod waits for a node, within seconds', async () => {
    const on = calm();
    const job = on.start({ workspace: { EPHEMERAL_MEMORY_REQUEST: '900Gi' } });
    await until(
      'its user to know why',
      () => job.lines().some((line) => line.includes('Insufficient memory')),
      PATIENCE_MS,
    );
    const stoppedAfterMs = await cancelAndMeasure(on, job);
    console.info(`a waiting pod was stopped after ${Math.round(stoppedAfterMs)} ms`);
    expect(stoppedAfterMs).toBeLessThan(8000);
    await until(
      'the Job to end',
      async () => (await job.jobs())[0]?.status?.failed !== undefined || (await podsOf(on, job)).length === 0,
    );
    expect([job.statuses(), on.startedPods(job.jobId)]).toEqual([['cancelled', 'cancelled'], 1]);
  });

  test('stops a cancelled job whose executor has not begun, within seconds', async () => {
    const on = calm();
    const job = on.start({ types: ['terraformApply'], executor: boots });
    await untilPod(on, job, 'Running');
    const stoppedAfterMs = await cancelAndMeasure(on, job);
    console.info(`a booting executor was stopped after ${Math.round(stoppedAfterMs)} ms`);
    expect(stoppedAfterMs).toBeLessThan(8000);
    await until('its pod to be gone', async () =>
      (await podsOf(on, job)).every(({ status }) => status?.phase !== 'Running'),
    );
    expect(job.statuses()).toEqual(['cancelled', 'cancelled']);
  });

  test('stops a running plan that is cancelled, and lets its executor end it', async () => {
    const on = calm();
    const job = on.start({ executor: works });
    await untilWorks(job);
    await cancelAndMeasure(on, job);
    await untilAre(job, ['cancelled', 'failed']);
    expect(job.lines()).toEqual(['terrakube-dispatcher: cancelled: the running plan is stopped']);
  });

  test('leaves a running apply alone that is cancelled, and says so', async () => {
    const on = calm();
    const job = on.start({ types: ['terraformApply'], executor: { DEMO_WORK_MS: '15000' } });
    await untilWorks(job);
    await on.stack.terrakube.cancel(job.jobId);
    await until('a line in its log', () => job.lines().length > 0);
    await untilAre(job, ['cancelled', 'completed']);
    expect(job.lines()).toEqual([
      expect.stringMatching(/cancelled: the running terraformApply is left to end by itself/),
    ]);
    expect(await verdictOf(job)).toBeUndefined();
  });

  test('stops a running apply that is cancelled where CancelRunningApply says so', async () => {
    const on = strict();
    const job = on.start({ types: ['terraformApply'], executor: works });
    await untilWorks(job);
    await cancelAndMeasure(on, job);
    await untilAre(job, ['cancelled', 'failed']);
    expect(job.lines()).toEqual([
      expect.stringMatching(/the running terraformApply is stopped \(CancelRunningApply\)/),
    ]);
  });

  test('tells with which code an executor ended before its first word', async () => {
    const on = calm();
    const job = on.start({ executor: { NODE_OPTIONS: '--no-such-option' } });
    await untilAre(job, ['failed', 'failed']);
    expect(steps(on, job)[0]?.name).toBe('terraformPlan: executor ended with exit code 9');
  });

  test('finishes what a run has half told whose sandbox is gone', async () => {
    const on = strict();
    const job = on.start({ executor: { NODE_OPTIONS: '--no-such-option' } });
    // Between the two writes of a tell are two seconds.
    await untilAre(job, ['queue', 'failed']);
    await on.stack.lambda.kill('reconcile');
    expect(job.statuses()).toEqual(['queue', 'failed']);
    await untilAre(job, ['failed', 'failed']);
    expect(job.lines().filter((line) => line.endsWith('executor ended with exit code 9'))).toHaveLength(1);
  });

  test('tells that somebody has deleted a Job', async () => {
    const on = calm();
    const job = on.start({ executor: boots });
    await untilPod(on, job, 'Running');
    await deleteJob(on, job);
    await untilAre(job, ['failed', 'failed']);
    expect(steps(on, job)[0]?.name).toBe('terraformPlan: its Kubernetes Job was deleted');
  });

  test('fails the steps that a locked workspace leaves pending', async () => {
    const on = calm();
    const job = on.start({
      types: ['terraformPlan', 'terraformApply'],
      executor: { NODE_OPTIONS: '--no-such-option' },
    });
    // Between the two writes of a tell are two seconds.
    await untilAre(job, ['queue', 'failed', 'pending']);
    on.stack.terrakube.lockWorkspace(job.jobId, true);
    await untilAre(job, ['failed', 'failed', 'pending']);
    await untilAre(job, ['failed', 'failed', 'failed']);
    expect(steps(on, job)[1]?.name).toBe('terraformApply: not run: its job is failed');
  });

  test('answers a dead letter in the run, and removes it', async () => {
    const { stack } = calm();
    await until('the job to fail', () => stack.terrakube.job(deadJobId).status === 'failed', PATIENCE_MS);
    const [step] = stack.terrakube.job(deadJobId).steps;
    expect(step).toMatchObject({ status: 'failed', name: expect.stringMatching(/^terraformPlan: .+/) });
    const QueueUrl = stack.queues.queues['DeadLetterQueue']?.url;
    const { Messages = [] } = await stack.queues.client.send(new ReceiveMessageCommand({ QueueUrl }));
    expect(Messages).toEqual([]);
  });

  test('starts a step again whose pod was refused by its node, with a fresh payload', async () => {
    const on = calm();
    let dispatches = 0;
    const job = on.start({
      workspace: {
        get EPHEMERAL_MEMORY_REQUEST() {
          dispatches += 1;
          return dispatches === 1 ? '900Gi' : '16Mi';
        },
      },
    });
    await until('its user to know why', () => job.lines().length > 0, PATIENCE_MS);
    const [pod = ''] = (await podsOf(on, job)).map(({ metadata }) => metadata?.name ?? '');
    const refused = { phase: 'Failed', reason: 'OutOfmemory', message: 'Node did not have enough resource: memory' };
    await setPodStatus(on, pod, refused);
    await untilAre(job, ['completed', 'completed']);
    const names = (await job.jobs()).map(({ metadata }) => metadata?.name ?? '');
    expect({ dispatches, names }).toEqual({ dispatches: 2, names: [names[0], `${names[0]}-2`] });
  });
});

describe('its runs', () => {
  test('overlap, and none of them has failed', () => {
    const { stack, logs } = calm();
    expect(stack.lambda.startedSandboxes('reconcile')).toBeGreaterThan(1);
    expect(logs.filter(({ level, service }) => level === 'ERROR' && service === 'reconcile')).toEqual([]);
  });

  test('put metrics in the embedded format, for this stack', () => {
    const lines = calm().logs.filter((line) => '_aws' in line);
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.flatMap(emfFaults)).toEqual([]);
    expect(new Set(lines.map((line) => line['Installation']))).toEqual(new Set(['terrakube-dispatcher']));
    expect(lines.some((line) => line['ActiveJobs'] !== undefined && line['InvariantOrphanJob'] === 0)).toBe(true);
  });

  test('write no secret anywhere', () => {
    const { lines, stack } = calm();
    const markers = [...PAYLOAD_MARKERS, stack.internalSecret, 'k8s-aws-v1.', 'X-Amz-Signature', 'eyJhbGciOi'];
    expect(lines.length).toBeGreaterThan(50);
    expect(markers.filter((marker) => lines.some((line) => line.includes(marker)))).toEqual([]);
  });
});
