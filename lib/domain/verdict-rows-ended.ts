// Rows 27 to 37: the Job has ended. That Kubernetes says `Complete` means only that the container ended with 0: what
// counts is what the executor has told Terrakube, and what it can never tell any more.

import type { Cause } from './causes.ts';
import { cut, TITLE_LIMIT } from './failure-text.ts';
import { type DurationMs, durationMs } from './time.ts';
import {
  type Case,
  hasEnded,
  isHalfTold,
  isLeftOpen,
  isLive,
  isOpen,
  isOurs,
  isReportCutOff,
  isStep,
  isSurelyOver,
  mayRestart,
} from './verdict-case.ts';
import { cutOffReason, lostCallbackReason, overReason, reasonOfCase, signInReason } from './verdict-reasons.ts';
import type { VerdictRow } from './verdict-row.ts';
import { rest } from './verdict-rows-recorded.ts';
import type { Action } from './verdict-types.ts';

/** A report may be under way when the container ends. */
const REPORT_MAY_TAKE: DurationMs = durationMs(10_000);
/** Step and job are reported one after the other, with retries between them. */
const CUT_OFF_AFTER: DurationMs = durationMs(60_000);

/** Causes that only the cluster knows: the executor that they end says "failed", or nothing. */
const ONLY_OURS: readonly Cause[] = ['evicted', 'disrupted', 'nodeLost', 'deadline', 'podDeleted', 'outOfMemory'];

/** Behind a title that was put into the name of a step that had failed already: it is written once only. */
const ANNOTATED = ' (dispatcher)';

/** The job's end when no step is left to run. */
export const endJob = (seen: Case): Action =>
  seen.job?.steps.some(({ status }) => status === 'cancelled')
    ? { kind: 'patchJob', status: 'cancelled', reason: undefined }
    : { kind: 'patchJob', status: 'failed', reason: overReason(seen) };

const succeededReason = (seen: Case) => (isStep(seen, 'running') ? lostCallbackReason(seen) : signInReason(seen));

/** The cause to put into the name of a step that failed without one. */
function unsaidTitle(seen: Case): string | undefined {
  const { kind, step, intent, finding } = seen;
  // Nobody has spoken about the step: a sweep failed it, and any cause is better than none.
  const isUnsaid = step?.output === null;
  if (intent) return intent.title === '' || intent.cause === 'notNeeded' ? undefined : intent.title;
  if (kind === 'succeeded') return isUnsaid ? signInReason(seen).title : undefined;
  return finding && (isUnsaid || ONLY_OURS.includes(finding.cause)) ? finding.title : undefined;
}

/** A succeeded Job whose step may still be told about: no other Job has taken its place. */
const isUnreported = (seen: Case, status: string): boolean =>
  seen.kind === 'succeeded' && seen.facts.isNewest && isLive(seen) && isStep(seen, status);

const isFailedOpen = (seen: Case): boolean =>
  seen.kind === 'failed' && seen.facts.isNewest && isLive(seen) && isOpen(seen);

const causeOf = ({ intent, finding }: Case): string => intent?.cause ?? finding?.cause ?? 'unknown';

/** The rows. */
export const ENDED_ROWS: readonly VerdictRow[] = [
  {
    row: 27,
    kubernetes: 'succeeded or failed',
    terrakube: 'step failed by us, job live',
    does: 'tell the job only (half-told)',
    fits: (seen) => hasEnded(seen) && isHalfTold(seen),
    action: () => ({ kind: 'tell', scope: 'job', reason: undefined }),
  },
  {
    row: 28,
    kubernetes: 'succeeded or failed; no unfinished Job of this Terrakube job',
    terrakube:
      'job live, no step `pending` or `running`, seen so for 60 s (at once when our step is `cancelled`); not while the job is `pending` or `approved` and every step `completed`',
    does: 'set the job `cancelled` if a step is, else `failed`',
    fits: (seen) => hasEnded(seen) && !seen.facts.hasUnfinishedJobOfTerrakubeJob && isSurelyOver(seen),
    action: endJob,
  },
  {
    row: 29,
    kubernetes: 'succeeded or failed for 60 s; no unfinished Job of this Terrakube job',
    terrakube: 'our step ended, job `running` and no step `running`, seen so for 60 s',
    does: 'fail the job only: the executor ended between reporting the step and the job',
    fits: (seen) =>
      hasEnded(seen) &&
      !seen.facts.hasUnfinishedJobOfTerrakubeJob &&
      isReportCutOff(seen) &&
      seen.age >= CUT_OFF_AFTER &&
      seen.facts.unchangedFor >= CUT_OFF_AFTER,
    action: (seen) => ({ kind: 'patchJob', status: 'failed', reason: cutOffReason(seen) }),
  },
  {
    row: 30,
    kubernetes: 'succeeded less than 10 s ago',
    terrakube: 'step open',
    does: 'leave: the report may be under way; look again then',
    fits: (seen) => seen.kind === 'succeeded' && isOpen(seen) && seen.age < REPORT_MAY_TAKE,
    action: () => ({ kind: 'leave', why: 'the report may be under way' }),
  },
  {
    row: 31,
    kubernetes: 'succeeded; the newest',
    terrakube: 'step `pending`, job live',
    does: 'fail step and job: the executor could not reach Terrakube or sign in to it; nothing was run',
    fits: (seen) => isUnreported(seen, 'pending'),
    action: (seen) => ({ kind: 'fail', reason: signInReason(seen), cause: 'neverReported' }),
  },
  {
    row: 32,
    kubernetes: 'succeeded; the newest',
    terrakube: 'step `running`, job live',
    does: 'fail step and job: lost callback. Terraform may have succeeded; look at the state before running it again',
    fits: (seen) => isUnreported(seen, 'running'),
    action: (seen) => ({ kind: 'fail', reason: lostCallbackReason(seen), cause: 'lostCallback' }),
  },
  {
    row: 33,
    kubernetes:
      'failed, without a verdict, for a cause that may pass; the newest; it never started, a start is left, no approval',
    terrakube: 'step `pending`, job live',
    does: 'record `restart`, then row 10',
    fits: (seen) => isFailedOpen(seen) && !seen.isJudged && (seen.finding?.restartable ?? false) && mayRestart(seen),
    action: (seen) => ({ kind: 'restart', phase: 'record', reason: reasonOfCase(seen), cause: causeOf(seen) }),
  },
  {
    row: 34,
    kubernetes: 'failed; the newest',
    terrakube: 'step open, job live',
    does: 'fail step and job with the cause',
    fits: isFailedOpen,
    action: (seen) => ({ kind: 'fail', reason: reasonOfCase(seen), cause: causeOf(seen) }),
  },
  {
    row: 35,
    kubernetes: 'succeeded or failed; the newest',
    terrakube:
      'job ended (not rejected), step `running`, or `pending` under a failed or cancelled job, seen so for 10 s',
    does: 'set the step only: `cancelled` under a cancelled job, else `failed`',
    fits: (seen) =>
      hasEnded(seen) && seen.facts.isNewest && isLeftOpen(seen) && seen.facts.unchangedFor >= REPORT_MAY_TAKE,
    action: (seen) => ({
      kind: 'patchStep',
      status: seen.side === 'cancelled' ? 'cancelled' : 'failed',
      reason: seen.kind === 'succeeded' ? succeededReason(seen) : reasonOfCase(seen),
    }),
  },
  {
    row: 36,
    kubernetes:
      'failed with a cause of ours (evicted, disrupted, nodeLost, deadline, podDeleted, outOfMemory, or a verdict); or the executor never spoke; the newest',
    terrakube: 'step failed (not by us), job not rejected',
    does: 'put the cause into the name of the step, once',
    fits: (seen) =>
      hasEnded(seen) &&
      seen.facts.isNewest &&
      seen.side !== 'rejected' &&
      isStep(seen, 'failed') &&
      !isOurs(seen) &&
      !(seen.step?.name.endsWith(ANNOTATED) ?? false) &&
      unsaidTitle(seen) !== undefined,
    action: (seen) => ({
      kind: 'annotate',
      title: `${cut(unsaidTitle(seen) ?? '', TITLE_LIMIT - ANNOTATED.length)}${ANNOTATED}`,
    }),
  },
  {
    row: 37,
    kubernetes: 'anything',
    terrakube: 'anything',
    does: 'leave; a suspended Job whose verdict is carried out is deleted',
    fits: () => true,
    action: (seen) => rest(seen, 'there is nothing to do'),
  },
];
