/**
 * A dispatch as a database transaction: nobody sees the steps and the template that it makes before it is committed, and if Terrakube
 * dies before that, they never existed.
 */
import { type Job, type JobRow, type JobStatus, newSteps, type Step, type World } from './world.ts';

/** The row as it was read, with the template filled in, and the steps if they are new. */
export interface Transaction {
  readonly row: JobRow;
  readonly newSteps: readonly Step[] | undefined;
}

/** Reads a job; on its first time makes its steps from the template. */
export function openTransaction(job: Job): Transaction {
  if (job.steps.length > 0) return { row: job.row, newSteps: undefined };
  const flow = job.request.steps.map((step) => `  - type: "${step.type}"\n`).join('');
  const tcl = Buffer.from(`flow:\n${flow}`).toString('base64');
  return { row: { ...job.row, values: { ...job.row.values, tcl } }, newSteps: newSteps(job.request) };
}

/** Writes the job with this status. */
export function commit(world: World, job: Job, { transaction, status }: Committed): void {
  const { row, newSteps: steps } = transaction;
  if (steps !== undefined) world.addSteps(job, steps);
  const isChanged = steps !== undefined || status !== row.status;
  world.writeRow(job, { ...row, status, updatedAtMs: isChanged ? Date.now() : row.updatedAtMs });
}

interface Committed {
  readonly transaction: Transaction;
  readonly status: JobStatus;
}

/** Terrakube's next flow: the pending step with the lowest number. */
export function nextStep(steps: readonly Step[]): Step | undefined {
  return steps.filter((step) => step.status === 'pending').toSorted((a, b) => a.stepNumber - b.stepNumber)[0];
}
