// The API server goes away and comes back while steps are dispatched: each of them ends as exactly one Job.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { type ControlPlane, startControlPlane } from '../../local/control-plane/control-plane.ts';
import { executorSettings, INSTALLATION, ids, payload } from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

let controlPlane: ControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ programs: await buildControlPlane() });
}, 120_000);
afterAll(() => controlPlane.stop());

const STEPS = 60;

test('an API server that is restarted in the middle loses no step and doubles none', { timeout: 120_000 }, async () => {
  const { url, caPem, tokens } = controlPlane;
  const address = { endpoint: url, caPem };
  const jobs = createKubernetesJobs({
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => tokens.admin, forget: () => undefined },
    namespace: 'terrakube',
    now: () => epochMs(Date.now()),
    timeoutMs: 3000,
  });
  const steps = Array.from({ length: STEPS }, () => ids({ jobId: String(randomInt(1, 2 ** 40)) }));
  const outcomes: string[] = [];
  const dispatchOne = async (of: (typeof steps)[number]): Promise<void> => {
    const world = createDispatchWorld({ ids: of });
    for (let delivery = 0; delivery < 200; delivery += 1) {
      const result = await world.deliver({ jobs, executor: executorSettings() }, { payload: payload(of) });
      outcomes.push(result);
      if (result === 'done') return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error('never acknowledged');
  };

  const restarted = controlPlane.restart();
  for (let first = 0; first < STEPS; first += 10) await Promise.all(steps.slice(first, first + 10).map(dispatchOne));
  await restarted;

  expect(outcomes).toContain('again');
  const found = await jobs.listJobs('app.kubernetes.io/managed-by=terrakube-dispatcher');
  expect(found.map(({ metadata }) => metadata?.name).sort()).toEqual(
    steps.map((of) => jobName(of, INSTALLATION, 1)).sort(),
  );
});
