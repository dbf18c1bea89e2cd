// Rows 22 to 26: the executor's container runs. Only what Terrakube says can be a reason to end it, or its silence.

import { isPlan } from './failure-reasons.ts';
import { type DurationMs, durationMs } from './time.ts';
import { type Case, isLive, isStep, mayKeepAlive } from './verdict-case.ts';
import { cancelReason, silentReason } from './verdict-reasons.ts';
import { leave, stop, type VerdictRow } from './verdict-row.ts';
import type { Action } from './verdict-types.ts';

/** Once more at the start of a container: its executor's own heartbeat comes 12 s after it has picked the job up. */
const LAST_PING_WITHIN: DurationMs = durationMs(3000);

const OPENING = 'cancelled: ';

const isRunning = ({ kind }: Case): boolean => kind === 'running';
const isCancelled = ({ side }: Case): boolean => side === 'cancelled' || side === 'gone';

/** The executor has not spoken: its first PATCH of the step sets the output. */
export const isSilent = ({ step }: Case): boolean => step?.output === null;

/** Nobody reads the log of a job that is gone. */
const logLine = ({ side }: Case, text: string) => (side === 'gone' ? {} : { logLine: `${OPENING}${text}` });

function cancelRunning(seen: Case): Action {
  const { ids, settings } = seen;
  const cause = 'cancelled';
  if (isPlan(ids.type)) {
    return stop('cancel', cancelReason(seen), { cause, ...logLine(seen, 'the running plan is stopped') });
  }
  if (settings.cancelRunningApply) {
    const text = `the running ${ids.type} is stopped (CancelRunningApply); its state may be locked or partly applied`;
    return stop('cancel', cancelReason(seen), { cause, ...logLine(seen, text) });
  }
  const text = `the running ${ids.type} is left to end by itself: ended half-way it could leave the state locked or partly applied (CancelRunningApply is off)`;
  return { kind: 'leave', why: `cancelled, but a running ${ids.type} is left alone`, ...logLine(seen, text) };
}

/** The rows. */
export const RUNNING_ROWS: readonly VerdictRow[] = [
  {
    row: 22,
    kubernetes: 'running',
    terrakube: "job cancelled, step's `output` null (the executor has not spoken)",
    does: 'stop (`cancel`), and delete the pod with a grace of 1 s',
    fits: (seen) => isRunning(seen) && seen.side === 'cancelled' && isSilent(seen),
    action: (seen) =>
      stop('cancel', cancelReason(seen), {
        cause: 'cancelled',
        deletePod: true,
        ...logLine(seen, 'the executor is stopped before it has begun'),
      }),
  },
  {
    row: 23,
    kubernetes: 'running',
    terrakube: 'job cancelled or gone',
    does: "a plan: stop (`cancel`) with its grace period; anything else is left alone unless CancelRunningApply; a line in the run's log says which",
    fits: (seen) => isRunning(seen) && isCancelled(seen),
    action: cancelRunning,
  },
  {
    row: 24,
    kubernetes: 'running',
    terrakube: 'job ended otherwise',
    does: 'leave: it may still report',
    fits: (seen) => isRunning(seen) && !isLive(seen),
    action: () => leave('the job has ended, and its executor may still report'),
  },
  {
    row: 25,
    kubernetes: 'running for longer than SilentAfter',
    terrakube: 'step `pending`',
    does: 'stop (`fail`): silent. An image older than the API hangs on a field that it does not know',
    fits: (seen) => isRunning(seen) && isStep(seen, 'pending') && seen.age > seen.settings.silentAfter,
    action: (seen) => stop('fail', silentReason(seen), { cause: 'silent' }),
  },
  {
    row: 26,
    kubernetes: 'running',
    terrakube: 'anything else',
    does: 'leave; within 3 s of the start keep the job alive once more',
    fits: isRunning,
    action: (seen) =>
      seen.age <= LAST_PING_WITHIN && mayKeepAlive(seen)
        ? { kind: 'keepAlive', text: 'the executor is starting' }
        : leave('the executor is at work'),
  },
];
