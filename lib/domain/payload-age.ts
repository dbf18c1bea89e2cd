// A payload holds credentials that live half an hour. One that waited too long is not given to an executor: Terrakube is
// asked for a fresh one, a limited number of times.
import type { StepType } from './dispatch-request.ts';
import type { Reason } from './failure-text.ts';
import type { StartRecord } from './job-comments.ts';
import { type DurationMs, type EpochMs, elapsedMs, type Seconds, secondsToMs } from './time.ts';

/** How patient an installation is. */
export interface Patience {
  /** Age at which a payload is out of date, from its acceptance. */
  readonly payloadMaxAge: Seconds;
  /** How many times a step may be started in all. */
  readonly maxStarts: number;
  /** Whether waiting jobs are kept alive in Terrakube's queue. */
  readonly keepAlive: boolean;
  /** True: nothing is dispatched; messages wait. */
  readonly isPaused: boolean;
}

/** What is known about the starts of a step. */
export interface Starts {
  readonly type: StepType;
  readonly acceptedAt: EpochMs;
  /** From the job's comments. */
  readonly record: StartRecord | undefined;
  /** The highest start number of the step's Jobs; 0 without any. */
  readonly highestStart: number;
}

/** What to do about a payload's age. */
export type AgeDecision =
  | { readonly kind: 'fresh' }
  /** A fresh payload was asked for after this message was accepted: it is the older one. */
  | { readonly kind: 'renewed' }
  | { readonly kind: 'ask'; readonly record: Omit<StartRecord, 'stepId'> }
  | { readonly kind: 'giveUp'; readonly starts: number; readonly waited: DurationMs };

/**
 * EventBridge dates an event by whole seconds, and the clocks of two machines differ: a fresh payload that seems to be older
 * than the question for it must not be dropped, for nothing else is left. The old one is older by PayloadMaxAge, 60 s at least.
 */
const CLOCK_TOLERANCE_MS = 10_000;

/** Says whether a message is the older one of a step for which a fresh payload was asked. */
export const isRenewed = ({ record, acceptedAt }: Pick<Starts, 'record' | 'acceptedAt'>): boolean =>
  record !== undefined && acceptedAt + CLOCK_TOLERANCE_MS < record.askedAt;

/** Says whether a payload may become a Job. */
export function freshness(
  starts: Pick<Starts, 'record' | 'acceptedAt'>,
  { payloadMaxAge }: Pick<Patience, 'payloadMaxAge'>,
  now: EpochMs,
): 'fresh' | 'renewed' | 'stale' {
  if (isRenewed(starts)) return 'renewed';
  return elapsedMs(starts.acceptedAt, now) <= secondsToMs(payloadMaxAge) ? 'fresh' : 'stale';
}

/** Decides about a payload that is too old for a Job, or seemed to be a moment ago. */
export function payloadAge(starts: Starts, patience: Patience, now: EpochMs): AgeDecision {
  const kind = freshness(starts, patience, now);
  if (kind !== 'stale') return { kind };
  const { record, acceptedAt, highestStart, type } = starts;
  const { maxStarts } = patience;
  const since = record?.since ?? acceptedAt;
  // Either counter may have been lost: Jobs go with their TTL, and a Job that was refused never counted.
  const used = Math.max(1, highestStart, record?.start ?? 0);
  // An approval that is sent again would have to be given again.
  if (type === 'approval' || used >= maxStarts) return { kind: 'giveUp', starts: used, waited: elapsedMs(since, now) };
  return { kind: 'ask', record: { start: used + 1, maxStarts, since, askedAt: now } };
}

/** Why a step that waited too long is given up. @param waitedFor the last waiting line of the run, without its opening. */
export function tooLongReason(starts: number, waited: DurationMs, waitedFor: string | undefined): Reason {
  const minutes = Math.round(waited / 60_000);
  const times = starts === 1 ? '' : ` and ${starts} payloads`;
  return {
    title: `waited ${minutes} minutes${times} for the cluster`,
    evidence: `The step could not be started: ${waitedFor ?? 'the cluster did not take it'}. Nothing was run.`,
    advice: 'Make room in the cluster (its quota, its nodes, or what the message names), then run the job again.',
  };
}
