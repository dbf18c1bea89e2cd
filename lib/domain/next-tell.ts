// Telling Terrakube that a step cannot run, one write at a time. Each write can be repeated and each is decided on what
// was read just before it, so a tell that was interrupted is finished by the next one.
import type { StepId } from './dispatch-request.ts';
import { isToldByUs } from './failure-text.ts';
import { findStep, isLiveJob, isOpenStep, type TerrakubeJob } from './terrakube-job.ts';

/** What remains to be written. */
export type NextTell =
  | 'step'
  | 'job'
  /** Nothing: the job has ended, or someone else has spoken. */
  | 'done'
  /** Terrakube is still writing the job down; a PATCH now could be lost, or corrupt it. */
  | 'tooEarly';

/** Decides the next write for a step that dispatch gave up on. Only a job that reads `queue` is written to. */
export function nextTell(stepId: StepId, job: TerrakubeJob | 'notFound'): NextTell {
  if (job === 'notFound' || !isLiveJob(job)) return 'done';
  if (job.status !== 'queue') return 'tooEarly';
  const step = findStep(job, stepId);
  if (!step) return 'done';
  if (step.status === 'pending') return 'step';
  return step.status === 'failed' && isToldByUs(step) ? 'job' : 'done';
}

/**
 * Decides the next write for a step whose Job has ended. A job that reads `pending` or `approved` comes first: Terrakube
 * would send its next step as soon as this one is failed.
 *
 * @param underEnded whether an open step is failed also when its job has ended.
 */
export function nextObservedTell(
  stepId: StepId,
  job: TerrakubeJob | 'notFound',
  underEnded: boolean,
): Exclude<NextTell, 'tooEarly'> {
  const step = job === 'notFound' ? undefined : findStep(job, stepId);
  if (job === 'notFound' || !step) return 'done';
  if (!isLiveJob(job)) return underEnded && isOpenStep(step) ? 'step' : 'done';
  if (isOpenStep(step)) return job.status === 'pending' || job.status === 'approved' ? 'job' : 'step';
  return step.status === 'failed' && isToldByUs(step) ? 'job' : 'done';
}
