// What every JobStore does, as tests: the flows rely on it, whatever fills the port.
import { randomInt } from 'node:crypto';
import type { V1Job, V1Secret } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { type DispatchIds, stepId } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { stepSelector } from '../../lib/domain/job-name.ts';
import { buildPayloadSecret } from '../../lib/domain/payload-secret.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import type { ApiAnswer, JobStore } from '../../lib/ports.ts';
import { executorSettings, ids, NOON, payload, recordedVerdict, request } from './builders.ts';

/** A store to be tested. It may hold other Jobs. */
export interface JobStoreBench {
  readonly store: JobStore;
  /** The namespace that the store writes to. */
  readonly namespace: string;
  readonly close?: () => Promise<void>;
}

/** Declares the suite for one kind of store. */
export function describeJobStore(name: string, createBench: () => Promise<JobStoreBench>): void {
  const withSubject: WithSubject = (run) => async () => {
    const bench = await createBench();
    try {
      await run(subjectOf(bench));
    } finally {
      await bench.close?.();
    }
  };
  describe(name, () => {
    describe('Jobs', () => jobTests(withSubject));
    describe('Secrets', () => secretTests(withSubject));
    describe('stopping', () => stopTests(withSubject));
  });
}

type Subject = ReturnType<typeof subjectOf>;
type WithSubject = (run: (subject: Subject) => Promise<void>) => () => Promise<void>;

/** A step that no other test knows, and the objects for it. */
function subjectOf({ store, namespace }: JobStoreBench) {
  const of: DispatchIds = ids({ jobId: String(randomInt(1, 2 ** 40)) });
  const buildFor = (start: number, whose: DispatchIds = of, installation = 'suite'): V1Job => {
    const settings = executorSettings({ namespace });
    return buildJob({ request: request({ ids: whose }), settings, installation, start, now: NOON });
  };
  const create = async (job: V1Job = buildFor(1)): Promise<V1Job> => object(await store.createJob(job));
  const secretOf = (job: V1Job): V1Secret =>
    buildPayloadSecret(job, { name: nameOf(job), uid: job.metadata?.uid ?? '' }, payload(of));
  const read = async (job: V1Job): Promise<V1Job> => {
    const found = await store.getJob(nameOf(job));
    if (found === 'notFound') throw new Error(`${nameOf(job)} is not there`);
    return found;
  };
  /** A controller may change a Job between read and patch, so it is read again then. */
  const stop = async (job: V1Job, verdict = recordedVerdict()): Promise<string> => {
    const resourceVersion = (await read(job)).metadata?.resourceVersion ?? '';
    const stopped = await store.stopJob(nameOf(job), resourceVersion, verdict);
    return stopped === 'conflict' ? stop(job, verdict) : stopped;
  };
  return { store, of, selector: stepSelector(of, 'suite'), buildFor, create, secretOf, read, stop };
}

const nameOf = (job: V1Job): string => job.metadata?.name ?? '';

function object<T>(answer: ApiAnswer<T>): T {
  if (answer.kind !== 'ok') throw new Error(`not created: ${JSON.stringify(answer)}`);
  return answer.object;
}

const alreadyExists = (resource: string, kind: string, name: string): ApiAnswer<never> => ({
  kind: 'refused',
  refusal: { status: 409, reason: 'AlreadyExists', message: `${resource} "${name}" already exists`, kind, causes: [] },
});

function jobTests(withSubject: WithSubject): void {
  test(
    'a created Job has a uid and a version, and what was asked for',
    withSubject(async ({ create, buildFor }) => {
      const asked = buildFor(1);
      const job = await create(asked);
      expect(job.metadata).toMatchObject({ ...asked.metadata, uid: expect.stringMatching(/./) });
      expect(job.metadata?.resourceVersion).toMatch(/./);
      expect(job.spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 21_000, ttlSecondsAfterFinished: 7200 });
    }),
  );
  test(
    'a created Job is read by its name',
    withSubject(async ({ create, read }) => {
      const job = await create();
      expect((await read(job)).metadata?.uid).toBe(job.metadata?.uid);
    }),
  );
  test(
    'a Job that was never created is not found',
    withSubject(async ({ store, buildFor }) => {
      expect(await store.getJob(nameOf(buildFor(9)))).toBe('notFound');
    }),
  );
  test(
    'a second Job of the same name is refused, and the first one stays as it is',
    withSubject(async ({ store, create, buildFor, read }) => {
      const first = await create();
      const second = await store.createJob(buildFor(1));
      expect(second).toEqual(alreadyExists('jobs.batch', 'jobs', nameOf(first)));
      expect((await read(first)).metadata?.uid).toBe(first.metadata?.uid);
    }),
  );
  test(
    'of ten creates of one name at the same time, one succeeds',
    withSubject(async ({ store, buildFor }) => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => store.createJob(buildFor(1))));
      const refusal = alreadyExists('jobs.batch', 'jobs', nameOf(buildFor(1)));
      expect(answers.filter(({ kind }) => kind === 'ok')).toHaveLength(1);
      expect(answers.filter(({ kind }) => kind !== 'ok')).toEqual(Array.from({ length: 9 }, () => refusal));
    }),
  );
  test(
    'the selector of a step finds all its starts, and no Job of another step, type or installation',
    withSubject(async ({ store, of, selector, create, buildFor }) => {
      const starts = [await create(buildFor(1)), await create(buildFor(2))];
      await create(buildFor(1, { ...of, stepId: stepId('0f433967-33c8-4c17-b1e2-000000000001') }));
      await create(buildFor(1, ids({ ...of, type: 'terraformApply' })));
      await create(buildFor(1, of, 'other'));
      const found = await store.listJobs(selector);
      expect(found.map(nameOf).sort()).toEqual(starts.map(nameOf).sort());
    }),
  );
  test(
    'a step without a Job has an empty list',
    withSubject(async ({ store, selector }) => {
      expect(await store.listJobs(selector)).toEqual([]);
    }),
  );
}

function secretTests(withSubject: WithSubject): void {
  test(
    'a Secret belongs to the Job that it was created for',
    withSubject(async ({ store, create, secretOf }) => {
      const job = await create();
      object(await store.createSecret(secretOf(job)));
      expect(await store.getSecretOwners(nameOf(job))).toEqual([job.metadata?.uid]);
    }),
  );
  test(
    'a Secret that was never created is not found',
    withSubject(async ({ store, buildFor }) => {
      expect(await store.getSecretOwners(nameOf(buildFor(9)))).toBe('notFound');
    }),
  );
  test(
    'a second Secret of the same name is refused',
    withSubject(async ({ store, create, secretOf }) => {
      const job = await create();
      object(await store.createSecret(secretOf(job)));
      const second = await store.createSecret(secretOf(job));
      expect(second).toEqual(alreadyExists('secrets', 'secrets', nameOf(job)));
    }),
  );
  test(
    'a Secret of 1,048,576 bytes is taken',
    withSubject(async ({ store, create }) => {
      const job = await create();
      const owner = { name: nameOf(job), uid: job.metadata?.uid ?? '' };
      const answer = await store.createSecret(buildPayloadSecret(job, owner, Buffer.alloc(786_432, 'x')));
      expect(answer.kind).toBe('ok');
    }),
  );
}

function stopTests(withSubject: WithSubject): void {
  test(
    'a stopped Job carries its verdict and a clock of one second',
    withSubject(async ({ create, read, stop }) => {
      const job = await create();
      const verdict = recordedVerdict({ evidence: 'ä "quoted" {brace}\nand 🙂' });
      expect(await stop(job, verdict)).toBe('patched');
      const stopped = await read(job);
      expect(readVerdict(stopped)).toEqual(verdict);
      expect(stopped.spec?.activeDeadlineSeconds).toBe(1);
      expect(stopped.metadata?.annotations).toMatchObject({ ...job.metadata?.annotations });
    }),
  );
  test(
    'a Job that has changed since it was read is not stopped',
    withSubject(async ({ store, create, read, stop }) => {
      const job = await create();
      const seen = (await read(job)).metadata?.resourceVersion ?? '';
      await stop(job, recordedVerdict({ cause: 'first' }));
      const second = await store.stopJob(nameOf(job), seen, recordedVerdict({ cause: 'second' }));
      expect(second).toBe('conflict');
      expect(readVerdict(await read(job))).toEqual(recordedVerdict({ cause: 'first' }));
    }),
  );
  test(
    'a Job that is gone cannot be stopped',
    withSubject(async ({ store, buildFor }) => {
      expect(await store.stopJob(nameOf(buildFor(9)), '1', recordedVerdict())).toBe('notFound');
    }),
  );
}
