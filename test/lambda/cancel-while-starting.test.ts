// Users cancel while executors start, at random moments, with the built functions and processes in the place of JVMs.
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/running-stack.ts';
import { type ScheduledStack, type StartedJob, startScheduledStack } from '../support/scheduled-stack.ts';

const JOBS = 20;
const BOOT_MS = 12_000;
/** The executor hears SIGTERM until then; later it goes on, sets its job running, and works unless it is killed. */
const HEEDS_STOP_MS = 3000;
/** Terrakube is looked at every two seconds, and a busy machine takes its time. */
const IS_SEEN_WITHIN_MS = 5000;
const WORK_MS = 3000;
/** As the real one. Whoever is given less time is gone by then. */
const LAST_WORDS_MS = 2100;

const NOT_BEGUN = ['cancelled,cancelled'];
const WORKED = ['completed,completed', 'cancelled,completed'];

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
  const times = {
    ...{ DEMO_BOOT_MS: BOOT_MS, DEMO_BOOT_HEEDS_MS: HEEDS_STOP_MS },
    ...{ DEMO_WORK_MS: WORK_MS, DEMO_LAST_WORDS_MS: LAST_WORDS_MS },
  };
  const executor = Object.fromEntries(Object.entries(times).map(([name, value]) => [name, String(value)]));
  const job = on.start({ types: ['terraformApply'], executor });
  await until('its container to run', async () => (await podOf(job))?.status?.phase === 'Running', 60_000);
  const pod = (await podOf(job))?.metadata?.name ?? '';
  const cancelMs = randomInt(0, BOOT_MS);
  await pause(cancelMs);
  await on.stack.terrakube.cancel(job.jobId);
  const cancelledAt = performance.now();
  await until('its container to end', async () => (await podOf(job))?.status?.phase !== 'Running', 40_000);
  const endedAfterMs = performance.now() - cancelledAt;
  const isOver = () => job.statuses().every((status) => status === 'cancelled' || status === 'completed');
  await until('job and step to be over', isOver, 40_000).catch(() => undefined);
  return { cancelMs, endedAfterMs, status: job.statuses().join(), hasWorked: completedPods.has(pod) };
}

test(`${JOBS} jobs that are cancelled while their executors boot end cancelled, and nothing is done for them`, {
  timeout: 120_000,
}, async () => {
  await until('the first run to look', () => on.logs.some((line) => line['ActiveJobs'] !== undefined));

  const ends = await Promise.all(Array.from({ length: JOBS }, cancelOne));

  const isInTime = ({ cancelMs }: (typeof ends)[number]) => cancelMs < BOOT_MS - IS_SEEN_WITHIN_MS;
  const cancelled = ends.filter(({ status }) => status === 'cancelled,cancelled');
  const slowest = Math.round(Math.max(...cancelled.map(({ endedAfterMs }) => endedAfterMs)));
  console.info(`${cancelled.length} of ${JOBS} ended cancelled, their containers within ${slowest} ms`);
  // An executor that speaks before anybody has seen the cancel undoes it as a whole; one that has spoken is at work.
  expect(ends.filter(({ status, hasWorked }) => !(hasWorked ? WORKED : NOT_BEGUN).includes(status))).toEqual([]);
  expect(ends.filter(isInTime).filter(({ hasWorked }) => hasWorked)).toEqual([]);
});
