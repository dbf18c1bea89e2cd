/**
 * What the stand-in Terrakube knows: jobs, their steps, log streams, organisations and locked workspaces. Everything in here is
 * committed, so that a reader never sees a dispatch that is still under way. The names and statuses are Terrakube's own.
 */
import { randomUUID } from 'node:crypto';

/** Terrakube's one enumeration of statuses; jobs and steps share it. */
export const JOB_STATUSES = [
  'pending',
  'waitingApproval',
  'approved',
  'queue',
  'running',
  'completed',
  'noChanges',
  'notExecuted',
  'rejected',
  'cancelled',
  'failed',
  'unknown',
  'NeverExecuted',
] as const;

/** A status of a job or of a step, as Terrakube spells it. */
export type JobStatus = (typeof JOB_STATUSES)[number];

/** A value of an attribute. */
export type Scalar = string | number | boolean | null;

/** Attributes of a job that a PATCH may change, next to its status, with the values of a new job. */
export const NEW_JOB_VALUES = {
  approvalTeam: null,
  comments: null,
  commitId: null,
  createdBy: 'admin@example.com',
  output: null,
  overrideBranch: null,
  overrideSource: null,
  planChanges: true,
  prCommentError: null,
  prNumber: null,
  refresh: true,
  refreshOnly: false,
  replaceAddrs: null,
  targetAddrs: null,
  tcl: null,
  templateReference: null,
  terraformPlan: null,
  updatedBy: null,
  via: 'UI',
} as const;

/** The name of a job's attribute other than its status and its dates. */
export type JobAttribute = keyof typeof NEW_JOB_VALUES;

/** The row of a job in Terrakube's database. Terrakube always writes it whole. */
export interface JobRow {
  readonly status: JobStatus;
  readonly values: Readonly<Record<JobAttribute, Scalar>>;
  /** The clock of the heartbeat sweep: moves only when an attribute really changes. */
  readonly updatedAtMs: number;
}

/** A command of a template, in Terrakube's order of keys. */
export interface Command {
  readonly runtime: 'BASH' | 'GROOVY';
  readonly script: string;
  readonly priority: number;
  readonly before: boolean;
  readonly after: boolean;
  readonly verbose: boolean;
  readonly beforeInit: boolean;
}

/** A step of a job. */
export interface Step {
  readonly stepId: string;
  readonly type: string;
  readonly stepNumber: number;
  readonly name: string;
  readonly status: JobStatus;
  readonly output: string | null;
  readonly commands: readonly Command[] | null;
  readonly onFailure: readonly Command[] | null;
}

/** A step as the template describes it. */
interface NewStep {
  readonly type: string;
  /** Default: `Running Step<number>`, as Terrakube names them. */
  readonly name?: string;
  /** Default: 100, 200, … */
  readonly stepNumber?: number;
  readonly commands?: readonly Command[];
  /** Commands that the executor runs when the step fails. */
  readonly onFailure?: readonly Command[];
}

/** What a user asks for. Ids that are absent are made up; the organisation is the demo organisation "simple". */
export interface NewJob {
  readonly steps: readonly NewStep[];
  readonly organizationId?: string;
  readonly workspaceId?: string;
  readonly environmentVariables?: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  /** A function stands for credentials that are made anew for every POST. */
  readonly accessToken?: string | (() => string);
}

/** A job. Its row and its steps are replaced, never changed in place. */
export interface Job {
  readonly id: number;
  readonly organizationId: string;
  readonly workspaceId: string;
  readonly createdAtMs: number;
  readonly request: NewJob;
  row: JobRow;
  /** Empty until the first dispatch is over. */
  steps: readonly Step[];
  /** Pending while a dispatch holds the row: PATCHes of the job wait for it. */
  lock: Promise<void> | undefined;
  onReject: readonly Command[];
  deleted: boolean;
}

/** Something that happened, for timelines and tests. */
export interface TerrakubeEvent {
  readonly atMs: number;
  readonly kind: 'posted' | 'resent' | 'answered' | 'jobStatus' | 'stepStatus' | 'log';
  readonly jobId: string;
  readonly stepId?: string;
  /** The new status; for `answered` what Terrakube makes of the answer. */
  readonly status?: string;
  readonly httpStatus?: number;
  /** The text of a log entry. */
  readonly text?: string;
}

/** The organisation of jobs that name none. */
const DEFAULT_ORGANIZATION_ID = 'd9b58bd3-f3fc-4056-a026-1163297e80a8';

const TERMINAL: readonly JobStatus[] = ['failed', 'completed', 'rejected', 'cancelled', 'noChanges'];

/** The state of the stand-in and the only ways to change it. */
export interface World {
  readonly organizations: ReadonlySet<string>;
  readonly lockedWorkspaces: Set<string>;
  addJob(request: NewJob): Job;
  /** Jobs that were not deleted, oldest first. */
  jobs(): readonly Job[];
  findJob(id: number): Job | undefined;
  writeRow(job: Job, row: JobRow): void;
  addSteps(job: Job, steps: readonly Step[]): void;
  changeStep(job: Job, stepId: string, change: Partial<Pick<Step, 'name' | 'status' | 'output'>>): void;
  /** Gives every pending or running step this status. */
  closeSteps(job: Job, status: JobStatus): void;
  appendLog(jobId: number, stepId: string, text: string): void;
  logs(jobId: number): readonly string[];
  dropLogs(jobId: number): void;
  /** Takes the row lock; the answer gives it back. */
  lock(job: Job): () => void;
  /** An older job of the same workspace is not finished. */
  isBehindInWorkspace(job: Job): boolean;
  /** An older job of any workspace waits for its dispatch: Terrakube is first in, first out across the installation. */
  isBehind(job: Job): boolean;
}

/** Makes an empty world; `tell` hears of every change. */
export function createWorld(tell: (event: TerrakubeEvent) => void): World {
  const all: Job[] = [];
  const organizations = new Set([DEFAULT_ORGANIZATION_ID]);
  const streams = new Map<number, string[]>();
  const present = (): readonly Job[] => all.filter((job) => !job.deleted);
  const isBehindInWorkspace = (job: Job): boolean =>
    present().some(
      (other) => other.id < job.id && other.workspaceId === job.workspaceId && !TERMINAL.includes(other.row.status),
    );

  function changeStep(job: Job, stepId: string, change: Partial<Step>): void {
    job.steps = job.steps.map((step) => {
      if (step.stepId !== stepId) return step;
      if (change.status !== undefined && change.status !== step.status) {
        tell({ atMs: Date.now(), kind: 'stepStatus', jobId: String(job.id), stepId, status: change.status });
      }
      return { ...step, ...change };
    });
  }

  return {
    organizations,
    lockedWorkspaces: new Set(),
    addJob(request) {
      const job = newJob(all.length + 1, request);
      organizations.add(job.organizationId);
      all.push(job);
      tell({ atMs: Date.now(), kind: 'jobStatus', jobId: String(job.id), status: job.row.status });
      return job;
    },
    jobs: present,
    findJob: (id) => present().find((job) => job.id === id),
    writeRow(job, row) {
      const before = job.row.status;
      job.row = row;
      if (row.status !== before) {
        tell({ atMs: Date.now(), kind: 'jobStatus', jobId: String(job.id), status: row.status });
      }
    },
    addSteps(job, steps) {
      job.steps = steps;
    },
    changeStep,
    closeSteps(job, status) {
      for (const step of job.steps) {
        if (step.status === 'pending' || step.status === 'running') changeStep(job, step.stepId, { status });
      }
    },
    appendLog(jobId, stepId, text) {
      streams.set(jobId, [...(streams.get(jobId) ?? []), text]);
      tell({ atMs: Date.now(), kind: 'log', jobId: String(jobId), stepId, text });
    },
    logs: (jobId) => streams.get(jobId) ?? [],
    dropLogs: (jobId) => {
      streams.delete(jobId);
    },
    lock(job) {
      const { promise, resolve } = Promise.withResolvers<void>();
      job.lock = promise;
      return () => {
        job.lock = undefined;
        resolve();
      };
    },
    isBehindInWorkspace,
    isBehind: (job) =>
      present().some(
        (other) =>
          other.id < job.id &&
          (other.row.status === 'pending' || other.row.status === 'approved') &&
          !isBehindInWorkspace(other),
      ),
  };
}

/** Makes the steps of a job from its template, all pending. */
export function newSteps(request: NewJob): readonly Step[] {
  return request.steps.map((step, index) => {
    const stepNumber = step.stepNumber ?? (index + 1) * 100;
    return {
      stepId: randomUUID(),
      type: step.type,
      stepNumber,
      name: step.name ?? `Running Step${stepNumber}`,
      status: 'pending',
      output: null,
      commands: step.commands ?? null,
      onFailure: step.onFailure ?? null,
    };
  });
}

function newJob(id: number, request: NewJob): Job {
  return {
    id,
    organizationId: request.organizationId ?? DEFAULT_ORGANIZATION_ID,
    workspaceId: request.workspaceId ?? randomUUID(),
    createdAtMs: Date.now(),
    request,
    row: { status: 'pending', values: NEW_JOB_VALUES, updatedAtMs: Date.now() },
    steps: [],
    lock: undefined,
    onReject: [],
    deleted: false,
  };
}
