// The whole product with job-status on it: an executor that cannot speak for itself any more is spoken for.
import { afterEach, expect, test } from 'vitest';
import { type RunningStack, startRunningStack } from '../support/running-stack.ts';

let running: RunningStack | undefined;
afterEach(async () => {
  await running?.stack.close();
});

const plan = { steps: [{ type: 'terraformPlan', name: 'Plan' }] };
const runs = (script: string): readonly string[] => [process.execPath, '-e', script];

test('an executor that ends without a word: the run says with which code', async () => {
  running = await startRunningStack({ jobStatus: true, executor: runs('process.exit(3)') });
  const { terrakube } = running.stack;
  const { jobId } = terrakube.createJob(plan);
  await expect.poll(() => terrakube.job(jobId).status, { timeout: 20_000 }).toBe('failed');
  const [step] = terrakube.job(jobId).steps;
  expect(step?.status).toBe('failed');
  expect(step?.name).toBe('Plan: executor ended with exit code 3');
});

test('a healthy executor is left alone', async () => {
  running = await startRunningStack({ jobStatus: true });
  const { terrakube } = running.stack;
  const { jobId } = terrakube.createJob(plan);
  await expect.poll(() => terrakube.job(jobId).status, { timeout: 30_000 }).toBe('completed');
  expect(terrakube.job(jobId).steps.map(({ name, status }) => [name, status])).toEqual([['Plan', 'completed']]);
});
