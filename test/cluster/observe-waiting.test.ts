// What became of Jobs on a real cluster, told to Terrakube by job-status, which hears of it from the audit log only: Jobs
// that wait for what does not come. Only the schedule knows when that has been too long.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_OPTIONS } from '../../lib/domain/ephemeral-options.ts';
import type { AuditedWorld, DispatchedStep } from '../support/audited-world.ts';
import { until } from '../support/running-stack.ts';
import { auditedWorld, untilTold } from './support/audited-cluster.ts';
import { hasControllers } from './support/real-cluster.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** The Job controller comes back to a pod that was refused after 1, 2, 4 … s, and the next look tells what the last saw. */
const EXPLAINED_WITHIN_MS = 40 * SECOND;

describe.runIf(hasControllers).concurrent('job-status explains why a Job waits, and later fails its step', () => {
  let world: AuditedWorld;
  beforeAll(async () => {
    world = await auditedWorld('waiting');
  });
  afterAll(() => world?.close());

  const explained = async (step: DispatchedStep, line: RegExp, of = world) => {
    const lines = () => of.terrakube.logs(step.ids.jobId);
    const isThere = () => lines().some((text) => line.test(text));
    await until(`a line ${line} in the run's log`, isThere, EXPLAINED_WITHIN_MS).catch(async (cause: unknown) => {
      const { body } = await of.client.send('GET', `/api/v1/namespaces/${of.namespace}/events`);
      const seen = JSON.stringify({ run: lines(), jobStatus: of.log.lines, events: body });
      throw new Error(`No line ${line}, but ${seen}`, { cause });
    });
  };

  test('a Secret that is missing: two minutes', async () => {
    const step = await world.dispatch({ executor: { secrets: ['no-such-secret'] } });
    await explained(step, /Secret "no-such-secret" not found/);
    await world.ring(step.jobName, 100 * SECOND);
    expect(step.shown()).toMatchObject({ job: 'queue', step: 'pending' });

    await world.ring(step.jobName, 125 * SECOND);

    expect(await untilTold(step)).toMatchObject({
      step: 'failed',
      name: 'Step: Secret "no-such-secret" not found',
      text: expect.stringContaining('Nothing was run: safe to run again.'),
    });
  });

  test('no node that fits: as long as the payload lasts', async () => {
    const options = { ...NO_OPTIONS, nodeSelector: { disk: 'fast' } };
    const step = await world.dispatch({ executor: { options } });
    await explained(step, /no node fits/);
    await world.ring(step.jobName, 24 * MINUTE);
    expect(step.shown()).toMatchObject({ job: 'queue', step: 'pending' });

    await world.ring(step.jobName, 26 * MINUTE);

    expect(await untilTold(step)).toMatchObject({
      name: expect.stringMatching(/^Step: no node fits: 0\/1 nodes are available/),
      text: expect.stringContaining('node affinity/selector'),
    });
  });

  test('a quota of pods that is used up: as long as the payload lasts', async () => {
    const own = await auditedWorld('pods-quota');
    try {
      const path = `/api/v1/namespaces/${own.namespace}`;
      const quota = {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'no-pods' },
        spec: { hard: { pods: '0' } },
      };
      await own.client.send('POST', `${path}/resourcequotas`, { body: quota });
      // Counted is not enough: the API server goes by its own view of quotas, which is a moment older.
      const spec = { containers: [{ name: 'any', image: 'any' }] };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'any' }, spec };
      await until('the quota to be in force', async () => {
        const { body } = await own.client.send('POST', `${path}/pods?dryRun=All`, { body: pod });
        return JSON.stringify(body).includes('exceeded quota: no-pods');
      });
      const step = await own.dispatch();
      await explained(step, /quota/, own);

      await own.ring(step.jobName, 26 * MINUTE);

      expect(await untilTold(step)).toMatchObject({
        name: expect.stringMatching(/^Step: .*quota/),
        text: expect.stringContaining('no-pods'),
      });
    } finally {
      await own.close();
    }
  });
});
