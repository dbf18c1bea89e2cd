// The three ways of a payload to its executor.
import type { V1Secret } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import { PAYLOAD_TRANSPORTS, payloadLimitBytes } from '../../lib/domain/payload-transport.ts';
import { refuse } from '../support/api-refusals.ts';
import { executorSettings, INSTALLATION, ids, payload } from '../support/builders.ts';
import { createDispatchWorld, type DispatchWorld } from '../support/dispatch-world.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const container = (job: ReturnType<ReturnType<typeof createDispatchWorld>['store']['allJobs']>[number] | undefined) =>
  job?.spec?.template.spec?.containers[0];

describe('the payload', () => {
  test('as a file is mounted, with no variable of its name', async () => {
    const world = createDispatchWorld();
    await world.deliver();

    const [job] = world.store.allJobs();
    expect(job?.spec?.suspend).toBeUndefined();
    expect(job?.spec?.template.spec?.volumes).toEqual([
      { name: 'payload', secret: { secretName: NAME, defaultMode: 0o440 } },
    ]);
    expect(container(job)?.env?.map(({ name }) => name)).toEqual([
      'EphemeralFlagBatch',
      'SPRING_CONFIG_IMPORT',
      'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE',
    ]);
    expect(world.store.allSecrets()).toHaveLength(1);
  });

  test('as a variable from its Secret starts the Job suspended and resumes it when the Secret is there', async () => {
    const calls: string[] = [];
    const world = createDispatchWorld({
      around: (name, call) => {
        calls.push(name);
        return call();
      },
    });

    await world.deliver({ executor: executorSettings({ transport: 'secretEnv' }) });

    expect(calls.filter((name) => /Job$|Secret$/.test(name) && name !== 'getJob')).toEqual([
      'createJob',
      'createSecret',
      'resumeJob',
    ]);
    const [job] = world.store.allJobs();
    expect(job?.spec?.suspend).toBe(false);
    expect(job?.spec?.template.spec?.volumes).toEqual([]);
    expect(container(job)?.env?.[1]).toEqual({
      name: 'EphemeralJobData',
      valueFrom: { secretKeyRef: { name: NAME, key: 'EphemeralJobData' } },
    });
  });

  test('in the Job itself needs no Secret', async () => {
    const world = createDispatchWorld();
    await world.deliver({ executor: executorSettings({ transport: 'env' }) });

    const [job] = world.store.allJobs();
    expect(Buffer.from(container(job)?.env?.[1]?.value ?? '', 'base64')).toEqual(Buffer.from(payload()));
    expect(world.store.allSecrets()).toEqual([]);
    expect(await world.deliver({ executor: executorSettings({ transport: 'env' }) })).toBe('done');
    expect(world.store.allSecrets()).toEqual([]);
  });

  test.each(PAYLOAD_TRANSPORTS)(
    'by %s of exactly its limit is taken, and of one byte more is refused with both sizes',
    async (transport) => {
      const limit = payloadLimitBytes(transport);
      const ofSize = (bytes: number): Uint8Array => {
        const empty = payload(ids(), { filler: '' }).byteLength;
        return payload(ids(), { filler: 'x'.repeat(bytes - empty) });
      };
      const executor = executorSettings({ transport });
      const [fits, tooLarge] = [createDispatchWorld(), createDispatchWorld()];

      await fits.deliver({ executor }, { payload: ofSize(limit) });
      await tooLarge.deliver({ executor }, { payload: ofSize(limit + 1) });

      expect(fits.store.createdNames()).toEqual([NAME]);
      expect(tooLarge.store.createdNames()).toEqual([]);
      const figure = (value: number) => value.toLocaleString('en-US');
      expect(tooLarge.terrakube.job(ids())?.steps[0]?.name).toBe(
        `Terraform Plan: the job's data is too large (${figure(limit + 1)} bytes, limit ${figure(limit)})`,
      );
    },
  );

  test('limits are those of Secrets and of Linux', () => {
    expect(PAYLOAD_TRANSPORTS.map((transport) => [transport, Math.ceil(payloadLimitBytes(transport) / 3) * 4])).toEqual(
      [
        ['file', 1_048_576],
        ['secretEnv', 131_000],
        ['env', 131_000],
      ],
    );
  });
});

describe('a suspended Job', () => {
  const executor = executorSettings({ transport: 'secretEnv' });

  test('whose delivery stopped before the resume is resumed by the next one', async () => {
    const world = createDispatchWorld();
    const unanswered = { ...world.store, resumeJob: () => Promise.reject(new Error('the sandbox died')) };
    expect(await world.deliver({ executor, jobs: unanswered })).toBe('again');

    expect(await world.deliver({ executor })).toBe('done');

    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(false);
    expect(world.store.createdNames()).toEqual([NAME]);
  });

  test.each([
    ['a quota is used up by it', (world: DispatchWorld) => world.store.limit({ secrets: 1 }), {}],
    ['a webhook does not answer', () => undefined, { createSecret: refuse({ status: 500, message: 'webhook' }) }],
  ])('whose Secret is there, while %s, is resumed by the next one', async (_, before, changes) => {
    const world = createDispatchWorld();
    const unanswered = { ...world.store, resumeJob: () => Promise.reject(new Error('the sandbox died')) };
    await world.deliver({ executor, jobs: unanswered });
    before(world);

    expect(await world.deliver({ executor, jobs: { ...world.store, ...changes } })).toBe('done');

    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(false);
    expect(world.store.allSecrets()).toHaveLength(1);
  });

  test('whose Secret is not there waits for the quota', async () => {
    const world = createDispatchWorld();
    world.store.limit({ secrets: 0 });

    expect(await world.deliver({ executor })).toBe('again');
    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(true);

    world.store.limit({});
    expect(await world.deliver({ executor })).toBe('done');
    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(false);
  });

  test('that has ended is not resumed', async () => {
    const world = createDispatchWorld();
    const jobs = {
      ...world.store,
      createSecret: async (secret: V1Secret) => {
        const answer = await world.store.createSecret(secret);
        world.store.end(NAME, 'Failed');
        return answer;
      },
    };

    expect(await world.deliver({ executor, jobs })).toBe('done');
    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(true);
  });

  test('that changes between read and resume is looked at again', async () => {
    const world = createDispatchWorld();
    let isFirst = true;
    const jobs = {
      ...world.store,
      resumeJob: async (name: string, resourceVersion: string) => {
        if (!isFirst) return world.store.resumeJob(name, resourceVersion);
        isFirst = false;
        return 'conflict' as const;
      },
    };

    expect(await world.deliver({ executor, jobs })).toBe('done');
    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(false);
  });

  test('14: that was judged meanwhile is not resumed', async () => {
    const world = createDispatchWorld();
    const verdict = {
      action: 'fail',
      cause: 'x',
      title: 't',
      evidence: 'e',
      advice: 'a',
      at: '2026-11-24T12:00:00.000Z',
    };
    const jobs = {
      ...world.store,
      resumeJob: async (name: string, resourceVersion: string) => {
        await world.store.stopJob(name, resourceVersion, verdict);
        return world.store.resumeJob(name, resourceVersion);
      },
    };

    expect(await world.deliver({ executor, jobs })).toBe('done');
    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(true);
  });

  test('26: whose Secret cannot be created is judged once and counted; no start is made without end', async () => {
    const world = createDispatchWorld();
    const forbidden = {
      status: 403,
      reason: 'Forbidden',
      message:
        'secrets is forbidden: User "x" cannot create resource "secrets" in API group "" in the namespace "terrakube"',
      causes: [],
    };
    const jobs = { ...world.store, createSecret: async () => ({ kind: 'refused', refusal: forbidden }) as const };

    expect(await world.deliver({ executor, jobs })).toBe('done');

    expect(world.store.createdNames()).toEqual([NAME]);
    expect(world.store.allJobs()[0]?.spec?.suspend).toBe(true);
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'failed',
      steps: [{ name: 'Terraform Plan: the dispatcher may not create Secrets in namespace terrakube' }],
    });
    expect(await world.deliver({ executor, jobs })).toBe('done');
    expect(world.store.createdNames()).toEqual([NAME]);
  });
});

test('a Job that was made with another transport is finished in the way that it was made', async () => {
  const world = createDispatchWorld();
  const lost = { ...world.store, createSecret: () => Promise.reject(new Error('the sandbox died')) };
  await world.deliver({ executor: executorSettings({ transport: 'file' }), jobs: lost });

  await world.deliver({ executor: executorSettings({ transport: 'env' }) });

  expect(world.store.allSecrets().map(({ metadata }) => metadata?.name)).toEqual([NAME]);
});
