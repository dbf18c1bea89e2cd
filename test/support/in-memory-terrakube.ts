// Terrakube's jobs, steps and log streams in memory, with what its API does beside storing: too long texts are refused
// whole, a failed job fails its open steps, and the lines of a job's log are gone when it has ended.
import { type DispatchIds, stepId } from '../../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import {
  findStep,
  isLiveJob,
  isOpenStep,
  type ListedTerrakubeJob,
  type TerrakubeJob,
  type TerrakubeStep,
} from '../../lib/domain/terrakube-job.ts';
import { type EpochMs, epochMs } from '../../lib/domain/time.ts';
import type { Terrakube, TerrakubeChange, TerrakubeJobs } from '../../lib/ports.ts';
import { NOON } from './builders.ts';

/** A job with what only its user sees. */
export interface StoredJob extends TerrakubeJob {
  readonly output: string | null;
}

/** A Terrakube for tests. */
export interface InMemoryTerrakube extends Terrakube, TerrakubeJobs {
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

/** Creates an empty Terrakube. Its clock says when a job was last changed, to the minute; it stands at noon by default. */
export function createInMemoryTerrakube(now: () => EpochMs = () => NOON): InMemoryTerrakube {
  const jobs = new Map<string, StoredJob>();
  const dates = createDates(now);
  const logs = new Map<string, string[]>();
  const everyLine: string[] = [];
  const write = (of: DispatchIds, change: Partial<StoredJob>): void => {
    const job = jobs.get(keyOf(of));
    if (job) jobs.set(keyOf(of), { ...job, ...change });
  };
  const changeStep = (of: DispatchIds, change: Partial<TerrakubeStep>): void =>
    write(of, {
      steps: (jobs.get(keyOf(of))?.steps ?? []).map((step) => (step.id === of.stepId ? { ...step, ...change } : step)),
    });
  return {
    everyLine,
    changeJob(of, change) {
      write(of, change);
      dates.touch(of);
    },
    changeStep,
    put(of, job) {
      jobs.set(keyOf(of), { output: null, ...job });
      dates.touch(of);
    },
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
      if (status !== job.status || output !== job.output || comments !== job.comments) dates.touch(of);
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
    listLiveJobs: async () => dates.list(jobs, isLiveJob),
    listJobs: async (jobIds) => dates.list(jobs, ({ id }) => jobIds.includes(id)),
  };
}

const keyOf = ({ organizationId, jobId }: DispatchIds): string => `${organizationId}/${jobId}`;

/** The ids and dates of all jobs that ever were, for lists. */
function createDates(now: () => EpochMs) {
  const rows = new Map<string, Omit<ListedTerrakubeJob, keyof TerrakubeJob>>();
  return {
    /** Only a change of the job itself moves its date. */
    touch(of: DispatchIds): void {
      const { id, organizationId, workspaceId } = rows.get(keyOf(of)) ?? { id: of.jobId, ...of };
      rows.set(keyOf(of), { id, organizationId, workspaceId, updatedAt: epochMs(now() - (now() % 60_000)) });
    },
    /** Terrakube's lists are lists of steps: a job without any is in none. */
    list(
      jobs: ReadonlyMap<string, TerrakubeJob>,
      isAsked: (job: ListedTerrakubeJob) => boolean,
    ): ReadonlyMap<string, ListedTerrakubeJob> {
      const all = [...rows].flatMap(([key, row]) => {
        const { status, comments, steps } = jobs.get(key) ?? { status: '', comments: null, steps: [] };
        return steps.length > 0 ? [structuredClone({ ...row, status, comments, steps })] : [];
      });
      return new Map(all.filter(isAsked).map((job) => [job.id, job]));
    },
  };
}

function refuseLongTexts({ name = '', output = '', comments = '' }: TerrakubeChange): void {
  if (name.length > 128 || output.length > 1024 || comments.length > 512) throw refused(423);
}

const refused = (status: number): DispatcherError =>
  new DispatcherError('terrakubeRefused', `Terrakube answered ${status}.`, { status });
