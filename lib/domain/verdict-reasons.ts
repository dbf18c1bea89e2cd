// What people read about a verdict: the reasons that neither Job nor Pod can give. What the cluster shows is worded in
// failure-reasons.ts.
import { adviceFor, againAdvice, isPlan, neverEndsReason, reasonOf } from './failure-reasons.ts';
import { cut, type Reason, TITLE_LIMIT } from './failure-text.ts';
import { type Finding, finding as found } from './finding.ts';
import type { DurationMs } from './time.ts';
import type { Case } from './verdict-case.ts';

/** Why the Job of a case waits or has ended: its recorded verdict comes before what that verdict brought about. */
export function reasonOfCase({ outcome, intent, ids, everStarted }: Case): Reason {
  const reason = reasonOf(outcome, ids.type);
  const [before, now] = [againAdvice('no', ids.type), againAdvice(everStarted, ids.type)];
  // A container that started while its Job was being stopped makes wrong what was recorded before.
  if (!intent || everStarted !== 'yes' || reason.advice.includes(now)) return reason;
  return { ...reason, advice: `${reason.advice.replace(before, '').trim()} ${now}`.trim() };
}

/** Why a Job that waited was given up: what it waited for, and for how long. */
export function waitReason({ outcome, finding, ids, everStarted, waited }: Case): Reason {
  const lasted = `(The step has waited for ${minutes(waited)}.)`;
  if (finding) {
    const reason = reasonOf(outcome, ids.type);
    return { ...reason, evidence: `${reason.evidence} ${lasted}` };
  }
  return {
    title: `waited ${minutes(waited)} for the cluster`,
    evidence: `The Kubernetes Job was made, and its container has not started. ${lasted}`,
    advice: adviceFor('unknown', everStarted, ids.type),
  };
}

/** Why a Job of a cancelled job is stopped. */
export const cancelReason = ({ ids, kind, side }: Case): Reason => ({
  title: side === 'gone' ? 'its job is gone from Terrakube' : 'cancelled in Terrakube',
  evidence:
    kind === 'running'
      ? 'The job was cancelled while its executor was running.'
      : 'The job was cancelled before its executor had started.',
  advice: againAdvice(kind === 'running' ? 'unknown' : 'no', ids.type),
});

/** The step was failed by Terrakube while its Job waited, or is not needed for another reason. */
export function quietReason({ ids, job, step, finding, everStarted }: Case, wasSwept: boolean): Reason {
  const title = wasSwept
    ? `failed by Terrakube's heartbeat check while waiting: ${finding?.title ?? 'the executor had not started'}`
    : 'its step does not wait for it any more';
  return {
    title: cut(title, TITLE_LIMIT),
    evidence:
      `The job is ${job?.status ?? 'gone'}, the step is ${step?.status ?? 'gone'}. ${finding?.evidence ?? ''}`.trim(),
    advice: [
      againAdvice(everStarted, ids.type),
      ...(wasSwept ? ['Terrakube gives up a job that nobody keeps alive (setting KeepAlive).'] : []),
    ]
      .join(' ')
      .trim(),
  };
}

/** A step that has no Job. */
export function noJobReason({ step, job, ids, facts }: Case): Reason {
  const ran = step?.status === 'running';
  return {
    title: ran ? 'its Kubernetes Job is gone' : 'the step never became a Kubernetes Job',
    evidence: `The job is ${job?.status} and the step ${step?.status}, unchanged for ${minutes(facts.unchangedFor)}, and the cluster has no Job for it.`,
    // The executor writes `running` before it does anything.
    advice: againAdvice(ran ? 'unknown' : 'no', ids.type),
  };
}

/** A step that waits under a job that has ended. */
export const notRunReason = ({ job, ids }: Case): Reason => ({
  title: `not run: its job is ${job?.status}`,
  evidence: `The job is ${job?.status}, and Terrakube has left this step pending, as it does in a locked workspace.`,
  advice: againAdvice('no', ids.type),
});

/** A Job that cannot be ended. */
export const stuckReason = ({ outcome, ids, age }: Case): Reason => {
  const reason = neverEndsReason(outcome.kind === 'stopping' ? outcome : {}, ids.type);
  return { ...reason, evidence: `${reason.evidence} (It was stopped ${minutes(age)} ago.)` };
};

/** A step whose Job was stopped as one that had not started. */
export const startedReason = ({ ids, intent, everStarted, job, step }: Case): Reason => ({
  title: 'its executor started while its Job was being stopped',
  evidence: `Stopped for: ${intent?.title || 'it waited too long'}. Now the job is ${job?.status}, the step ${step?.status}, and its container ran: ${everStarted}.`,
  advice: againAdvice(step?.status === 'running' ? 'yes' : everStarted, ids.type),
});

/** A container that runs and has not said a word. It writes `running` before it does anything. */
export const silentReason = ({ ids, age }: Case): Reason => ({
  title: 'executor runs but reports nothing',
  evidence: `The container has been running for ${minutes(age)}, and the step is still pending. An image older than the Terrakube API hangs like this.`,
  advice: adviceFor('silent', 'no', ids.type),
});

/** A container that ended well and never spoke. */
export const signInReason = ({ ids }: Case): Reason => ({
  title: 'executor could not reach Terrakube or sign in to it',
  evidence: 'The container ended with exit code 0 and its executor has never reported.',
  advice: `Check AzBuilderApiUrl and InternalSecret in the executor's Secret, and the way from the cluster to the API. ${againAdvice('no', ids.type)}`,
});

/** A container that ended well after it had begun, without the last word. */
export const lostCallbackReason = ({ ids }: Case): Reason => ({
  title: 'executor ended without reporting its result',
  evidence: 'The container ended with exit code 0, and the step still reads running. Terraform may have succeeded.',
  advice: `${isPlan(ids.type) ? '' : 'Look at the state before you run it again. '}${againAdvice('yes', ids.type)}`,
});

/** A job that nothing would ever end. */
export const overReason = ({ job, facts }: Case): Reason => ({
  title: 'the job has no step left to run',
  evidence: `The job is ${job?.status}, none of its steps is pending or running, and nothing has changed for ${seconds(facts.unchangedFor)}.`,
  advice: 'Look at the results of its steps, then run the job again if something is missing.',
});

/** A step that was reported, under a job that was not. */
export const cutOffReason = ({ step, age }: Case): Reason => ({
  title: 'executor ended between reporting the step and the job',
  evidence: `The step is ${step?.status}, its Kubernetes Job ended ${seconds(age)} ago, and the job still reads running.`,
  advice: "The step's own result stands. Run the job again for the steps that remain.",
});

/** A Job that was deleted by somebody while its step was open. */
export const DELETED: Finding = found('podDeleted', {
  title: 'its Kubernetes Job was deleted',
  evidence: 'The Kubernetes Job was deleted before it had ended, and not by the dispatcher.',
});

const seconds = (duration: DurationMs): string => `${Math.round(duration / 1000)} s`;
const minutes = (duration: DurationMs): string => {
  const whole = Math.round(duration / 60_000);
  return whole < 2 ? seconds(duration) : `${whole} minutes`;
};
