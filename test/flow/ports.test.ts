// The in-memory ports obey the contracts that the real clients obey.
import { ids, laterStep, step, terrakubeJob } from '../support/builders.ts';
import { createInMemoryJobStore } from '../support/in-memory-job-store.ts';
import { createInMemoryTerrakube } from '../support/in-memory-terrakube.ts';
import { describeJobStore } from '../support/job-store-suite.ts';
import { describeTerrakube } from '../support/terrakube-port-suite.ts';

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
