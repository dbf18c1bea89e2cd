// A payload that waited too long: Terrakube is asked for a fresh one, or the step is given up with what it waited for.
// Setting a job in the queue back to `pending` makes Terrakube send the same step again, with new credentials.

import type { DispatchRequest } from '../domain/dispatch-request.ts';
import { recordText, startRecord } from '../domain/job-comments.ts';
import type { Installation } from '../domain/job-name.ts';
import { stepSelector } from '../domain/job-name.ts';
import { anotherDeliveryGotThrough, highestStart } from '../domain/next-start.ts';
import { nextTell } from '../domain/next-tell.ts';
import { type Patience, payloadAge, tooLongReason } from '../domain/payload-age.ts';
import { lastWait } from '../domain/waiting.ts';
import type { JobStore } from '../ports.ts';
import { type TellDeps, tellTerrakube } from './tell-terrakube.ts';

/** What renewing needs. */
export interface RenewDeps extends TellDeps {
  readonly jobs: JobStore;
  readonly installation: Installation;
  readonly patience: Patience;
}

/** What came of it. */
export type RenewResult =
  | { readonly kind: 'asked' | 'renewed' | 'anotherDelivery' | 'gone' }
  | { readonly kind: 'gaveUp'; readonly reason: string }
  /** Terrakube is still writing the job down. */
  | { readonly kind: 'tooEarly' };

/** Asks for a fresh payload, or gives up. Jobs and job are read again just before the write. */
export async function renewPayload(
  deps: RenewDeps,
  { ids, acceptedAt }: Pick<DispatchRequest, 'ids' | 'acceptedAt'>,
): Promise<RenewResult> {
  const { terrakube, jobs, clock, installation, patience } = deps;
  const list = () => jobs.listJobs(stepSelector(ids, installation));
  const known = await list();
  if (anotherDeliveryGotThrough(ids, installation, known)) return { kind: 'anotherDelivery' };
  const job = await terrakube.getJob(ids);
  const next = nextTell(ids.stepId, job);
  if (next === 'tooEarly') return { kind: 'tooEarly' };
  if (next !== 'step' || job === 'notFound') return { kind: 'gone' };
  const starts = {
    type: ids.type,
    acceptedAt,
    record: startRecord(job.comments, ids.stepId),
    highestStart: highestStart(ids, installation, known),
  };
  const decision = payloadAge(starts, patience, clock.now());
  switch (decision.kind) {
    case 'fresh':
      return { kind: 'tooEarly' };
    case 'renewed':
      return { kind: 'renewed' };
    case 'ask':
      await terrakube.patchJob(ids, {
        status: 'pending',
        comments: recordText({ stepId: ids.stepId, ...decision.record }),
      });
      return { kind: 'asked' };
    case 'giveUp': {
      const waitedFor = lastWait(await terrakube.readLog(ids));
      const reason = tooLongReason(decision.starts, decision.waited, waitedFor);
      const isOvertaken = async () => anotherDeliveryGotThrough(ids, installation, await list());
      const told = await tellTerrakube({ ...deps, isOvertaken }, ids, reason);
      if (told === 'overtaken') return { kind: 'anotherDelivery' };
      return told === 'tooEarly' ? { kind: 'tooEarly' } : { kind: 'gaveUp', reason: reason.title };
    }
  }
}
