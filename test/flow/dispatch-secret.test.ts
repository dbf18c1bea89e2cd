import type { V1Secret } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { createVerdict } from '../../lib/domain/create-answer.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { dispatchJob } from '../../lib/flows/dispatch-job.ts';
import type { JobStore } from '../../lib/ports.ts';
import { answerLost, DENIED, noAnswer, notAllowed, refuse, THROTTLED } from '../support/api-refusals.ts';
import { INSTALLATION, ids, refusal, request, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const UNTOLD = { ...terrakubeJob(), output: null };

function world() {
  const all = createDispatchWorld();
  const dispatch = (changes: Partial<JobStore> = {}) =>
    dispatchJob({ ...all.deps, jobs: { ...all.store, ...changes } }, request());
  return { ...all, dispatch };
}

/** A Secret of the step's name that belongs to another Job. */
const foreignSecret = (): V1Secret => ({
  metadata: { name: NAME, ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: NAME, uid: 'another' }] },
});

describe('a Secret that is there already', () => {
  test('and belongs to the Job: all is done', async () => {
    const { store, dispatch } = world();
    await dispatch();
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    expect([store.allJobs().length, store.allSecrets().length]).toEqual([1, 1]);
  });

  test('and belongs to an older Job: again in 2 s, and when the garbage collector was there, it is made', async () => {
    const { store, dispatch } = world();
    store.putSecret(foreignSecret());
    expect(await dispatch()).toEqual({
      outcome: 'retried',
      reason: 'the Secret of an older Job is being deleted',
      wait: { exactly: 2 },
      on: { cause: 'beingDeleted', mayRun: true },
    });
    store.removeSecret(NAME);
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    const uid = store.allJobs()[0]?.metadata?.uid;
    expect(store.allSecrets()).toMatchObject([{ metadata: { ownerReferences: [{ uid }] } }]);
  });

  test('and our role may not look at its owner: it is tried again', async () => {
    const { dispatch } = world();
    await dispatch();
    expect(await dispatch({ getSecretOwners: async () => 'forbidden' })).toEqual({
      outcome: 'retried',
      reason: 'the dispatcher may not read Secrets; apply deploy/kubernetes',
      wait: {},
      on: { cause: 'noAnswer', mayRun: true },
    });
  });
});

describe('a create of the Secret that was not answered', () => {
  test('but was done: all is done', async () => {
    const { store, terrakube, dispatch } = world();
    expect(await dispatch({ createSecret: answerLost(store.createSecret) })).toEqual({
      outcome: 'created',
      jobName: NAME,
    });
    expect([store.allSecrets().length, terrakube.job(ids())]).toEqual([1, UNTOLD]);
  });

  test('and was not done: again in 1 s, and then it is made', async () => {
    const { store, dispatch } = world();
    expect(await dispatch({ createSecret: noAnswer })).toMatchObject({ outcome: 'retried', wait: { exactly: 1 } });
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    expect([store.allJobs().length, store.allSecrets().length]).toEqual([1, 1]);
  });

  test('with a 504, the same', async () => {
    const { store, dispatch } = world();
    expect(await dispatch({ createSecret: refuse({ status: 504, reason: 'Timeout' }) })).toMatchObject({
      outcome: 'retried',
      wait: { exactly: 1 },
    });
    expect(await dispatch()).toEqual({ outcome: 'exists', jobName: NAME });
    expect(store.allSecrets()).toHaveLength(1);
  });
});

test('a Secret that has to wait leaves the Job alone and comes again', async () => {
  const { store, terrakube, dispatch } = world();
  expect(await dispatch({ createSecret: refuse(THROTTLED) })).toMatchObject({
    outcome: 'retried',
    wait: { atLeast: 7 },
  });
  expect(store.allJobs().map(readVerdict)).toEqual([undefined]);
  expect(terrakube.job(ids())).toEqual(UNTOLD);
});

describe('a Secret that is refused for good', () => {
  test.each([
    ['our role', notAllowed('secrets'), 'the dispatcher may not create Secrets in namespace terrakube'],
    ['an admission policy', DENIED, "the cluster's admission policy refused the Secret"],
    ['its size', { status: 413, message: '' }, 'the Secret is larger than the cluster accepts'],
  ])('by %s: the Job is stopped in place with the reason, and the user is told it', async (_, answer, title) => {
    const { store, terrakube, dispatch } = world();
    expect(await dispatch({ createSecret: refuse(answer) })).toEqual({ outcome: 'failed', reason: title });
    const verdict = createVerdict('Secret', refusal(answer), 'terrakube');
    const told = verdict.kind === 'terminal' ? verdict.reason : undefined;
    const [job] = store.allJobs();
    expect(job && readVerdict(job)).toEqual({
      action: 'fail',
      cause: 'payloadMissing',
      ...told,
      at: '2026-11-24T20:41:37.504Z',
    });
    expect(job?.spec?.activeDeadlineSeconds).toBe(1);
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed', output: expect.stringContaining(title) });
  });

  test('names both cures when our role lacks the right', async () => {
    const { terrakube, dispatch } = world();
    await dispatch({ createSecret: refuse(notAllowed('secrets')) });
    expect(terrakube.job(ids())?.output).toContain(
      'Give it create and get on secrets (deploy/kubernetes), or set PayloadTransport=env',
    );
  });

  test('and whose Job was deleted meanwhile: the user is told all the same', async () => {
    const { store, terrakube, dispatch } = world();
    const createSecret = async () => {
      store.remove(NAME);
      return refuse(DENIED)();
    };
    expect(await dispatch({ createSecret })).toMatchObject({ outcome: 'failed' });
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed' });
  });

  test('and whose Job changes each time that it is looked at: again in 1 s, untold', async () => {
    const { terrakube, dispatch } = world();
    let patches = 0;
    const stopJob = async (): Promise<'conflict'> => {
      patches += 1;
      return 'conflict';
    };
    expect(await dispatch({ createSecret: refuse(DENIED), stopJob })).toEqual({
      outcome: 'retried',
      reason: 'the Job changes too often to be stopped',
      wait: { exactly: 1 },
      on: { cause: 'noAnswer', mayRun: true },
    });
    expect(patches).toBe(3);
    expect(terrakube.job(ids())).toEqual(UNTOLD);
  });

  test('and whose Job changed once: it is read again and stopped', async () => {
    const { store, dispatch } = world();
    let patches = 0;
    const stopJob: JobStore['stopJob'] = async (...args) => {
      patches += 1;
      return patches === 1 ? 'conflict' : store.stopJob(...args);
    };
    expect(await dispatch({ createSecret: refuse(DENIED), stopJob })).toMatchObject({ outcome: 'failed' });
    expect(store.allJobs().map(readVerdict)).toMatchObject([{ action: 'fail' }]);
  });

  test('while another delivery has made it: the executor that runs is left alone', async () => {
    const { store, terrakube, dispatch } = world();
    await dispatch();
    expect(await dispatch({ createSecret: refuse(DENIED) })).toEqual({ outcome: 'exists', jobName: NAME });
    expect(store.allJobs().map(readVerdict)).toEqual([undefined]);
    expect(terrakube.job(ids())).toEqual(UNTOLD);
  });

  const blind = { createSecret: refuse(notAllowed('secrets')), getSecretOwners: async () => 'forbidden' as const };

  test('while nobody may look whether it is there: a Job of an earlier delivery is left alone, it may have it', async () => {
    const { store, terrakube, dispatch } = world();
    await dispatch();
    expect(await dispatch(blind)).toEqual({
      outcome: 'retried',
      reason: 'the dispatcher may not read Secrets; apply deploy/kubernetes',
      wait: {},
      on: { cause: 'noAnswer', mayRun: true },
    });
    expect(store.allJobs().map(readVerdict)).toEqual([undefined]);
    expect(terrakube.job(ids())).toEqual(UNTOLD);
  });

  test('while nobody may look whether it is there: the Job that this delivery made is stopped', async () => {
    const { store, dispatch } = world();
    expect(await dispatch(blind)).toMatchObject({ outcome: 'failed' });
    expect(store.allJobs().map(readVerdict)).toMatchObject([{ cause: 'payloadMissing' }]);
  });

  test('and was told only half before we were stopped: the recorded words are told by the next delivery', async () => {
    const { store, terrakube, dispatch, deps } = world();
    const jobs = { ...store, createSecret: refuse(DENIED) };
    const dies = { ...terrakube, getJob: terrakube.getJob, appendLog: () => Promise.reject(new Error('killed')) };
    await expect(dispatchJob({ ...deps, jobs, terrakube: dies }, request())).rejects.toThrow('killed');
    store.end(NAME, 'Failed');
    expect(await dispatch()).toEqual({
      outcome: 'failed',
      reason: "the cluster's admission policy refused the Secret",
    });
    expect(store.allSecrets()).toEqual([]);
    expect(terrakube.job(ids())).toMatchObject({
      status: 'failed',
      output: expect.stringContaining('denied by validate.policy.example.com'),
    });
  });
});
