// Telling Terrakube that a step cannot run, one write at a time. Each write can be repeated and each is decided on what
// was read just before it, so a tell that was interrupted is finished by the next one.
import type { StepId } from './dispatch-request.ts';
import { isToldByUs } from './failure-text.ts';
import { findStep, isLiveJob, type TerrakubeJob } from './terrakube-job.ts';

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
