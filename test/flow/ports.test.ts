// The in-memory ports obey the contracts that the real clients obey.
import { expect, test } from 'vitest';
import { ids, laterStep, step, terrakubeJob } from '../support/builders.ts';
import { createInMemoryClock } from '../support/in-memory-clock.ts';
import { createInMemoryJobStore } from '../support/in-memory-job-store.ts';
import { createInMemoryTerrakube } from '../support/in-memory-terrakube.ts';
import { describeJobStore } from '../support/job-store-suite.ts';
import { describeTerrakube } from '../support/terrakube-port-suite.ts';

const MINUTE = 60_000;

describeJobStore('jobs in memory', async () => ({ store: createInMemoryJobStore(), namespace: 'terrakube' }));

describeTerrakube('Terrakube in memory', async () => {
  const terrakube = createInMemoryTerrakube();
  const of = ids();
  const job = terrakubeJob({ steps: [step(), laterStep()] });
  terrakube.put(of, job);
  return {
    terrakube,
    lists: terrakube,
    ids: of,
    job,
    jobOutput: async () => terrakube.job(of)?.output ?? null,
  };
});

test("a job's date in memory moves when the job really changes, and not with its steps", async () => {
  const clock = createInMemoryClock();
  const terrakube = createInMemoryTerrakube(clock.now);
  const of = ids();
  const date = async () => (await terrakube.listLiveJobs()).get(of.jobId)?.updatedAt;
  terrakube.put(of, terrakubeJob({ comments: 'first' }));
  const dates = [await date()];
  for (const change of [
    () => terrakube.patchJob(of, { comments: 'first', status: 'queue' }),
    () => terrakube.patchStep(of, { status: 'running' }),
    () => terrakube.changeStep(of, { output: 'said' }),
    () => terrakube.patchJob(of, { comments: 'second' }),
    () => terrakube.changeJob(of, { status: 'running' }),
  ]) {
    clock.advance(MINUTE);
    await change();
    dates.push(await date());
  }
  const minutes = dates.map((at) => (at ?? 0) - (dates[0] ?? 0));
  expect(minutes).toEqual([0, 0, 0, 0, 4, 5].map((count) => count * MINUTE));
});
