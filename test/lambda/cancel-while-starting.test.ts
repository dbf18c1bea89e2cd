// Users cancel while executors start, at random moments, with the built functions and processes in the place of JVMs.
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/running-stack.ts';
import { type ScheduledStack, type StartedJob, startScheduledStack } from '../support/scheduled-stack.ts';

const JOBS = 20;
/** So many boot at once: processes of a small machine must not starve the one that looks at them. */
const SIDE_BY_SIDE = 10;
const BOOT_MS = 7000;
/** It hears SIGTERM until then; then it goes on, sets its job running, and works unless it is killed. */
const HEEDS_STOP_MS = 2000;
/** Terrakube is looked at every two seconds, and a busy machine takes its time. */
const CANCEL_BEFORE_MS = 3500;
/** One that is left alone has worked before the test ends. */
const WORK_MS = 8000;

let on: ScheduledStack;
const completedPods = new Set<string>();
beforeAll(async () => {
  on = await startScheduledStack({
    schedule: { everyMs: 30_000 },
    onExecutorLog: (pod, text) => {
      if (text === 'The step has completed.') completedPods.add(pod);
    },
  });
});
afterAll(() => on?.stack.close());

const podOf = async ({ jobId }: StartedJob) => {
  const wanted = { namespace: 'terrakube', labelSelector: `terrakube.io/job=${jobId}` };
  return (await on.kubernetes.core.listNamespacedPod(wanted)).items[0];
};

/** Cancels one job at a random moment of its executor's boot, and says how it ended. */
async function cancelOne() {
  const boot = { DEMO_BOOT_MS: BOOT_MS, DEMO_BOOT_HEEDS_MS: HEEDS_STOP_MS, DEMO_WORK_MS: WORK_MS };
  const executor = Object.fromEntries(Object.entries(boot).map(([name, value]) => [name, String(value)]));
  const job = on.start({ types: ['terraformApply'], executor });
  await until('its container to run', async () => (await podOf(job))?.status?.phase === 'Running', 60_000);
  const cancelMs = randomInt(0, CANCEL_BEFORE_MS);
  await pause(cancelMs);
  await on.stack.terrakube.cancel(job.jobId);
  const cancelledAt = performance.now();
  await until('its container to end', async () => (await podOf(job))?.status?.phase !== 'Running', 30_000);
  const endedAfterMs = performance.now() - cancelledAt;
  await until('job and step to be cancelled', () => job.statuses().join() === 'cancelled,cancelled', 30_000);
  return { cancelMs, endedAfterMs };
}

test(`${JOBS} jobs that are cancelled while their executors boot end cancelled, and nothing is done for them`, {
  timeout: 120_000,
}, async () => {
  await until('the first run to look', () => on.logs.some((line) => line['ActiveJobs'] !== undefined));
  const ends: Awaited<ReturnType<typeof cancelOne>>[] = [];
  for (let done = 0; done < JOBS; done += SIDE_BY_SIDE) {
    ends.push(...(await Promise.all(Array.from({ length: SIDE_BY_SIDE }, cancelOne))));
  }
  const slowest = Math.max(...ends.map(({ endedAfterMs }) => endedAfterMs));
  console.info(`containers ended within ${Math.round(slowest)} ms of the cancel`);

  expect(ends).toHaveLength(JOBS);
  expect([...completedPods]).toEqual([]);
});
