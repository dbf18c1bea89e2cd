// Rows 1 to 7: Terrakube cannot be read or must not be written to, and steps without a Job.
import type { JobOutcome } from './job-outcome.ts';
import { isOpenStep } from './terrakube-job.ts';
import { type DurationMs, durationMs } from './time.ts';
import {
  type Case,
  caseOf,
  isHalfTold,
  isLeftOpen,
  isOpen,
  isPastGrace,
  isPayloadOld,
  isStep,
  isSurelyOver,
} from './verdict-case.ts';
import { DELETED, noJobReason, notRunReason, quietReason, reasonOfCase } from './verdict-reasons.ts';
import { firstFit, leave, stop, type VerdictRow } from './verdict-row.ts';
import { ENDED_ROWS, endJob } from './verdict-rows-ended.ts';
import { RECORDED_ROWS, rest } from './verdict-rows-recorded.ts';
import { isSilent } from './verdict-rows-running.ts';
import type { Action } from './verdict-types.ts';

/** Beyond what a step may take: deliveries and looks that were late. */
const LOST_AFTER: DurationMs = durationMs(360_000);

/** Terrakube lets the steps of a job that was failed follow it within 3 s, unless its workspace is locked. */
const FOLLOWS_WITHIN: DurationMs = durationMs(10_000);

const isMissing = ({ kind }: Case): boolean => kind === 'missing';

/** The Job was of our making, or every Job is. */
const isOursToJudge = ({ settings, facts }: Case): boolean => settings.ownsAllSteps || facts.hasOtherJobOfTerrakubeJob;

/** What the last document of a Job that is gone says; one that had not ended was deleted. */
function lastOutcome({ outcome, facts, now }: Case): Exclude<JobOutcome, { kind: 'missing' }> | undefined {
  if (outcome.kind !== 'missing' || outcome.hasPods || facts.hasOtherJobOfStep) return undefined;
  const { last } = outcome;
  if (last?.kind === 'succeeded') return last;
  // A suspended Job with a verdict is deleted by us, after the verdict was carried out.
  if (last?.kind === 'failed') return last.isSuspended ? undefined : last;
  if (last === undefined) return undefined;
  const { intent, start, type } = last;
  return { kind: 'failed', intent, start, type, ...DELETED, everStarted: 'unknown', endedAt: now, isSuspended: false };
}

/** What the rows of an ended Job say about the last document. There is no Job that a restart could be claimed on. */
function byLastDocument(seen: Case): Action {
  const outcome = lastOutcome(seen);
  if (!outcome) return leave('its Job left no document');
  const then = caseOf({ ...seen, outcome, facts: { ...seen.facts, isNewest: true } });
  const action = firstFit([...RECORDED_ROWS, ...ENDED_ROWS], then)?.action ?? leave('there is nothing to do');
  return action.kind === 'restart' ? { kind: 'fail', reason: action.reason, cause: action.cause } : action;
}

/** Our step would be the next, or is the one that runs, and has been so for longer than any Job could make it last. */
function isLost(seen: Case): boolean {
  const { job, step, settings, facts } = seen;
  if (!job || !step || !isOpen(seen)) return false;
  if (job.steps.some((other) => isOpenStep(other) && other.stepNumber < step.stepNumber)) return false;
  if (job.status === 'running' && step.status === 'running') {
    return facts.unchangedFor >= settings.deadline + LOST_AFTER;
  }
  const isWaiting =
    job.status === 'queue' || (job.status === 'running' && !job.steps.some(({ status }) => status === 'running'));
  return isWaiting && facts.unchangedFor >= settings.payloadMaxAge + LOST_AFTER;
}

/** An onReject run. No PATCH of any kind: it would run onReject again. */
function onReject(seen: Case): Action {
  const { kind, isJudged, finding, settings, age } = seen;
  if (kind === 'suspended' && isPayloadOld(seen)) {
    return { kind: 'delete', why: 'an onReject run that was never resumed' };
  }
  const waitsTooLong = kind === 'waiting' && (isPastGrace(seen) || isPayloadOld(seen));
  const isMute = kind === 'running' && isSilent(seen) && age > settings.silentAfter;
  if (!isJudged && (waitsTooLong || isMute)) {
    const reason = finding ? reasonOfCase(seen) : quietReason(seen, false);
    return stop('quiet', reason, { cause: finding?.cause ?? (isMute ? 'silent' : 'unknown') });
  }
  return rest(seen, 'a rejected job is not written to');
}

/** The rows. */
export const FIRST_ROWS: readonly VerdictRow[] = [
  {
    row: 1,
    kubernetes: 'any',
    terrakube: 'unreachable',
    does: 'try again later',
    fits: ({ side }) => side === 'unreachable',
    action: () => ({ kind: 'retry' }),
  },
  {
    row: 2,
    kubernetes: 'any',
    terrakube: 'job `rejected`, type approval (onReject; its step is already `failed`)',
    does: 'waiting too long, or silent: stop (`quiet`); suspended for longer than PayloadMaxAge: delete; else leave. Nothing is written to Terrakube: it would run onReject again',
    fits: ({ side, ids }) => side === 'rejected' && ids.type === 'approval',
    action: onReject,
  },
  {
    row: 3,
    kubernetes:
      'missing, with its last document (not of a suspended Job that we deleted), no pod of it left, no other Job of the step',
    terrakube: 'step open, job not rejected',
    does: 'what rows 8 to 37 say about that document, but a restart is told as a failure; a document without an end: the Job was deleted',
    fits: (seen) => isMissing(seen) && isOpen(seen) && seen.side !== 'rejected' && lastOutcome(seen) !== undefined,
    action: byLastDocument,
  },
  {
    row: 4,
    kubernetes:
      'missing, no other Job of the step; OwnsAllSteps, or another Job of ours belongs to this Terrakube job; not DispatchPaused',
    terrakube:
      'ours the lowest open step, and: job `queue`, or job `running` and no step `running`, unchanged for PayloadMaxAge + 360 s; or job and step `running`, unchanged for deadline + grace period + 360 s',
    does: 'fail step and job: the step never became a Kubernetes Job, or its Job is gone',
    fits: (seen) =>
      isMissing(seen) &&
      !seen.facts.hasOtherJobOfStep &&
      isOursToJudge(seen) &&
      !seen.settings.isDispatchPaused &&
      isLost(seen),
    action: (seen) => ({
      kind: 'fail',
      reason: noJobReason(seen),
      cause: isStep(seen, 'running') ? 'jobGone' : 'neverCreated',
    }),
  },
  {
    row: 5,
    kubernetes: 'missing',
    terrakube: 'step failed by us, job live',
    does: 'tell the job only (half-told)',
    fits: (seen) => isMissing(seen) && isHalfTold(seen),
    action: () => ({ kind: 'tell', scope: 'job', reason: undefined }),
  },
  {
    row: 6,
    kubernetes: 'missing; another Job of ours belongs to this Terrakube job, or OwnsAllSteps; none of them unfinished',
    terrakube: 'as in row 28',
    does: 'set the job `cancelled` if a step is, else `failed`',
    fits: (seen) =>
      isMissing(seen) && isOursToJudge(seen) && !seen.facts.hasUnfinishedJobOfTerrakubeJob && isSurelyOver(seen),
    action: endJob,
  },
  {
    row: 38,
    kubernetes: 'missing, no other Job of the step; another Job of ours belongs to this Terrakube job',
    terrakube: 'job failed or cancelled, step `pending`, seen so for 10 s (as in a locked workspace)',
    does: 'set the step only: `cancelled` under a cancelled job, else `failed`',
    fits: (seen) =>
      isMissing(seen) &&
      seen.facts.hasOtherJobOfTerrakubeJob &&
      !seen.facts.hasOtherJobOfStep &&
      isStep(seen, 'pending') &&
      isLeftOpen(seen) &&
      seen.facts.unchangedFor >= FOLLOWS_WITHIN,
    action: (seen) => ({
      kind: 'patchStep',
      status: seen.side === 'cancelled' ? 'cancelled' : 'failed',
      reason: notRunReason(seen),
    }),
  },
  {
    row: 7,
    kubernetes: 'missing',
    terrakube: 'anything else',
    does: 'leave',
    fits: isMissing,
    action: () => leave('it has no Job, and needs none'),
  },
];
