// What a dead letter still is: a step that waits in Terrakube and whose user should hear that nobody will start it, or
// nothing any more. It is judged like a delivery, but never dispatched.
import type { V1Job } from '@kubernetes/client-node';
import type { DispatchRequest } from './dispatch-request.ts';
import { gate, type SkipReason } from './gate.ts';
import { startRecord } from './job-comments.ts';
import type { Installation } from './job-name.ts';
import { anotherDeliveryGotThrough } from './next-start.ts';
import { isRenewed } from './payload-age.ts';
import type { TerrakubeJob } from './terrakube-job.ts';
import { type EpochMs, elapsedMs } from './time.ts';

/** Whose message it is, and how old. */
export type DeadRequest = Pick<DispatchRequest, 'ids' | 'acceptedAt'>;

/** What is to be done about a dead letter. */
export type DeadLetterDecision =
  /** Nobody needs it. */
  | { readonly kind: 'done'; readonly reason: SkipReason | 'renewed' | 'anotherDelivery' }
  /** Its step waits, and nothing will start it. */
  | { readonly kind: 'stillWaits' }
  /** We failed its step and were stopped before we failed the job. */
  | { readonly kind: 'halfTold' }
  /** Terrakube is still committing the job: too early to say. */
  | { readonly kind: 'tooEarly' };

/** Decides by Terrakube's side; a step that waits there may yet have a Job. @param job the Terrakube job, or `notFound`. */
export function deadLetterDecision(
  { ids, acceptedAt }: DeadRequest,
  job: TerrakubeJob | 'notFound',
  now: EpochMs,
): DeadLetterDecision {
  const passed = gate(ids, job, elapsedMs(acceptedAt, now));
  switch (passed.kind) {
    case 'skip':
      return { kind: 'done', reason: passed.reason };
    case 'wait':
      return { kind: 'tooEarly' };
    case 'finishTelling':
      return { kind: 'halfTold' };
    case 'go': {
      const record = job === 'notFound' ? undefined : startRecord(job.comments, ids.stepId);
      return isRenewed({ record, acceptedAt }) ? { kind: 'done', reason: 'renewed' } : { kind: 'stillWaits' };
    }
  }
}

/** Decides about a step that waits in Terrakube by its Jobs, in any order. */
export const waitingDecision = (
  { ids }: Pick<DeadRequest, 'ids'>,
  installation: Installation,
  jobs: readonly V1Job[],
): DeadLetterDecision =>
  anotherDeliveryGotThrough(ids, installation, jobs)
    ? { kind: 'done', reason: 'anotherDelivery' }
    : { kind: 'stillWaits' };
