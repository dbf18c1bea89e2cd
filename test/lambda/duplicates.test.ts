// One message, delivered as often as SQS likes: one Job, one Secret, one executor.
import { describe, expect, test } from 'vitest';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { queueEvent } from '../support/queue-event.ts';
import { type RunningStack, until, useStack } from '../support/running-stack.ts';

const running = useStack();
const aJob = { steps: [{ type: 'terraformPlan' }] } as const;

describe.each([1, 2, 50])('a message that is delivered %i times', (times) => {
  test('one after the other makes one Job, one Secret and one executor run', async () => {
    const { stack } = running();
    const { jobId, payload } = await catchDispatch(stack, aJob);
    const body = payload.toString('utf8');

    for (let delivery = 0; delivery < times; delivery += 1) {
      const { payload: answer } = await stack.lambda.invoke(
        'dispatch',
        queueEvent({ body, receiveCount: delivery + 1 }),
      );
      expect(answer).toBe('{"batchItemFailures":[]}');
    }

    await expectOneRun(running(), jobId);
  });

  test('at the same time, in sandboxes of their own and within a batch, makes one of each', async () => {
    const { stack } = running();
    const { jobId, payload } = await catchDispatch(stack, aJob);
    const message = { body: payload.toString('utf8') };

    const batches = Array.from({ length: Math.ceil(times / 10) }, (_, batch) =>
      queueEvent(...Array.from({ length: Math.min(10, times - batch * 10) }, () => message)),
    );
    const answers = await Promise.all(batches.map((batch) => stack.lambda.invoke('dispatch', batch)));

    expect(answers.map(({ functionError }) => functionError)).toEqual(batches.map(() => undefined));
    await expectOneRun(running(), jobId);
  });
});

async function expectOneRun({ stack, kubernetes, startedPods, logs }: RunningStack, jobId: string): Promise<void> {
  await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');
  const wanted = { namespace: 'terrakube', labelSelector: `terrakube.io/job=${jobId}` };
  const [jobs, secrets] = [
    await kubernetes.batch.listNamespacedJob(wanted),
    await kubernetes.core.listNamespacedSecret(wanted),
  ];
  expect({ jobs: jobs.items.length, secrets: secrets.items.length, pods: startedPods(jobId) }).toEqual({
    jobs: 1,
    secrets: 1,
    pods: 1,
  });
  expect(logs.filter((line) => line['terrakubeJobId'] === jobId && line['outcome'] === 'created')).toHaveLength(1);
}
