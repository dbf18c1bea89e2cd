/**
 * What a PATCH changes and sets off. Elide reads the row of a job, waits for its lock, and then writes the *whole* row: a PATCH that
 * waited for a dispatch therefore undoes what the dispatch wrote, except where the PATCH says otherwise. That is recorded behaviour.
 */
import { invalidValue, refuse } from './errors.ts';
import type { Scheduler } from './scheduler.ts';
import {
  JOB_STATUSES,
  type Job,
  type JobAttribute,
  type JobStatus,
  NEW_JOB_VALUES,
  type Scalar,
  type Step,
  type World,
} from './world.ts';

/** The attributes of a PATCH as they came. */
type Attributes = Readonly<Record<string, unknown>>;

/** The widths of the database columns, in characters. */
const WIDTHS: Readonly<Record<string, number>> = { comments: 512, commitId: 64, output: 1024, terraformPlan: 1024 };
const STEP_NAME_WIDTH = 128;

/** Changes to a job that was found, with their consequences. */
export interface JobChanges {
  /**
   * @param change the attributes, and the `email` of who asks.
   * @throws Refusal 404 unknown attribute, 400 wrong value, 423 too long.
   */
  patchJob(job: Job, change: { readonly attributes: Attributes; readonly by?: string | undefined }): Promise<void>;
  patchStep(job: Job, step: Step, attributes: Attributes): void;
  deleteJob(job: Job): Promise<void>;
}

/** Connects the changes with the scheduler that they wake. */
export function createChanges(world: World, scheduler: Scheduler): JobChanges {
  return {
    async patchJob(job, { attributes, by }) {
      const read = job.row;
      const { status = read.status, values } = parseJobAttributes(attributes);
      const isSame =
        status === read.status && Object.entries(values).every(([name, value]) => is(read.values, name, value));
      if (isSame) return;
      await unlocked(job);
      const updatedBy = by ?? read.values.updatedBy;
      world.writeRow(job, { status, values: { ...read.values, ...values, updatedBy }, updatedAtMs: Date.now() });
      if (status === 'cancelled') scheduler.cancel(job);
      else if (status !== 'running') scheduler.wake(job);
    },

    patchStep(job, step, attributes) {
      let change: Partial<Pick<Step, 'name' | 'status' | 'output'>> = {};
      for (const [name, value] of Object.entries(attributes)) {
        if (name === 'status') change = { ...change, status: parseStatus(value) };
        else if (name === 'name') change = { ...change, name: parseText(value, STEP_NAME_WIDTH) };
        else if (name === 'output') change = { ...change, output: value === null ? null : parseText(value, 1024) };
        else throw refuse(404, `Unknown attribute ${name} in step`);
      }
      world.changeStep(job, step.stepId, change);
    },

    async deleteJob(job) {
      await unlocked(job);
      job.deleted = true;
      scheduler.cancel(job);
    },
  };
}

/** Waits until no dispatch holds the row. */
async function unlocked(job: Job): Promise<void> {
  while (job.lock !== undefined) await job.lock;
}

function is(values: Readonly<Record<string, Scalar>>, name: string, value: Scalar): boolean {
  return values[name] === value;
}

function parseJobAttributes(attributes: Attributes): {
  readonly status?: JobStatus;
  readonly values: Partial<Record<JobAttribute, Scalar>>;
} {
  let status: JobStatus | undefined;
  const values: Partial<Record<JobAttribute, Scalar>> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'status') status = parseStatus(value);
    else if (isJobAttribute(name)) values[name] = parseScalar(value, WIDTHS[name]);
    else throw refuse(404, `Unknown attribute ${name} in job`);
  }
  return status === undefined ? { values } : { status, values };
}

function isJobAttribute(name: string): name is JobAttribute {
  return name in NEW_JOB_VALUES;
}

function parseStatus(value: unknown): JobStatus {
  const status = JOB_STATUSES.find((known) => known === value);
  if (status === undefined) throw invalidValue(String(value));
  return status;
}

function parseScalar(value: unknown, width: number | undefined): Scalar {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  return parseText(value, width ?? Number.POSITIVE_INFINITY);
}

/** Postgres counts characters, not UTF-16 units: an emoji is one. */
function parseText(value: unknown, width: number): string {
  if (typeof value !== 'string') throw invalidValue(String(value));
  if ([...value].length > width) throw refuse(423, 'The request could not be completed.');
  return value;
}
