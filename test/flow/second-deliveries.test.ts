// What a second delivery must not spoil: a newer start, somebody else's verdict, an executor that is about to speak.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import type { ExecutorSettings } from '../../lib/domain/executor-settings.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { PAYLOAD_KEY } from '../../lib/domain/payload-secret.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { epochMs } from '../../lib/domain/time.ts';
import type { JobStore } from '../../lib/ports.ts';
import {
  executorSettings,
  INSTALLATION,
  ids,
  kubernetesJob,
  NOON,
  patience,
  payload,
  recordedVerdict,
} from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const MINUTE = 60_000;
const verdict = {
  action: 'restart',
  cause: 'quota',
  title: 't',
  evidence: 'e',
  advice: 'a',
  at: '2026-11-24T12:00:00.000Z',
};
const forbidden = {
  kind: 'refused',
  refusal: {
    status: 403,
    reason: 'Forbidden',
    message:
      'secrets is forbidden: User "x" cannot create resource "secrets" in API group "" in the namespace "terrakube"',
    causes: [],
  },
} as const;
const unreadable = () => Promise.reject(new DispatcherError('clusterUnavailable', 'no answer.'));
const unanswered = async () => ({ kind: 'noAnswer' }) as const;
const throttled = { kind: 'refused', refusal: { status: 429, message: '', causes: [] } } as const;

describe('an old message', () => {
  test('does not give a newer start of its step the payload that was renewed', async () => {
    const world = createDispatchWorld();
    const old = { payload: payload(ids(), { accessToken: 'old' }), acceptedAt: epochMs(NOON - MINUTE) };
    const fresh = { payload: payload(ids(), { accessToken: 'fresh' }) };
    // The newer delivery made the Job and was stopped before its Secret.
    const died = { ...world.store, createSecret: () => Promise.reject(new Error('the sandbox died')) };
    await world.deliver({ jobs: died }, fresh);

    expect(await world.deliver({}, old)).toBe('done');
    expect(world.store.allSecrets()).toEqual([]);
    expect(await world.deliver({}, fresh)).toBe('done');

    const text = Buffer.from(world.store.allSecrets()[0]?.data?.[PAYLOAD_KEY] ?? '', 'base64').toString('ascii');
    expect(JSON.parse(Buffer.from(text, 'base64').toString('utf8')).accessToken).toBe('fresh');
  });

  test('of the same moment gives its own: nobody can say that it is the older one', async () => {
    const world = createDispatchWorld();
    const died = { ...world.store, createSecret: () => Promise.reject(new Error('the sandbox died')) };
    await world.deliver({ jobs: died });

    await world.deliver({}, { payload: payload(ids(), { accessToken: 'another' }) });

    expect(world.store.allSecrets()).toHaveLength(1);
  });

  test('that is the same payload once more gives it', async () => {
    const world = createDispatchWorld();
    const died = { ...world.store, createSecret: () => Promise.reject(new Error('the sandbox died')) };
    await world.deliver({ jobs: died });

    await world.deliver({}, { acceptedAt: epochMs(NOON - MINUTE) });

    expect(world.store.allSecrets()).toHaveLength(1);
  });
});

describe('a Job whose Secret is refused for good', () => {
  test('and that somebody else judged meanwhile is left to that verdict', async () => {
    const world = createDispatchWorld();
    const jobs = {
      ...world.store,
      createSecret: async () => {
        const job = await world.store.getJob(NAME);
        const version = job === 'notFound' ? '' : (job.metadata?.resourceVersion ?? '');
        await world.store.stopJob(NAME, version, verdict);
        return forbidden;
      },
    };

    expect(await world.deliver({ jobs })).toBe('done');

    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
    const [job] = world.store.allJobs();
    expect(job && readVerdict(job)).toEqual(verdict);
  });

  test('and that we may not stop is told all the same', async () => {
    const world = createDispatchWorld();
    const jobs = { ...world.store, createSecret: async () => forbidden, stopJob: async () => 'forbidden' as const };

    expect(await world.deliver({ jobs })).toBe('done');

    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed' });
  });
});

describe('a job is not written to', () => {
  test('while a Job of the step is there, whose executor may be about to speak', async () => {
    const world = createDispatchWorld();
    const jobs = { ...world.store, createSecret: async () => throttled };
    world.clock.advance(MINUTE);

    expect(await world.deliver({ jobs })).toBe('again');

    expect(world.store.createdNames()).toEqual([NAME]);
    expect(world.terrakube.job(ids())?.comments).toBeNull();
  });

  test('while the Job of a twin is there, for which a quota leaves no room', async () => {
    const world = createDispatchWorld();
    const readsBeforeTwin = async () => {
      world.store.put(kubernetesJob());
      world.store.limit({ jobs: 1 });
      return world.store.createJob(kubernetesJob());
    };
    world.clock.advance(MINUTE);

    expect(await world.deliver({ jobs: { ...world.store, createJob: readsBeforeTwin } })).toBe('again');

    expect(world.log.lines.at(-1)).toMatchObject({ outcome: 'waiting' });
    expect(world.terrakube.job(ids())?.comments).toBeNull();
  });

  test('when the Job of a twin has ended, it may be', async () => {
    const world = createDispatchWorld();
    const verdictOfTwin = recordedVerdict({ action: 'restart' });
    world.store.put(kubernetesJob({ ended: 'Failed', verdict: verdictOfTwin }));
    world.store.limit({ jobs: 1 });
    world.clock.advance(MINUTE);

    expect(await world.deliver()).toBe('again');

    expect(world.terrakube.job(ids())?.comments).toMatch(/^waiting: quota executors .*, 60 s$/);
  });

  test.each<[string, (store: JobStore) => Partial<JobStore>]>([
    ['the Secret was made', () => ({ resumeJob: unreadable })],
    ['the Secret may have been made', () => ({ createSecret: unanswered, getSecretOwners: unreadable })],
    ['the Job may have been made', () => ({ createJob: unanswered, getJob: unreadable })],
  ])('by a delivery that lost the cluster after %s', async (_, changes) => {
    const world = createDispatchWorld();
    world.clock.advance(MINUTE);
    const executor = executorSettings({ transport: 'secretEnv' });

    expect(await world.deliver({ executor, jobs: { ...world.store, ...changes(world.store) } })).toBe('again');

    expect(world.log.lines.at(-1)).toMatchObject({ outcome: 'retried', code: 'clusterUnavailable' });
    expect(world.terrakube.job(ids())?.comments).toBeNull();
  });

  test('while a Job that no list shows any more is being deleted', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ isBeingDeleted: true }));
    world.clock.advance(MINUTE);

    expect(await world.deliver({ jobs: { ...world.store, listJobs: async () => [] } })).toBe('again');

    expect(world.terrakube.job(ids())?.comments).toBeNull();
  });

  test('by a delivery that saw a Job before it lost the cluster', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob());
    let lists = 0;
    const listJobs: JobStore['listJobs'] = (selector) => {
      lists += 1;
      return lists === 1 ? world.store.listJobs(selector) : unreadable();
    };
    world.clock.advance(MINUTE);

    const jobs = { ...world.store, listJobs, createSecret: async () => forbidden, getSecretOwners: unreadable };
    expect(await world.deliver({ jobs })).toBe('again');

    expect(world.terrakube.job(ids())?.comments).toBeNull();
  });

  test('but is while the cluster cannot be read at all, which is not asked twice for it', async () => {
    const world = createDispatchWorld();
    let lists = 0;
    const listJobs = () => {
      lists += 1;
      return unreadable();
    };
    world.clock.advance(MINUTE);

    expect(await world.deliver({ jobs: { ...world.store, listJobs } })).toBe('again');

    expect(lists).toBe(1);
    expect(world.terrakube.job(ids())?.comments).toBe('waiting: the Kubernetes API does not answer, 60 s');
  });

  test('but is when none could be made', async () => {
    const world = createDispatchWorld();
    world.clock.advance(MINUTE);

    expect(await world.deliver({ jobs: { ...world.store, createJob: async () => throttled } })).toBe('again');

    expect(world.terrakube.job(ids())?.comments).toBe('waiting: the Kubernetes API is throttling, 60 s');
  });

  test('as failed while its Job is being deleted: the executor may be in its last seconds', async () => {
    const world = createDispatchWorld();
    const deleted = kubernetesJob();
    const listed = { ...deleted, metadata: { ...deleted.metadata, deletionTimestamp: new Date(NOON) } };
    // The first list shows nothing; the look before the words shows the Job that goes.
    let lists = 0;
    const jobs = {
      ...world.store,
      createJob: async () => ({ kind: 'refused', refusal: { status: 422, message: 'no', causes: [] } }) as const,
      listJobs: async () => {
        lists += 1;
        return lists === 1 ? [] : [listed];
      },
    };

    expect(await world.deliver({ jobs })).toBe('done');

    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue' });
  });
});

describe('what is refused now', () => {
  const large = payload(ids(), { filler: 'x'.repeat(100_000) });
  test.each<[string, Partial<ExecutorSettings>]>([
    ['gives a Job its Secret, though its workspace may not have an executor any more', { requireOptIn: true }],
    ['gives a Job its Secret, though its payload is larger than what is taken now', { transport: 'env' }],
  ])('%s', async (_, changes) => {
    const world = createDispatchWorld();
    const died = { ...world.store, createSecret: () => Promise.reject(new Error('the sandbox died')) };
    await world.deliver({ jobs: died }, { payload: large });

    const executor = executorSettings(changes);
    expect(await world.deliver({ executor }, { payload: large })).toBe('done');

    expect(world.log.lines.at(-1)).toMatchObject({ outcome: 'exists', jobName: NAME });
    expect(world.store.allSecrets()).toHaveLength(1);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue' });
  });

  test('is told when the older Job, which is being deleted, has gone', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ isBeingDeleted: true }));
    const executor = executorSettings({ requireOptIn: true });
    expect(await world.deliver({ executor })).toBe('again');
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue' });

    world.store.remove(NAME);
    expect(await world.deliver({ executor })).toBe('done');
    expect(world.store.createdNames()).toEqual([]);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed' });
  });
});

test('while dispatching is paused a Job that is there still gets its Secret', async () => {
  const world = createDispatchWorld();
  const died = { ...world.store, createSecret: () => Promise.reject(new Error('the sandbox died')) };
  await world.deliver({ jobs: died });

  expect(await world.deliver({ patience: patience({ isPaused: true }) })).toBe('done');

  expect(world.store.allSecrets()).toHaveLength(1);
});

test('what is waited for exactly is waited for longer and longer after two minutes', async () => {
  const world = createDispatchWorld();
  // Another step's executor runs; nobody may write to the job meanwhile.
  world.terrakube.changeJob(ids(), { status: 'running' });
  const refused = { kind: 'refused', refusal: { status: 422, message: 'no', causes: [] } } as const;
  const jobs = { ...world.store, createJob: async () => refused };

  await world.deliver({ jobs }, { receiveCount: 3 });
  world.clock.advance(3 * MINUTE);
  await world.deliver({ jobs }, { receiveCount: 3 });

  expect(world.messages.delays.map(([, delay]) => delay)).toEqual([1, 20]);
});
