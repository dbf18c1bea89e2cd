// What of an action is left to do: a line that the run's log has already, a job that was kept alive a moment ago and a
// restart that somebody is at are no work. So the plan of a world in which everything was done holds only `leave`.

import { speech } from './failure-text.ts';
import { isPingDue } from './job-comments.ts';
import { ANNOTATION } from './job-manifest.ts';
import type { PlanAction } from './plan-types.ts';
import { isClaimed } from './restart-claim.ts';
import { elapsedMs, parseIsoTime } from './time.ts';
import type { Case } from './verdict-case.ts';
import { leave } from './verdict-row.ts';
import type { Action } from './verdict-types.ts';
import { blockedLine, isSaidBy } from './waiting.ts';

type Annotations = Readonly<Record<string, string>> | undefined;

/** The action, or `leave` when it is done already. @param annotations of the Job. */
export function actionLeft(action: Action, seen: Case, annotations: Annotations): Action {
  const said = annotations?.[ANNOTATION.said] ?? '';
  switch (action.kind) {
    case 'leave':
      return action.logLine !== undefined && isSaidBy(said, { line: speech(action.logLine) })
        ? leave(action.why)
        : action;
    case 'explain': {
      const word = { line: blockedLine(action.text), cause: seen.finding?.cause };
      const isDue = !isSaidBy(said, word) || (action.keepAlive && mayPing(seen, annotations));
      return isDue ? action : leave(`its user knows: ${action.text}`);
    }
    case 'keepAlive':
      return mayPing(seen, annotations) ? action : leave(action.text);
    case 'restart':
      return action.phase === 'carryOut' && isClaimed(annotations, seen.now)
        ? leave('another run is starting it again')
        : action;
    case 'retry':
    case 'stop':
    case 'fail':
    case 'tell':
    case 'patchJob':
    case 'patchStep':
    case 'annotate':
    case 'delete':
      return action;
  }
}

function mayPing({ job, now }: Case, annotations: Annotations): boolean {
  const acceptedAt = parseIsoTime(annotations?.[ANNOTATION.acceptedAt] ?? '') ?? now;
  return isPingDue(job?.comments ?? null, elapsedMs(acceptedAt, now));
}

/** Whether an action is a deed, or a line that is still to be written. */
export const isDeed = (action: PlanAction): boolean =>
  action.kind === 'leave' ? action.logLine !== undefined : action.kind !== 'retry';

/** Why something is done, or not, in a few words. @param taken what the verdict said before it was looked at what is left. */
export function whyOf(action: Action, taken: Action): string {
  switch (action.kind) {
    case 'leave':
      return action.why || (taken.kind === 'leave' ? taken.why : taken.kind);
    case 'stop':
      return `${action.verdict.action}: ${action.verdict.title}`;
    case 'fail':
    case 'restart':
      return action.reason.title;
    case 'tell':
      return action.reason?.title ?? 'half told: the step is failed, its job is not';
    case 'patchJob':
    case 'patchStep':
      return `${action.status}${action.reason ? `: ${action.reason.title}` : ''}`;
    case 'annotate':
      return action.title;
    case 'explain':
    case 'keepAlive':
      return action.text;
    case 'delete':
      return action.why;
    case 'retry':
      return 'Terrakube cannot be read';
  }
}
