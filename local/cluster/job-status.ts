/**
 * What the job controller decides: from a Job and a count of its pods to the Job's next status. Pure; one condition a step, as
 * a real controller writes `SuccessCriteriaMet` and `Complete` (or `FailureTarget` and `Failed`) in two updates.
 *
 * Left out: back-off between pods, parallelism above 1, indexed Jobs, podFailurePolicy.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
 */

import { isObject, type JsonObject, listAt, numberAt, objectAt, textAt, without } from '../json.ts';
import { timestamp } from './objects.ts';

/** The Job's pods, counted. */
export interface Tally {
  readonly active: number;
  readonly ready: number;
  /** On their way out, not ended yet. */
  readonly terminating: number;
  readonly failed: number;
  readonly succeeded: number;
}

/** What is to be done. */
export interface Decision {
  readonly status: JsonObject;
  readonly pods: 'create' | 'delete' | 'leave';
  /** When to look again although nothing has changed. */
  readonly wakeAtMs?: number;
}

interface Reason {
  readonly reason: string;
  readonly message: string;
}

const completed: Reason = { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
const tooManyFailures: Reason = {
  reason: 'BackoffLimitExceeded',
  message: 'Job has reached the specified backoff limit',
};
const tooLate: Reason = { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };

/** Whether the Job has ended, and when. */
export function finishedAtMs(job: JsonObject): number | undefined {
  const final = conditionOf(job, 'Complete') ?? conditionOf(job, 'Failed');
  return final?.['status'] === 'True' ? Date.parse(textAt(final, 'lastTransitionTime') ?? '') : undefined;
}

/** Takes the next step of an unfinished Job. */
export function decide(job: JsonObject, tally: Tally, nowMs: number): Decision {
  const spec = objectAt(job, 'spec');
  const failing = conditionOf(job, 'FailureTarget');
  if (failing !== undefined) {
    const gone = tally.active + tally.terminating === 0;
    return { status: gone ? repeated(job, tally, failing, 'Failed') : counted(job, tally), pods: 'delete' };
  }
  const succeeding = conditionOf(job, 'SuccessCriteriaMet');
  if (succeeding !== undefined) {
    const status = repeated(job, tally, succeeding, 'Complete');
    return { status: { ...status, completionTime: timestamp(nowMs) }, pods: 'leave' };
  }
  if (tally.failed > (numberAt(spec, 'backoffLimit') ?? 0)) {
    return { status: withCondition(job, tally, { type: 'FailureTarget', ...tooManyFailures, nowMs }), pods: 'delete' };
  }
  if (tally.succeeded >= (numberAt(spec, 'completions') ?? 1)) {
    return { status: withCondition(job, tally, { type: 'SuccessCriteriaMet', ...completed, nowMs }), pods: 'leave' };
  }
  return spec['suspend'] === true ? suspend(job, tally, nowMs) : run(job, tally, nowMs);
}

function suspend(job: JsonObject, tally: Tally, nowMs: number): Decision {
  if (conditionOf(job, 'Suspended')?.['status'] === 'True') return { status: counted(job, tally), pods: 'delete' };
  const change = { type: 'Suspended', reason: 'JobSuspended', message: 'Job suspended', nowMs };
  return { status: without(withCondition(job, tally, change), 'startTime'), pods: 'delete' };
}

function run(job: JsonObject, tally: Tally, nowMs: number): Decision {
  if (conditionOf(job, 'Suspended')?.['status'] === 'True') {
    const change = { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed', nowMs };
    return { status: { ...withCondition(job, tally, change), startTime: timestamp(nowMs) }, pods: 'leave' };
  }
  const startTime = textAt(job, 'status', 'startTime') ?? timestamp(nowMs);
  const limitSeconds = numberAt(job, 'spec', 'activeDeadlineSeconds');
  const deadlineMs = limitSeconds === undefined ? undefined : Date.parse(startTime) + limitSeconds * 1000;
  if (deadlineMs !== undefined && nowMs >= deadlineMs) {
    return { status: withCondition(job, tally, { type: 'FailureTarget', ...tooLate, nowMs }), pods: 'delete' };
  }
  return {
    status: { ...counted(job, tally), startTime },
    pods: tally.active + tally.terminating === 0 ? 'create' : 'leave',
    ...(deadlineMs === undefined ? {} : { wakeAtMs: deadlineMs }),
  };
}

function counted(job: JsonObject, tally: Tally): JsonObject {
  const { active, failed, succeeded, ready, terminating } = tally;
  return {
    ...without(objectAt(job, 'status'), 'active', 'failed', 'succeeded'),
    ...(active === 0 ? {} : { active }),
    ...(failed === 0 ? {} : { failed }),
    ...(succeeded === 0 ? {} : { succeeded }),
    ready,
    terminating,
    uncountedTerminatedPods: {},
  };
}

interface ConditionChange extends Reason {
  readonly type: string;
  readonly status?: string;
  readonly nowMs: number;
}

function withCondition(job: JsonObject, tally: Tally, change: ConditionChange): JsonObject {
  const { type, status = 'True', reason, message, nowMs } = change;
  const at = timestamp(nowMs);
  const condition = { type, status, lastProbeTime: at, lastTransitionTime: at, reason, message };
  const others = listAt(job, 'status', 'conditions').filter((other) => textAt(other, 'type') !== type);
  return { ...counted(job, tally), conditions: [...others, condition] };
}

/** The final condition repeats the reason of the one that announced it. */
function repeated(job: JsonObject, tally: Tally, announced: JsonObject, type: string): JsonObject {
  const reason = textAt(announced, 'reason') ?? '';
  const message = textAt(announced, 'message') ?? '';
  return withCondition(job, tally, { type, reason, message, nowMs: Date.now() });
}

function conditionOf(job: JsonObject, type: string): JsonObject | undefined {
  return listAt(job, 'status', 'conditions')
    .filter(isObject)
    .find((condition) => condition['type'] === type);
}
