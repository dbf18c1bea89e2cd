// The gate: may this request become a Kubernetes Job now? Terrakube sends a request once more after a lost answer, under
// another step id after a crash, and while it is still writing down the job. The rules are tried from the top.
import type { DispatchIds } from './dispatch-request.ts';
import { isToldByUs } from './failure-text.ts';
import { findStep, isLiveJob, type TerrakubeJob } from './terrakube-job.ts';
import { type DurationMs, type Seconds, seconds } from './time.ts';

/** Why a request is not needed any more. */
export type SkipReason = 'jobGone' | 'jobEnded' | 'stepStarted' | 'stepEnded' | 'superseded' | 'neverCommitted';

/** What the gate says. */
export type GateDecision =
  | { readonly kind: 'go' }
  | { readonly kind: 'skip'; readonly reason: SkipReason }
  /** Terrakube is still committing the job. */
  | { readonly kind: 'wait'; readonly delaySeconds: Seconds }
  /** We failed the step and were stopped before we failed the job. */
  | { readonly kind: 'finishTelling' };

/** Longest wait for steps that Terrakube has not committed; after it the transaction was rolled back. */
const COMMIT_LIMIT_MS = 120_000;

/**
 * Decides about one request.
 *
 * @param job the Terrakube job, or `notFound`.
 * @param age time since the request was accepted.
 */
export function gate(ids: DispatchIds, job: TerrakubeJob | 'notFound', age: DurationMs): GateDecision {
  if (job === 'notFound') return { kind: 'skip', reason: 'jobGone' };
  const step = findStep(job, ids.stepId);
  // An onReject run: its job stays rejected and its step is failed from the start. It has run when there is an output.
  if (job.status === 'rejected' && ids.type === 'approval' && step?.output === null) return { kind: 'go' };
  if (!isLiveJob(job)) return { kind: 'skip', reason: 'jobEnded' };
  if (step) {
    if (step.status === 'pending') return { kind: 'go' };
    if (step.status === 'failed' && isToldByUs(step)) return { kind: 'finishTelling' };
    return { kind: 'skip', reason: step.status === 'running' ? 'stepStarted' : 'stepEnded' };
  }
  // After a crash Terrakube makes the steps anew. An executor with the lost id would leave the job running for ever.
  if (job.steps.length > 0) return { kind: 'skip', reason: 'superseded' };
  if (age >= COMMIT_LIMIT_MS) return { kind: 'skip', reason: 'neverCommitted' };
  return { kind: 'wait', delaySeconds: commitDelay(age) };
}

/** 1, 2, 4, 8, 15, 15 … seconds, counted from the age: the receive count also grows for other causes. */
function commitDelay(age: DurationMs): Seconds {
  if (age < 1000) return seconds(1);
  if (age < 3000) return seconds(2);
  if (age < 7000) return seconds(4);
  if (age < 15_000) return seconds(8);
  return seconds(15);
}
