// What `why` found out, as data: the answer of --json, and what the text for people is made of. Nothing of a payload, a
// token or an environment is in it, and words of others are quoted, without what looks like a secret.
import { reasonOf } from '../lib/domain/failure-reasons.ts';
import { type Reason, toldText } from '../lib/domain/failure-text.ts';
import type { Finding } from '../lib/domain/finding.ts';
import type { JobOutcome } from '../lib/domain/job-outcome.ts';
import { quote } from '../lib/domain/quote.ts';
import type { RecordedVerdict } from '../lib/domain/recorded-verdict.ts';
import { findStep, type TerrakubeStep } from '../lib/domain/terrakube-job.ts';
import { type EpochMs, elapsedMs, isoTime } from '../lib/domain/time.ts';
import { VERDICT_ROWS } from '../lib/domain/verdict.ts';
import type { Verdict } from '../lib/domain/verdict-types.ts';
import type { Seen, SeenJob } from './why-look.ts';
import { nextAction, noJobExplanation } from './why-words.ts';

/** A verdict: its row, as it stands in docs/verdicts.md, and what is done next. */
export interface VerdictReport {
  readonly row: number;
  readonly kubernetes: string;
  readonly terrakube: string;
  readonly action: string;
  readonly next: string;
}

/** A step as Terrakube shows it. */
export interface StepReport {
  readonly id: string;
  readonly number: number;
  readonly name: string;
  readonly status: string;
  /** What the dispatcher has told its user, if it failed the step. */
  readonly told?: string;
}

/** A Kubernetes Job. */
export interface JobReport extends Reason {
  readonly name: string;
  readonly start: number;
  readonly type: string;
  readonly stepId: string;
  /** Absent when Terrakube does not have the step, or cannot be read. */
  readonly step?: StepReport;
  readonly kind: JobOutcome['kind'];
  readonly cause?: string;
  /** Whether the step may be started again for this cause, if it provably never ran. */
  readonly restartable?: boolean;
  readonly everStarted: string;
  readonly since?: string;
  readonly forSeconds?: number;
  readonly recorded?: RecordedVerdict | 'unreadable';
  readonly verdict: VerdictReport;
  /** When Terrakube stays as it is for another minute, and that makes a difference. */
  readonly later?: VerdictReport;
}

/** The answer. */
export interface WhyReport {
  readonly terrakubeJobId: string;
  readonly organizationId?: string;
  readonly installation: string;
  readonly namespace: string;
  /** Its status, or why there is none: `notFound`, `unreachable`, `notAsked`. */
  readonly terrakube: { readonly status: string; readonly steps: readonly StepReport[] } | string;
  readonly problem?: string;
  readonly jobs: readonly JobReport[];
  readonly unknownJobs: readonly string[];
  /** Why nothing can be said, when there is no Job. */
  readonly explanation?: string;
}

/** What the question was. */
export interface Asked {
  readonly jobId: string;
  readonly installation: string;
  readonly namespace: string;
}

/** Our own texts are shorter. */
const TEXT_LIMIT = 1000;

/** Makes the answer. */
export function whyReport({ jobId, installation, namespace }: Asked, seen: Seen): WhyReport {
  const { terrakube, problem, organizationId, jobs, unknown } = seen;
  return {
    terrakubeJobId: jobId,
    ...(organizationId === undefined ? {} : { organizationId }),
    installation,
    namespace,
    terrakube:
      typeof terrakube === 'object'
        ? { status: quote(terrakube.status), steps: terrakube.steps.map(stepReport) }
        : terrakube,
    ...(problem === undefined ? {} : { problem }),
    jobs: jobs.map(jobReport),
    unknownJobs: unknown,
    ...(jobs.length > 0 ? {} : { explanation: noJobExplanation(seen) }),
  };
}

function stepReport(step: TerrakubeStep): StepReport {
  const told = toldText(step);
  return {
    id: step.id,
    number: step.stepNumber,
    name: quote(step.name),
    status: quote(step.status),
    ...(told === undefined ? {} : { told: quote(told, TEXT_LIMIT) }),
  };
}

function jobReport({ name, start, look, later }: SeenJob): JobReport {
  const { ids, outcome, terrakube, verdict, now } = look;
  const step = typeof terrakube === 'object' ? findStep(terrakube, ids.stepId) : undefined;
  const found = findingOf(outcome);
  const since = sinceOf(outcome);
  const intent = outcome.kind === 'missing' ? undefined : outcome.intent;
  return {
    name,
    start,
    type: ids.type,
    stepId: ids.stepId,
    ...(step === undefined ? {} : { step: stepReport(step) }),
    kind: outcome.kind,
    ...(found === undefined ? {} : { cause: found.cause, restartable: found.restartable }),
    everStarted: outcome.kind === 'missing' ? 'unknown' : (outcome.everStarted ?? 'unknown'),
    ...(since === undefined ? {} : { since: isoTime(since), forSeconds: Math.round(elapsedMs(since, now) / 1000) }),
    ...quoted(reasonOf(outcome, ids.type)),
    ...(intent === undefined ? {} : { recorded: typeof intent === 'object' ? quotedVerdict(intent) : intent }),
    verdict: verdictReport(verdict),
    ...(later === undefined ? {} : { later: verdictReport(later) }),
  };
}

function findingOf(outcome: JobOutcome): Finding | undefined {
  if (outcome.kind === 'waiting') return outcome.blocker;
  return outcome.kind === 'failed' ? outcome : undefined;
}

function sinceOf(outcome: JobOutcome): EpochMs | undefined {
  if ('since' in outcome) return outcome.since;
  if ('startedAt' in outcome) return outcome.startedAt;
  return 'endedAt' in outcome ? outcome.endedAt : undefined;
}

const quoted = ({ title, evidence, advice }: Reason): Reason => ({
  title: quote(title),
  evidence: quote(evidence, TEXT_LIMIT),
  advice: quote(advice, TEXT_LIMIT),
});

/** An annotation: whoever may patch Jobs can write one. */
const quotedVerdict = ({ action, cause, at, ...reason }: RecordedVerdict): RecordedVerdict => ({
  action: quote(action),
  cause: quote(cause),
  ...quoted(reason),
  at: quote(at),
});

function verdictReport({ row, action }: Verdict): VerdictReport {
  const found = VERDICT_ROWS.find((one) => one.row === row);
  return {
    row,
    kubernetes: found?.kubernetes ?? '',
    terrakube: found?.terrakube ?? '',
    action: action.kind,
    next: quote(nextAction(action), TEXT_LIMIT),
  };
}
