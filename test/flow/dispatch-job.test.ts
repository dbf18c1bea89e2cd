import { describe, expect, test } from 'vitest';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { seconds } from '../../lib/domain/time.ts';
import { type DispatchDeps, dispatchJob } from '../../lib/flows/dispatch-job.ts';
import { DENIED, noAnswer, notAllowed, QUOTA, refuse, THROTTLED } from '../support/api-refusals.ts';
import {
  executorSettings,
  INSTALLATION,
  ids,
  kubernetesJob,
  laterStep,
  NOON,
  payload,
  recordedVerdict,
  request,
  step,
  terrakubeJob,
} from '../support/builders.ts';
import { createDispatchWorld, type WorldOptions } from '../support/dispatch-world.ts';
import { tap } from '../support/tap.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const SECOND = jobName(ids(), INSTALLATION, 2);

function world(options: WorldOptions = {}, changes: Partial<DispatchDeps> = {}) {
  const all = createDispatchWorld(options);
  const dispatch = (asked: Parameters<typeof dispatchJob>[1] = request({ ids: all.ids }), more = changes) =>
    dispatchJob({ ...all.deps, ...more }, asked);
  return { ...all, dispatch };
}

describe('a step that waits for its executor', () => {
  test('gets a Job and its Secret', async () => {
    const { store, terrakube, dispatch } = world();
    expect(await dispatch()).toEqual({ outcome: 'created', jobName: NAME });
    const [job] = store.allJobs();
    const { uid, resourceVersion, ...metadata } = job?.metadata ?? {};
    expect({ ...job, metadata }).toEqual(
      buildJob({ request: request(), settings: executorSettings(), installation: INSTALLATION, start: 1, now: NOON }),
    );
    expect(store.allSecrets()).toMatchObject([
      { metadata: { name: NAME, namespace: 'terrakube', ownerReferences: [{ kind: 'Job', name: NAME, uid }] } },
    ]);
    expect(resourceVersion).toBeDefined();
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
  });

  test('gets the payload byte for byte', async () => {
    const { store, dispatch } = world();
    await dispatch();
    const data = store.allSecrets()[0]?.data?.['EphemeralJobData'] ?? '';
    const file = Buffer.from(data, 'base64').toString('ascii');
    expect(Buffer.from(file, 'base64')).toEqual(payload());
  });
});

describe('a step that does not need an executor any more', () => {
  const failedByOthers = step({ status: 'failed', output: 'https://logs' });
  test.each<readonly [string, WorldOptions, string]>([
    ['the job is gone', { job: null }, 'jobGone'],
    ['the job was cancelled', { job: terrakubeJob({ status: 'cancelled' }) }, 'jobEnded'],
    ['the step runs', { job: terrakubeJob({ steps: [step({ status: 'running' })] }) }, 'stepStarted'],
    ['the step has ended', { job: terrakubeJob({ steps: [failedByOthers] }) }, 'stepEnded'],
    ['Terrakube made the steps anew', { job: terrakubeJob({ steps: [laterStep()] }) }, 'superseded'],
  ])('%s: no Job', async (_, options, why) => {
    const { store, dispatch } = world(options);
    expect(await dispatch()).toEqual({ outcome: 'skipped', reason: why });
    expect(store.createdNames()).toEqual([]);
  });

  test('the cluster may be out of reach then', async () => {
    const around = (method: string, call: () => Promise<unknown>) =>
      method === 'listJobs' ? Promise.reject(new Error('unreachable')) : call();
    const { dispatch } = world({ job: null, around });
    expect(await dispatch()).toEqual({ outcome: 'skipped', reason: 'jobGone' });
  });
});

describe('a job that Terrakube is still writing down', () => {
  const uncommitted = terrakubeJob({ status: 'pending', steps: [] });
  test.each([
    [0, 1],
    [1000, 2],
    [3000, 4],
    [7000, 8],
    [15_000, 15],
    [119_000, 15],
  ])('%i ms old is tried again in %i s', async (age, delay) => {
    const { store, clock, dispatch } = world({ job: uncommitted });
    clock.advance(age);
    expect(await dispatch()).toEqual({
      outcome: 'retried',
      reason: 'Terrakube has not committed the job yet',
      wait: { exactly: delay },
    });
    expect(store.createdNames()).toEqual([]);
  });

  test.each([1, 2, 3])('and commits before look %i gets its Job in the same invocation', async (looks) => {
    const { terrakube, clock, dispatch } = world({ job: uncommitted });
    const commits = tap(terrakube, (method, call) => {
      if (method === 'getJob' && clock.sleeps.length === looks) terrakube.put(ids(), terrakubeJob());
      return call();
    });
    expect(await dispatch(request(), { terrakube: commits })).toEqual({ outcome: 'created', jobName: NAME });
    expect(clock.sleeps.reduce((sum, pause) => sum + pause, 0)).toBeLessThan(1000);
  });

  test('was rolled back when two minutes have gone by', async () => {
    const { clock, dispatch } = world({ job: uncommitted });
    clock.advance(120_000);
    expect(await dispatch()).toEqual({ outcome: 'skipped', reason: 'neverCommitted' });
    expect(clock.sleeps).toEqual([]);
  });
});

describe('a step that has Jobs already', () => {
  test('of which the newest runs: it is the one', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob());
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    expect(store.allSecrets()).toHaveLength(1);
    expect(store.createdNames()).toEqual([]);
  });

  test.each(['Complete', 'Failed'] as const)('of which the newest is %s: nothing is made', async (ended) => {
    const { store, dispatch } = world();
    store.put(kubernetesJob({ ended }));
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    expect([store.createdNames(), store.allSecrets()]).toEqual([[], []]);
  });

  test('of which the newest failed to be started again: the next start', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob({ ended: 'Failed', verdict: recordedVerdict({ action: 'restart' }) }));
    expect(await dispatch()).toEqual({ outcome: 'created', jobName: SECOND });
    expect(store.allSecrets().map(({ metadata }) => metadata?.name)).toEqual([SECOND]);
  });

  test('of which the newest is to be started again but has not ended: nothing is made', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob({ verdict: recordedVerdict({ action: 'restart' }) }));
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    expect([store.createdNames(), store.allSecrets()]).toEqual([[], []]);
  });

  test('of which the newest is being deleted: again in 2 s', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob({ isBeingDeleted: true }));
    expect(await dispatch()).toEqual({
      outcome: 'retried',
      reason: 'an older Job of this step is being deleted',
      wait: { exactly: 2 },
      on: { cause: 'beingDeleted', mayRun: true },
    });
    expect(store.createdNames()).toEqual([]);
  });

  test('of another installation: they are not looked at', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob({ installation: 'other' }));
    expect(await dispatch()).toEqual({ outcome: 'created', jobName: NAME });
  });
});

describe('a create of the Job that was not answered with the Job', () => {
  const notListed = { listJobs: async () => [] };

  test('because it is there already: it is the one', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob());
    const jobs = { ...store, ...notListed };
    expect(await dispatch(request(), { jobs })).toEqual({ outcome: 'exists', jobName: NAME });
    expect(store.allSecrets()).toHaveLength(1);
  });

  test('because a foreign object has its name: the user is told', async () => {
    const { store, terrakube, dispatch } = world();
    const foreign = kubernetesJob();
    store.put({ ...foreign, metadata: { ...foreign.metadata, labels: {} } });
    expect(await dispatch()).toEqual({ outcome: 'failed', reason: `a foreign Job has the name ${NAME}` });
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
    expect(store.allSecrets()).toEqual([]);
  });

  test('because its name is being given free: it waits', async () => {
    const { store, dispatch } = world();
    store.put(kubernetesJob({ isBeingDeleted: true }));
    expect(await dispatch(request(), { jobs: { ...store, ...notListed } })).toEqual({
      outcome: 'retried',
      reason: 'an older Job of this name is being deleted',
      wait: {},
      on: { cause: 'beingDeleted', mayRun: true },
    });
  });

  test('but not at all, and it is not there: it waits', async () => {
    const { store, dispatch } = world();
    const jobs = { ...store, createJob: noAnswer };
    expect(await dispatch(request(), { jobs })).toEqual({
      outcome: 'retried',
      reason: 'the Kubernetes API gave no answer to the create',
      wait: {},
      on: { cause: 'noAnswer', mayRun: true },
    });
    expect(store.allJobs()).toEqual([]);
  });

  test('because a quota is used up: it waits for capacity, and the quota is named', async () => {
    const { store, terrakube, dispatch } = world();
    expect(await dispatch(request(), { jobs: { ...store, createJob: refuse(QUOTA) } })).toEqual({
      outcome: 'waiting',
      reason:
        'quota terrakube-quota of namespace terrakube is used up (used count/jobs.batch=20, limit count/jobs.batch=20)',
      wait: { atMost: 30 },
      on: { cause: 'quota', mayRun: false },
    });
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
  });

  test('because the server is busy: it waits as long as the server asks', async () => {
    const { store, dispatch } = world();
    expect(await dispatch(request(), { jobs: { ...store, createJob: refuse(THROTTLED) } })).toEqual({
      outcome: 'retried',
      reason: 'the Kubernetes API is throttling',
      wait: { atLeast: seconds(7) },
      on: { cause: 'throttled', mayRun: false },
    });
  });

  test.each([
    ['an admission policy', DENIED, "the cluster's admission policy refused the Job"],
    ['our role', notAllowed('jobs'), 'the dispatcher may not create Jobs in namespace terrakube'],
    [
      'the API server, as invalid',
      { status: 422, reason: 'Invalid', message: 'no image' },
      'Kubernetes refused the Job as invalid',
    ],
  ])('because of %s: the user is told why', async (_, answer, title) => {
    const { store, terrakube, dispatch } = world();
    expect(await dispatch(request(), { jobs: { ...store, createJob: refuse(answer) } })).toEqual({
      outcome: 'failed',
      reason: title,
    });
    expect(terrakube.job(ids())).toMatchObject({
      status: 'failed',
      output: expect.stringContaining(title),
      steps: [{ status: 'failed', name: `Terraform Plan: ${title}`.slice(0, 128) }],
    });
  });
});
