// One look at both worlds, sorted into the words that the rows of the table are written in: which side of its life the
// Terrakube job is on, what its step is, what the Job's recorded verdict says, how long things have been as they are.
import { isToldByUs } from './failure-text.ts';
import type { EverStarted, Finding } from './finding.ts';
import { startRecord } from './job-comments.ts';
import type { JobOutcome, OutcomeKind } from './job-outcome.ts';
import type { RecordedVerdict } from './recorded-verdict.ts';
import { findStep, isLiveJob, isOpenStep, type TerrakubeJob, type TerrakubeStep } from './terrakube-job.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, parseIsoTime } from './time.ts';
import type { VerdictInput } from './verdict-types.ts';

/** Which side of its life the Terrakube job is on. `ended` is every status that is none of the others, also unknown ones. */
export type JobSide = 'unreachable' | 'gone' | 'live' | 'cancelled' | 'rejected' | 'ended';

/** What the rows are tried on. */
export interface Case extends VerdictInput {
  readonly kind: OutcomeKind;
  readonly side: JobSide;
  readonly job: TerrakubeJob | undefined;
  /** Our step; undefined when Terrakube does not have it. */
  readonly step: TerrakubeStep | undefined;
  /** The Job's recorded verdict; undefined also when nobody can read it. */
  readonly intent: RecordedVerdict | undefined;
  /** Whether the Job carries a verdict, readable or not. */
  readonly isJudged: boolean;
  readonly everStarted: EverStarted;
  /** What the Job waits for or has failed for. */
  readonly finding: Finding | undefined;
  /** How long the Job has been in this state: waiting, running, stopping, or ended. */
  readonly age: DurationMs;
  /** Age of the payload; when that is not known, of the wait. */
  readonly waited: DurationMs;
}

/** Sorts what was seen. */
export function caseOf(input: VerdictInput): Case {
  const { outcome, terrakube, ids, facts, now } = input;
  const job = typeof terrakube === 'object' ? terrakube : undefined;
  const intent = outcome.kind === 'missing' ? undefined : outcome.intent;
  const since = sinceOf(outcome);
  const age = since === undefined ? durationMs(0) : elapsedMs(since, now);
  return {
    ...input,
    kind: outcome.kind,
    side: sideOf(terrakube),
    job,
    step: job && findStep(job, ids.stepId),
    intent: typeof intent === 'object' ? intent : undefined,
    isJudged: intent !== undefined,
    everStarted: everStartedOf(outcome),
    finding: findingOf(outcome),
    age,
    waited: facts.payloadAge ?? age,
  };
}

function sideOf(terrakube: VerdictInput['terrakube']): JobSide {
  if (terrakube === 'unreachable') return 'unreachable';
  if (terrakube === 'notFound') return 'gone';
  if (isLiveJob(terrakube)) return 'live';
  return terrakube.status === 'cancelled' || terrakube.status === 'rejected' ? terrakube.status : 'ended';
}

function sinceOf(outcome: JobOutcome): EpochMs | undefined {
  switch (outcome.kind) {
    case 'missing':
      return undefined;
    case 'suspended':
    case 'waiting':
    case 'stopping':
      return outcome.since;
    case 'running':
      return outcome.startedAt;
    case 'succeeded':
    case 'failed':
      return outcome.endedAt;
  }
}

const everStartedOf = (outcome: JobOutcome): EverStarted =>
  outcome.kind === 'missing' ? 'unknown' : (outcome.everStarted ?? 'unknown');

function findingOf(outcome: JobOutcome): Finding | undefined {
  if (outcome.kind === 'waiting') return outcome.blocker;
  return outcome.kind === 'failed' ? outcome : undefined;
}

/** The job may still move. */
export const isLive = ({ side }: Case): boolean => side === 'live';

/** Our step has not ended. */
export const isOpen = ({ step }: Case): boolean => step !== undefined && isOpenStep(step);

/** Our step has this status. */
export const isStep = ({ step }: Case, status: string): boolean => step?.status === status;

/** The Job has ended by itself or by us. */
export const hasEnded = ({ kind }: Case): boolean => kind === 'succeeded' || kind === 'failed';

/** Our step has failed with a text of ours. */
export const isOurs = ({ step }: Case): boolean => step?.status === 'failed' && isToldByUs(step);

/** We failed the step and were stopped before we failed the job. */
export const isHalfTold = (seen: Case): boolean => isLive(seen) && isOurs(seen);

/** How long a state without a next step must last before it counts, unless our step was cancelled. */
const OVER_AFTER: DurationMs = durationMs(60_000);

/** A live job without an open step: nothing in Terrakube would ever end it. */
export function isOver(seen: Case): boolean {
  const { job } = seen;
  if (!job || !isLive(seen) || job.steps.length === 0 || job.steps.some(isOpenStep)) return false;
  // Terrakube completes it by itself, later if the workspace is locked.
  const isCompleting = job.status === 'pending' || job.status === 'approved';
  return !(isCompleting && job.steps.every(({ status }) => status === 'completed'));
}

/** {@link isOver}, for so long that it is no state in passing. */
export const isSurelyOver = (seen: Case): boolean =>
  isOver(seen) && (isStep(seen, 'cancelled') || seen.facts.unchangedFor >= OVER_AFTER);

/** The step was reported and the job was not: it reads `running` while nothing of it runs. */
export const isReportCutOff = (seen: Case): boolean =>
  seen.job?.status === 'running' &&
  seen.step !== undefined &&
  !isOpen(seen) &&
  !seen.job.steps.some(({ status }) => status === 'running');

/**
 * An open step under a job that has ended: Terrakube does not look at it any more. A pending one follows its job within
 * seconds, except in a locked workspace.
 */
export function isLeftOpen(seen: Case): boolean {
  if (seen.side !== 'cancelled' && seen.side !== 'ended') return false;
  const follows = seen.job?.status === 'cancelled' || seen.job?.status === 'failed';
  return isStep(seen, 'running') || (follows && isStep(seen, 'pending'));
}

/** Whether the step may be started again: it provably never ran, and a start is left. */
export const mayRestart = (seen: Case): boolean => seen.everStarted === 'no' && mayFollow(seen);

/** Whether another start may follow, if this one never ran. */
export const mayFollow = (seen: Case): boolean =>
  isStep(seen, 'pending') && seen.facts.startsLeft > 0 && seen.ids.type !== 'approval';

/** A verdict is dated by the API server's clock, a request for a fresh payload by a Lambda's. */
const CLOCK_TOLERANCE_MS = 2000;

/**
 * The recorded restart was carried out: the Job says so, or a fresh payload was asked for after the verdict, for a later
 * start than this one. The one that this Job was made for may have been asked for just before it was judged.
 */
export function isRestarted({ facts, job, ids, intent, outcome }: Case): boolean {
  const record = startRecord(job?.comments ?? null, ids.stepId);
  const judgedAt = parseIsoTime(intent?.at ?? '');
  const isLater = record !== undefined && (outcome.kind === 'missing' || record.start > outcome.start);
  return (
    facts.isRestarted === true || (isLater && judgedAt !== undefined && record.askedAt + CLOCK_TOLERANCE_MS >= judgedAt)
  );
}

/** The payload's credentials are about to run out. */
export const isPayloadOld = ({ waited, settings }: Case): boolean => waited > settings.payloadMaxAge;

/** What the Job waits for has lasted longer than it may. */
export function isPastGrace(seen: Case): boolean {
  const { outcome, age } = seen;
  if (outcome.kind !== 'waiting' || !outcome.blocker) return false;
  const { grace } = outcome.blocker;
  return grace === 'payloadAge' ? isPayloadOld(seen) : age >= grace;
}

/** Comments may be written: the job waits in Terrakube's queue. In any other state a write could be lost, or undo one. */
export const mayKeepAlive = (seen: Case): boolean =>
  seen.settings.keepAlive && seen.job?.status === 'queue' && isStep(seen, 'pending');
