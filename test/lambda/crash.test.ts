// The sandbox is killed after each call to the outside, in turn; then the message is delivered again. Whatever was done by
// then: one Job, one Secret, one executor, and no step without an end.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { type MeddlingProxy, startMeddlingProxy } from '../support/meddling-proxy.ts';
import { queueEvent } from '../support/queue-event.ts';
import { type RunningStack, startRunningStack, until } from '../support/running-stack.ts';

let running: RunningStack;
let toCluster: MeddlingProxy;
let toTerrakube: MeddlingProxy;
/** How many calls to the outside dispatch has made since the last count. */
let calls = 0;
let killAfter = Number.POSITIVE_INFINITY;

beforeAll(async () => {
  running = await startRunningStack({
    proxies: async ({ cluster, terrakube }) => {
      toCluster = await startMeddlingProxy(cluster.url, cluster.caPem);
      toTerrakube = await startMeddlingProxy(terrakube.url);
      return { cluster: toCluster, terrakube: toTerrakube };
    },
  });
  // The work is done and its answer is not sent yet: what a crash at this moment leaves behind.
  const after = async () => {
    calls += 1;
    if (calls === killAfter) await running.stack.lambda.kill('dispatch');
    return undefined;
  };
  for (const proxy of [toCluster, toTerrakube]) proxy.meddle({ after });
});
afterAll(async () => {
  await running.stack.close();
  await Promise.all([toCluster.close(), toTerrakube.close()]);
});

/** Delivers a message, killing the sandbox after a number of calls, and then again until it is acknowledged. */
async function deliver(body: string, number: number): Promise<{ readonly wasKilled: boolean }> {
  calls = 0;
  killAfter = number;
  const first = await running.stack.lambda.invoke('dispatch', queueEvent({ body }));
  killAfter = Number.POSITIVE_INFINITY;
  for (let receiveCount = 2; receiveCount < 10; receiveCount += 1) {
    const { payload } = await running.stack.lambda.invoke('dispatch', queueEvent({ body, receiveCount }));
    if (payload === '{"batchItemFailures":[]}') return { wasKilled: first.functionError !== undefined };
  }
  throw new Error('the message was never acknowledged');
}

describe('a dispatch that is killed after one of its calls', () => {
  // One read of Terrakube and one of the cluster, then the Job, then its Secret.
  test.each([1, 2, 3, 4])('(call %i) ends as one Job, one Secret and one executor run', async (number) => {
    const { stack, startedPods, kubernetes } = running;
    const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan' }] });

    const { wasKilled } = await deliver(payload.toString('utf8'), number);

    expect(wasKilled).toBe(true);
    await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');
    const wanted = { namespace: 'terrakube', labelSelector: `terrakube.io/job=${jobId}` };
    expect({
      jobs: (await kubernetes.batch.listNamespacedJob(wanted)).items.length,
      secrets: (await kubernetes.core.listNamespacedSecret(wanted)).items.length,
      pods: startedPods(jobId),
    }).toEqual({ jobs: 1, secrets: 1, pods: 1 });
  });

  test('makes no call that this does not count', async () => {
    const { stack } = running;
    const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan' }] });

    const { wasKilled } = await deliver(payload.toString('utf8'), 1000);
    await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');

    // The second delivery: both reads, the Secret that is there, and its owner.
    expect({ wasKilled, calls }).toEqual({ wasKilled: false, calls: 4 + 4 });
  });
});

describe('a refusal that is killed after one of its calls', () => {
  const refused = JSON.stringify({
    kind: 'Status',
    status: 'Failure',
    reason: 'Invalid',
    message: 'Job.batch "x" is invalid: spec.template.spec.containers[0].image: Required value',
    code: 422,
    details: {
      kind: 'Job',
      causes: [
        { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.template.spec.containers[0].image' },
      ],
    },
  });

  // Both reads, the create, the list again; then Terrakube: read, log, read, step, read, job.
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('(call %i) ends as one failed step and one failed job', async (number) => {
    const { stack, startedPods } = running;
    const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan', name: 'Plan' }] });
    toCluster.meddle({
      before: ({ method }) => {
        if (method !== 'POST') return undefined;
        return afterCall().then(() => ({ kind: 'answer', status: 422, body: refused }) as const);
      },
      after: afterCall,
    });

    const { wasKilled } = await deliver(payload.toString('utf8'), number);

    expect(wasKilled).toBe(true);
    expect(stack.terrakube.job(jobId)).toMatchObject({
      status: 'failed',
      output: expect.stringContaining('Kubernetes refused the Job as invalid'),
      steps: [{ status: 'failed', name: 'Plan: Kubernetes refused the Job as invalid' }],
    });
    expect(startedPods(jobId)).toBe(0);
  });

  const afterCall = async () => {
    calls += 1;
    if (calls === killAfter) await running.stack.lambda.kill('dispatch');
    return undefined;
  };
});
