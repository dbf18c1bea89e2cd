// Rows 16 to 21: a Job whose container has not started.

import { type DurationMs, durationMs } from './time.ts';
import { type Case, isLive, isOpen, isPastGrace, isPayloadOld, mayKeepAlive, mayRestart } from './verdict-case.ts';
import { cancelReason, quietReason, reasonOfCase, waitReason } from './verdict-reasons.ts';
import { leave, stop, type VerdictRow } from './verdict-row.ts';
import type { Action } from './verdict-types.ts';

const isWaiting = ({ kind }: Case): boolean => kind === 'suspended' || kind === 'waiting';

/** A pod may exist, and its container start any moment now. */
const hasPod = ({ kind }: Case): boolean => kind === 'waiting';

/** Terrakube has failed the job while our step had not spoken: nobody else does that but its heartbeat check. */
const wasSwept = (seen: Case): boolean =>
  seen.job?.status === 'failed' && (isOpen(seen) || (seen.step?.status === 'failed' && seen.step.output === null));

/**
 * Terrakube has other steps in its place, as after a crash, when it makes them anew. A job without any step is not
 * believed so soon.
 */
const isSuperseded = (seen: Case): boolean =>
  seen.job !== undefined && seen.step === undefined && (seen.job.steps.length > 0 || isPayloadOld(seen));

/** Starts the step again if nothing speaks against it, else fails it. */
const restartOrFail = (seen: Case, isRestartable: boolean): Action =>
  stop(isRestartable && mayRestart(seen) ? 'restart' : 'fail', waitReason(seen), {
    cause: seen.finding?.cause ?? 'unknown',
  });

/** Where pods cannot be seen every start looks like a fault at first. */
const CLEAR_AFTER: DurationMs = durationMs(60_000);

const isUnclear = ({ finding, age }: Case): boolean => finding?.cause === 'unknown' && age < CLEAR_AFTER;

const whileStarting = (seen: Case): Action =>
  mayKeepAlive(seen)
    ? { kind: 'keepAlive', text: seen.kind === 'suspended' ? 'the Job is suspended' : 'the executor is starting' }
    : leave('it is starting');

/** The rows. */
export const WAITING_ROWS: readonly VerdictRow[] = [
  {
    row: 16,
    kubernetes: 'suspended or waiting',
    terrakube: 'job cancelled or gone',
    does: 'stop (`cancel`), and delete the pod at once',
    fits: (seen) => isWaiting(seen) && (seen.side === 'cancelled' || seen.side === 'gone'),
    action: (seen) => stop('cancel', cancelReason(seen), { cause: 'cancelled', deletePod: hasPod(seen) }),
  },
  {
    row: 17,
    kubernetes: 'suspended or waiting',
    terrakube: 'job ended otherwise, or step not open',
    does: "stop (`quiet`), and delete the pod at once; if Terrakube's heartbeat check failed it, row 36 gives its name the reason",
    fits: (seen) =>
      isWaiting(seen) && (!isLive(seen) || isSuperseded(seen) || (seen.step !== undefined && !isOpen(seen))),
    action: (seen) =>
      stop('quiet', quietReason(seen, wasSwept(seen)), {
        cause: wasSwept(seen) ? 'swept' : 'notNeeded',
        deletePod: hasPod(seen),
      }),
  },
  {
    row: 18,
    kubernetes: 'suspended or waiting',
    terrakube: 'job live, step open; payload older than PayloadMaxAge',
    does: 'stop: `restart` if it never started, its step is `pending`, a start is left and it is no approval; else `fail` with what it waited for',
    fits: (seen) => isWaiting(seen) && isOpen(seen) && isPayloadOld(seen),
    action: (seen) => restartOrFail(seen, true),
  },
  {
    row: 19,
    kubernetes: 'waiting for something for longer than it may',
    terrakube: 'job live, step open',
    does: 'stop: `restart` as in row 18, and only for a cause that may pass; else `fail`',
    fits: (seen) => isWaiting(seen) && isOpen(seen) && isPastGrace(seen),
    action: (seen) => restartOrFail(seen, seen.finding?.restartable ?? false),
  },
  {
    row: 20,
    kubernetes: 'waiting for something, not yet too long',
    terrakube: 'job live, step open',
    does: "explain (one line in the run's log when the cause changes; one that nobody knows after 60 s) and keep the job alive",
    fits: (seen) => isWaiting(seen) && isOpen(seen) && seen.finding !== undefined,
    action: (seen) =>
      isUnclear(seen)
        ? whileStarting(seen)
        : { kind: 'explain', text: reasonOfCase(seen).title, keepAlive: mayKeepAlive(seen) },
  },
  {
    row: 21,
    kubernetes: 'suspended or waiting',
    terrakube: 'job live',
    does: 'keep the job alive while it reads `queue`',
    fits: isWaiting,
    action: whileStarting,
  },
];
