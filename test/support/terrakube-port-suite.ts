// What every filling of the Terrakube ports does, as tests: the flows rely on it.
import { describe, expect, test } from 'vitest';
import { type DispatchIds, stepId } from '../../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import {
  findStep,
  type ListedTerrakubeJob,
  type TerrakubeJob,
  type TerrakubeStep,
} from '../../lib/domain/terrakube-job.ts';
import type { Terrakube, TerrakubeJobs } from '../../lib/ports.ts';
import { ids } from './builders.ts';

/** A Terrakube with one job in `queue` whose steps are all `pending`. */
export interface TerrakubeBench {
  readonly terrakube: Terrakube;
  /** The same jobs as lists. */
  readonly lists: TerrakubeJobs;
  /** The job and its first step. */
  readonly ids: DispatchIds;
  /** The job as it must be read. */
  readonly job: TerrakubeJob;
  /** The job's `output`, which the port does not read. */
  readonly jobOutput: () => Promise<string | null>;
  readonly close?: () => Promise<void>;
}

/** Declares the suite for one kind of Terrakube. */
export function describeTerrakube(name: string, createBench: () => Promise<TerrakubeBench>): void {
  const withBench: WithBench = (run) => async () => {
    const bench = await createBench();
    try {
      await run(bench);
    } finally {
      await bench.close?.();
    }
  };
  describe(name, () => {
    describe('reading', () => readTests(withBench));
    describe('a change of a step', () => stepTests(withBench));
    describe('a change of a job', () => jobTests(withBench));
    describe('the log', () => logTests(withBench));
    describe('a list', () => listTests(withBench));
  });
}

type WithBench = (run: (bench: TerrakubeBench) => Promise<void>) => () => Promise<void>;

const UNKNOWN_JOB = '999999999';
const UNKNOWN_STEP = stepId('0a01e6df-f401-4000-8000-000000000000');

async function firstStep({ terrakube, ids: of }: TerrakubeBench): Promise<TerrakubeStep | undefined> {
  const job = await terrakube.getJob(of);
  return job === 'notFound' ? undefined : findStep(job, of.stepId);
}

/** The error of a write that was not done, as far as callers look at it. */
async function errorOf(write: Promise<void>): Promise<unknown> {
  try {
    await write;
    return 'it was done';
  } catch (error) {
    return error instanceof DispatcherError ? { code: error.code, status: error.status } : error;
  }
}

function readTests(withBench: WithBench): void {
  test(
    'a job has its status and its steps in the order of their numbers',
    withBench(async ({ terrakube, ids: of, job }) => {
      expect(await terrakube.getJob(of)).toEqual(job);
      expect(job.steps.length).toBeGreaterThan(0);
    }),
  );
  test(
    'a job that Terrakube does not have is not found',
    withBench(async ({ terrakube, ids: of }) => {
      expect(await terrakube.getJob(ids({ ...of, jobId: UNKNOWN_JOB }))).toBe('notFound');
    }),
  );
}

function stepTests(withBench: WithBench): void {
  test(
    'status, name and output are stored, and may be stored again',
    withBench(async (bench) => {
      const { terrakube, ids: of } = bench;
      const before = await firstStep(bench);
      const change = { status: 'failed', name: 'Plan: it broke 🙂', output: 'data://text/plain;charset=utf-8,why' };
      await terrakube.patchStep(of, change);
      await terrakube.patchStep(of, change);
      expect(await firstStep(bench)).toEqual({ ...before, ...change });
    }),
  );
  test(
    'a field that is absent from the change stays',
    withBench(async (bench) => {
      const before = await firstStep(bench);
      await bench.terrakube.patchStep(bench.ids, { name: 'another name' });
      expect(await firstStep(bench)).toEqual({ ...before, name: 'another name' });
    }),
  );
  test(
    'a name of 128 and an output of 1024 characters are stored',
    withBench(async (bench) => {
      const change = { name: 'ä'.repeat(128), output: 'o'.repeat(1024) };
      await bench.terrakube.patchStep(bench.ids, change);
      expect(await firstStep(bench)).toMatchObject(change);
    }),
  );
  test.each([
    ['a name of 129 characters', { status: 'failed', name: 'n'.repeat(129) }],
    ['an output of 1025 characters', { status: 'failed', output: 'o'.repeat(1025) }],
  ])('%s is refused and nothing of the change is stored', (_, change) =>
    withBench(async (bench) => {
      const before = await firstStep(bench);
      const error = await errorOf(bench.terrakube.patchStep(bench.ids, change));
      expect(error).toEqual({ code: 'terrakubeRefused', status: 423 });
      expect(await firstStep(bench)).toEqual(before);
    })(),
  );
  test(
    'a step that the job does not have cannot be changed',
    withBench(async ({ terrakube, ids: of }) => {
      const error = await errorOf(terrakube.patchStep({ ...of, stepId: UNKNOWN_STEP }, { status: 'failed' }));
      expect(error).toEqual({ code: 'terrakubeRefused', status: 404 });
    }),
  );
}

function jobTests(withBench: WithBench): void {
  test(
    'status and output are stored, and may be stored again',
    withBench(async ({ terrakube, ids: of, jobOutput }) => {
      await terrakube.patchJob(of, { status: 'failed', output: 'why it failed' });
      await terrakube.patchJob(of, { status: 'failed', output: 'why it failed' });
      expect(await terrakube.getJob(of)).toMatchObject({ status: 'failed' });
      expect(await jobOutput()).toBe('why it failed');
    }),
  );
  test(
    'an output of 1025 characters is refused and nothing of the change is stored',
    withBench(async ({ terrakube, ids: of, job, jobOutput }) => {
      const error = await errorOf(terrakube.patchJob(of, { status: 'failed', output: 'o'.repeat(1025) }));
      expect(error).toEqual({ code: 'terrakubeRefused', status: 423 });
      expect([await terrakube.getJob(of), await jobOutput()]).toEqual([job, null]);
    }),
  );
  test(
    'a job that Terrakube does not have cannot be changed',
    withBench(async ({ terrakube, ids: of }) => {
      const error = await errorOf(terrakube.patchJob(ids({ ...of, jobId: UNKNOWN_JOB }), { status: 'failed' }));
      expect(error).toEqual({ code: 'terrakubeRefused', status: 404 });
    }),
  );
}

function logTests(withBench: WithBench): void {
  test(
    'lines are read in their order while the job waits',
    withBench(async ({ terrakube, ids: of }) => {
      await terrakube.appendLog(of, ['first line', 'second line']);
      await terrakube.appendLog(of, ['third line']);
      expect(await terrakube.readLog(of)).toBe('first line\nsecond line\nthird line\n');
    }),
  );
  test(
    'a log that nobody has written to is empty',
    withBench(async ({ terrakube, ids: of }) => {
      expect(await terrakube.readLog(of)).toBe('');
    }),
  );
  test(
    'lines are not shown any more when the step has failed',
    withBench(async ({ terrakube, ids: of }) => {
      await terrakube.appendLog(of, ['first line']);
      await terrakube.patchStep(of, { status: 'failed' });
      expect(await terrakube.readLog(of)).toBe('');
    }),
  );
  test(
    'lines are taken for a job that Terrakube does not have',
    withBench(async ({ terrakube, ids: of }) => {
      expect(await errorOf(terrakube.appendLog(ids({ ...of, jobId: UNKNOWN_JOB }), ['lost']))).toBe('it was done');
    }),
  );
}

/** The job of the bench as lists tell it; its date is a whole minute. */
const listed = ({ ids: of, job }: TerrakubeBench, change: Partial<TerrakubeJob> = {}): ListedTerrakubeJob => ({
  id: of.jobId,
  organizationId: of.organizationId,
  workspaceId: of.workspaceId,
  ...job,
  ...change,
  updatedAt: expect.toSatisfy((at) => Number.isInteger(at / 60_000), 'be a whole minute'),
});

function listTests(withBench: WithBench): void {
  test(
    'of live jobs has those with their ids, their comments and their steps in order',
    withBench(async (bench) => {
      const change = { status: 'running', comments: 'fresh 2/3' };
      await bench.terrakube.patchJob(bench.ids, change);
      expect(await bench.lists.listLiveJobs()).toEqual(new Map([[bench.ids.jobId, listed(bench, change)]]));
    }),
  );
  test(
    'shows what a step has become',
    withBench(async (bench) => {
      const { ids: of, job } = bench;
      const change = { status: 'running', name: 'another name', output: 'said' };
      await bench.terrakube.patchStep(of, change);
      const steps = job.steps.map((step) => (step.id === of.stepId ? { ...step, ...change } : step));
      expect(await bench.lists.listLiveJobs()).toEqual(new Map([[of.jobId, listed(bench, { steps })]]));
    }),
  );
  test.each(['failed', 'waitingApproval', 'completed'])('of live jobs has none that is %s, others do', (status) =>
    withBench(async ({ terrakube, lists, ids: of, job }) => {
      await terrakube.patchJob(of, { status });
      expect(await lists.listLiveJobs()).toEqual(new Map());
      const found = (await lists.listJobs([of.jobId])).get(of.jobId);
      expect({ status: found?.status, steps: found?.steps.map(({ id }) => id) }).toEqual({
        status,
        steps: job.steps.map(({ id }) => id),
      });
    })(),
  );
  test(
    'by ids leaves out what Terrakube does not have and what is no id',
    withBench(async (bench) => {
      const { jobId } = bench.ids;
      const odd = [UNKNOWN_JOB, 'x', '', '1)', '-1', '1.5', '2147483648', '9'.repeat(19)];
      expect(await bench.lists.listJobs([...odd, jobId, jobId])).toEqual(new Map([[jobId, listed(bench)]]));
    }),
  );
  test(
    'by no ids is empty',
    withBench(async ({ lists }) => {
      expect(await lists.listJobs([])).toEqual(new Map());
    }),
  );
}
