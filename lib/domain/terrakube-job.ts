// Terrakube's side of a request: the job, its steps, and what their statuses mean to us.
import type { StepId } from './dispatch-request.ts';
import type { EpochMs } from './time.ts';

/** A step as Terrakube tells it. Statuses are Terrakube's own words; later versions may add some. */
export interface TerrakubeStep {
  readonly id: StepId;
  readonly stepNumber: number;
  readonly status: string;
  readonly name: string;
  /** Null until the executor speaks for the first time, or we do. */
  readonly output: string | null;
}

/** A Terrakube job with its steps in the order of their numbers. */
export interface TerrakubeJob {
  readonly status: string;
  /** Free text; see job-comments.ts for what we keep there. */
  readonly comments: string | null;
  readonly steps: readonly TerrakubeStep[];
}

/** A job as lists of all organizations tell it. */
export interface ListedTerrakubeJob extends TerrakubeJob {
  readonly id: string;
  readonly organizationId: string;
  readonly workspaceId: string;
  /** The last change of the job itself, not of its steps; its resolution is a minute. Undefined when the list does not say. */
  readonly updatedAt: EpochMs | undefined;
}

/** A job that may still move; every other status, also one that we do not know, means that it has ended. */
export const isLiveJob = (job: TerrakubeJob): boolean =>
  ['pending', 'approved', 'queue', 'running'].includes(job.status);

/** A step that has not ended. */
export const isOpenStep = (step: TerrakubeStep): boolean => step.status === 'pending' || step.status === 'running';

/** The step with this id, if the job has it. */
export const findStep = (job: TerrakubeJob, stepId: StepId): TerrakubeStep | undefined =>
  job.steps.find((step) => step.id === stepId);
