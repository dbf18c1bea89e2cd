// Rows 8 to 15: a Job that is ending, and one that carries the verdict of an earlier look. What was recorded is carried
// out, never the failure that it brought about; a door may have been killed between any two calls.
import { type DurationMs, durationMs } from './time.ts';
import {
  type Case,
  isHalfTold,
  isLeftOpen,
  isLive,
  isOpen,
  isOver,
  isReportCutOff,
  isRestarted,
  isStep,
  mayFollow,
} from './verdict-case.ts';
import { reasonOfCase, startedReason, stuckReason } from './verdict-reasons.ts';
import { leave, type VerdictRow } from './verdict-row.ts';
import type { Action } from './verdict-types.ts';

/** Beyond its pod's grace period: what a kubelet and two controllers need on a bad day. */
const STUCK_AFTER: DurationMs = durationMs(300_000);

const isStuck = ({ outcome, age }: Case): boolean => outcome.kind === 'stopping' && age > outcome.graceMs + STUCK_AFTER;

/** The Job has ended with this verdict. */
const endedFor = (seen: Case, action: string): boolean => seen.kind === 'failed' && seen.intent?.action === action;

/** A restart that was recorded and not yet carried out. Job and step may have moved on since. */
const isRestartDue = (seen: Case): boolean =>
  endedFor(seen, 'restart') && seen.facts.isNewest && isLive(seen) && isOpen(seen) && !isRestarted(seen);

/** Something is left to write below, now or when it has been so for long enough. */
export const isUnfinished = (seen: Case): boolean =>
  isHalfTold(seen) || isOver(seen) || isReportCutOff(seen) || isLeftOpen(seen);

/** Nothing more to do. A suspended Job has no clock that would end it: it is deleted once its verdict is carried out. */
export function rest(seen: Case, why: string): Action {
  const { outcome } = seen;
  const isDone = !isRestartDue(seen) && !isUnfinished(seen);
  if (outcome.kind === 'failed' && outcome.isSuspended && isDone)
    return { kind: 'delete', why: 'its verdict is carried out' };
  return leave(why);
}

/** Fails what is open of step and job. Under a job that has ended only the step is written. */
const failOpen = (seen: Case, cause: string, reason = reasonOfCase(seen)): Action =>
  isLive(seen)
    ? { kind: 'fail', reason, cause }
    : { kind: 'patchStep', status: seen.side === 'cancelled' ? 'cancelled' : 'failed', reason };

/** The rows. */
export const RECORDED_ROWS: readonly VerdictRow[] = [
  {
    row: 8,
    kubernetes: 'ending for longer than its grace period + 300 s',
    terrakube: 'step open; or step failed by us, job live',
    does: 'fail step and job (under an ended job: the step only): the node does not answer, Terraform may still be running there. Never started again',
    fits: (seen) => isStuck(seen) && (isHalfTold(seen) || (isOpen(seen) && (isLive(seen) || isLeftOpen(seen)))),
    action: (seen) =>
      isHalfTold(seen)
        ? { kind: 'tell', scope: 'job', reason: undefined }
        : failOpen(seen, 'nodeLost', stuckReason(seen)),
  },
  {
    row: 9,
    kubernetes: 'ending',
    terrakube: 'anything else',
    does: 'leave',
    fits: ({ kind }) => kind === 'stopping',
    action: () => leave('the Job is ending'),
  },
  {
    row: 10,
    kubernetes:
      'failed with the verdict `restart`, not carried out yet; the newest Job of its step; nothing says that it has started, and a start is left',
    terrakube: 'step `pending`, job `queue`',
    does: 'start again: claim, look again, set the job `pending`, mark the Job',
    fits: (seen) => isRestartDue(seen) && seen.job?.status === 'queue' && !hasStarted(seen) && mayFollow(seen),
    action: (seen) => ({
      kind: 'restart',
      phase: 'carryOut',
      reason: reasonOfCase(seen),
      cause: seen.intent?.cause ?? 'unknown',
    }),
  },
  {
    row: 11,
    kubernetes: 'failed with the verdict `restart`, not carried out yet; the newest',
    terrakube: 'job live, step open; step or job `running`, or the container has run, or no start is left',
    does: 'fail step and job: it started after all, the state may be locked',
    fits: (seen) =>
      isRestartDue(seen) &&
      (seen.job?.status === 'running' ||
        isStep(seen, 'running') ||
        seen.everStarted === 'yes' ||
        seen.job?.status === 'queue'),
    action: (seen) => ({
      kind: 'fail',
      reason: hasStarted(seen) ? startedReason(seen) : reasonOfCase(seen),
      cause: hasStarted(seen) ? 'startedAfterAll' : (seen.intent?.cause ?? 'unknown'),
    }),
  },
  {
    row: 12,
    kubernetes: 'failed with the verdict `cancel`',
    terrakube: 'job live',
    does: 'set the job `cancelled` again: an executor that was just starting has revived it',
    fits: (seen) => endedFor(seen, 'cancel') && isLive(seen),
    action: (seen) => ({ kind: 'patchJob', status: 'cancelled', reason: reasonOfCase(seen) }),
  },
  {
    row: 13,
    kubernetes: 'failed with the verdict `fail`',
    terrakube: 'step open (not under a cancelled job), or step failed by us and job live',
    does: 'tell what is missing of step and job',
    fits: (seen) => endedFor(seen, 'fail') && (isHalfTold(seen) || (seen.facts.isNewest && isTellable(seen))),
    action: (seen) => {
      if (isHalfTold(seen)) return { kind: 'tell', scope: 'job', reason: undefined };
      return { kind: 'tell', scope: isLive(seen) ? 'both' : 'step', reason: reasonOfCase(seen) };
    },
  },
  {
    row: 14,
    kubernetes: 'failed with the verdict `restart` or `cancel`',
    terrakube:
      'anything else that needs no word: not a step left open under an ended job, a half-told job, or a live job without an open step',
    does: 'leave; a suspended Job is deleted',
    fits: (seen) => (endedFor(seen, 'restart') || endedFor(seen, 'cancel')) && !isUnfinished(seen),
    action: (seen) => rest(seen, `the verdict ${seen.intent?.action} is carried out, or waits for Terrakube`),
  },
  {
    row: 15,
    kubernetes: 'waiting or running, with a verdict',
    terrakube: 'any',
    does: 'leave: the verdict is recorded, the Job is ending',
    fits: ({ kind, isJudged }) => (kind === 'waiting' || kind === 'running') && isJudged,
    action: () => leave('its verdict is recorded'),
  },
];

/**
 * That it never ran was proved when the verdict was recorded, and its pod is gone since. What counts then is any sign that it
 * has started after that: the executor says so to Terrakube before it does anything.
 */
const hasStarted = (seen: Case): boolean =>
  seen.everStarted === 'yes' || seen.job?.status === 'running' || isStep(seen, 'running');

const isTellable = (seen: Case): boolean => isOpen(seen) && (isLive(seen) || seen.side === 'ended');
