// Terrakube's jobs, steps and log streams in memory, with what its API does beside storing: too long texts are refused
// whole, a failed job fails its open steps, and the lines of a job's log are gone when it has ended.
import { type DispatchIds, stepId } from '../../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import {
  findStep,
  isLiveJob,
  isOpenStep,
  type TerrakubeJob,
  type TerrakubeStep,
} from '../../lib/domain/terrakube-job.ts';
import type { Terrakube, TerrakubeChange } from '../../lib/ports.ts';

/** A job with what only its user sees. */
export interface StoredJob extends TerrakubeJob {
  readonly output: string | null;
}

/** A Terrakube for tests. */
export interface InMemoryTerrakube extends Terrakube {
  put(of: DispatchIds, job: TerrakubeJob): void;
  remove(of: DispatchIds): void;
  job(of: DispatchIds): StoredJob | undefined;
  /** What the executor, a user or a scheduler changes. */
  changeJob(of: DispatchIds, change: Partial<StoredJob>): void;
  changeStep(of: DispatchIds, change: Partial<TerrakubeStep>): void;
  /** Lines of the job's log that can still be read. */
  log(of: DispatchIds): readonly string[];
  /** All lines that were ever written. */
  readonly everyLine: readonly string[];
}

/** Creates an empty Terrakube. */
export function createInMemoryTerrakube(): InMemoryTerrakube {
  const jobs = new Map<string, StoredJob>();
  const logs = new Map<string, string[]>();
  const everyLine: string[] = [];
  const keyOf = ({ organizationId, jobId }: DispatchIds): string => `${organizationId}/${jobId}`;
  const changeJob = (of: DispatchIds, change: Partial<StoredJob>): void => {
    const job = jobs.get(keyOf(of));
    if (job) jobs.set(keyOf(of), { ...job, ...change });
  };
  const changeStep = (of: DispatchIds, change: Partial<TerrakubeStep>): void =>
    changeJob(of, {
      steps: (jobs.get(keyOf(of))?.steps ?? []).map((step) => (step.id === of.stepId ? { ...step, ...change } : step)),
    });
  return {
    everyLine,
    changeJob,
    changeStep,
    put: (of, job) => void jobs.set(keyOf(of), { output: null, ...job }),
    remove: (of) => void jobs.delete(keyOf(of)),
    job: (of) => jobs.get(keyOf(of)),
    log: (of) => logs.get(keyOf(of)) ?? [],
    async getJob(of) {
      const job = jobs.get(keyOf(of));
      return job ? structuredClone({ status: job.status, comments: job.comments, steps: job.steps }) : 'notFound';
    },
    async patchJob(of, change) {
      const job = jobs.get(keyOf(of));
      if (!job) throw refused(404);
      refuseLongTexts(change);
      const { status = job.status, output = job.output, comments = job.comments } = change;
      const hasFailed = status === 'failed';
      const steps = job.steps.map((step) => (hasFailed && isOpenStep(step) ? { ...step, status } : step));
      jobs.set(keyOf(of), { ...job, status, output, comments, steps });
      if (!isLiveJob({ ...job, status })) logs.delete(keyOf(of));
    },
    async patchStep(of, change) {
      const job = jobs.get(keyOf(of));
      if (!job || !findStep(job, stepId(of.stepId))) throw refused(404);
      refuseLongTexts(change);
      changeStep(of, change);
    },
    async readLog(of) {
      const step = jobs.get(keyOf(of))?.steps.find(({ id }) => id === of.stepId);
      const isReadable = step !== undefined && isOpenStep(step);
      return isReadable ? (logs.get(keyOf(of)) ?? []).map((line) => `${line}\n`).join('') : '';
    },
    async appendLog(of, lines) {
      logs.set(keyOf(of), [...(logs.get(keyOf(of)) ?? []), ...lines]);
      everyLine.push(...lines);
    },
  };
}

function refuseLongTexts({ name = '', output = '', comments = '' }: TerrakubeChange): void {
  if (name.length > 128 || output.length > 1024 || comments.length > 512) throw refused(423);
}

const refused = (status: number): DispatcherError =>
  new DispatcherError('terrakubeRefused', `Terrakube answered ${status}.`, { status });
