// What the cluster shows of a Job: the Job itself, its Pods and Events, turned into one of seven outcomes. Pure and total:
// whatever the documents hold, there is an outcome, and `no` is only said of everStarted with a proof.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { blockerOf } from './blocker.ts';
import { CAUSES } from './causes.ts';
import { everStarted, podStarted } from './ever-started.ts';
import { failedFinding } from './failed-finding.ts';
import { type Blocker, type EverStarted, type Finding, finding } from './finding.ts';
import { idsOfLabels, LABEL, startOf } from './job-name.ts';
import { type JobSight, jobSight, type PodSight, trueCondition } from './job-sight.ts';
import { type RecordedVerdict, recordedVerdict } from './recorded-verdict.ts';
import { type DurationMs, type EpochMs, epochMs, parseIsoTime, seconds, secondsToMs } from './time.ts';

export type { Blocker, EverStarted, Finding } from './finding.ts';

/** What every outcome of a Job that exists, or existed, says. */
interface Always {
  /** The verdict that a door has recorded; `unreadable` when somebody else wrote one. */
  readonly intent: RecordedVerdict | 'unreadable' | undefined;
  /** 1, 2, 3 …, from the Job's name; 0 when the name is none of ours. */
  readonly start: number;
  /** The step's type, from the Job's label. */
  readonly type: string;
  /** Whether the executor's container ever ran; absent means `unknown`. */
  readonly everStarted?: EverStarted;
}

/** What the cluster shows. */
export type JobOutcome =
  /** There is no such Job. `last` is the outcome of the final document that an event carried, if one did. */
  | { readonly kind: 'missing'; readonly last?: Exclude<JobOutcome, { kind: 'missing' }>; readonly hasPods: boolean }
  /** `spec.suspend`, and no condition. */
  | (Always & { readonly kind: 'suspended'; readonly since: EpochMs })
  /** Not ended, and no container of the executor has run. */
  | (Always & {
      readonly kind: 'waiting';
      readonly blocker: Blocker | undefined;
      readonly everStarted: EverStarted;
      /** Creation of the pod, or of the Job without one. */
      readonly since: EpochMs;
    })
  /** The executor's container runs, or its pod has ended and the Job has no condition yet. */
  | (Always & { readonly kind: 'running'; readonly startedAt: EpochMs })
  /** FailureTarget, or a deletionTimestamp on the Job. */
  | (Always & {
      readonly kind: 'stopping';
      readonly since: EpochMs;
      readonly graceMs: DurationMs;
      /** The node of its pod, as far as it is known: the one to look at when the Job does not end. */
      readonly node?: string;
    })
  /** Complete. That says only that the container ended with 0. */
  | (Always & { readonly kind: 'succeeded'; readonly endedAt: EpochMs })
  /** Failed; also a suspended Job with a recorded verdict, whose last action is its delete. */
  | (Always &
      Finding & {
        readonly kind: 'failed';
        readonly everStarted: EverStarted;
        readonly endedAt: EpochMs;
        readonly isSuspended: boolean;
      });

/** The kinds of outcome. */
export type OutcomeKind = JobOutcome['kind'];

/** Kubernetes' own default, which the API server writes into every Job. */
const DEFAULT_GRACE_SECONDS = 30;

/**
 * Says what the cluster shows of a Job.
 *
 * @param pods Pods of the Job's namespace, in any order; those of other owners are not looked at. Not a list: our role may
 *   not read them.
 * @param events Events of the same, in any order; those about other objects are not looked at.
 * @param now the API server's clock; it stands in for times that are missing.
 * @param start the start number, where it was read from the Job already.
 */
export function jobOutcome(
  job: V1Job | undefined,
  pods: readonly V1Pod[] | 'forbidden' | undefined,
  events: readonly CoreV1Event[] | 'forbidden' | undefined,
  now: EpochMs,
  start?: number,
): JobOutcome {
  const readable = Array.isArray(pods) ? pods : undefined;
  if (typeof job !== 'object' || job === null) return { kind: 'missing', hasPods: (readable ?? []).length > 0 };
  const sight = jobSight(job, readable, Array.isArray(events) ? events : []);
  const intent = recordedVerdict(job);
  const always = {
    intent,
    start: start ?? startNumber(job, sight.name),
    type: sight.type,
    everStarted: everStarted(sight),
  };
  return (
    endedOutcome(sight, always, now) ??
    stoppingOutcome(sight, always, now) ??
    (sight.isSuspended ? { ...always, kind: 'suspended', since: suspendedSince(sight) ?? now } : undefined) ??
    runningOutcome(sight, always, now) ?? {
      ...always,
      kind: 'waiting',
      blocker: blockerOf(sight),
      since: sight.pods?.[0]?.createdAt ?? sight.createdAt ?? now,
    }
  );
}

type Known = Always & { readonly everStarted: EverStarted };

/** The start number is only ours if the name is the one that the labels lead to. */
function startNumber({ metadata }: V1Job, name: string): number {
  const ids = idsOfLabels(metadata?.labels);
  return ids ? (startOf(name, ids, metadata?.labels?.[LABEL.installation] ?? '') ?? 0) : 0;
}

function endedOutcome(job: JobSight, always: Known, now: EpochMs): JobOutcome | undefined {
  const { intent } = always;
  const failed = trueCondition(job.conditions, 'Failed');
  const complete = trueCondition(job.conditions, 'Complete');
  if (failed) {
    const found = failedFinding(job, always.everStarted);
    const endedAt = failed.since ?? now;
    return { ...always, ...recordedFinding(intent, found), kind: 'failed', endedAt, isSuspended: false };
  }
  if (complete) return { ...always, kind: 'succeeded', endedAt: complete.since ?? job.completedAt ?? now };
  if (!job.isSuspended || typeof intent !== 'object') return undefined;
  const found = finding('unknown', {
    title: 'the Job was stopped before it started',
    evidence: `Job ${job.name} is suspended.`,
  });
  const endedAt = parseIsoTime(intent.at) ?? now;
  return { ...always, ...recordedFinding(intent, found), kind: 'failed', endedAt, isSuspended: true };
}

/** A Job that was stopped has failed for what is recorded, not for the time limit that stopped it. */
function recordedFinding(intent: Known['intent'], found: Finding): Finding {
  if (typeof intent !== 'object' || intent.title === '') return found;
  const cause = CAUSES.find((known) => known === intent.cause) ?? 'unknown';
  return finding(cause, { title: intent.title, evidence: intent.evidence });
}

function stoppingOutcome(job: JobSight, always: Known, now: EpochMs): JobOutcome | undefined {
  const target = trueCondition(job.conditions, 'FailureTarget');
  if (!target && !job.isBeingDeleted) return undefined;
  const times = [target?.since, job.deletedAt].filter((time) => time !== undefined);
  const node = job.pods?.find((pod) => pod.node !== '')?.node;
  return {
    ...always,
    kind: 'stopping',
    since: times.length === 0 ? now : epochMs(Math.min(...times)),
    graceMs: secondsToMs(seconds(Math.max(0, job.graceSeconds ?? DEFAULT_GRACE_SECONDS))),
    ...(node === undefined ? {} : { node }),
  };
}

const suspendedSince = (job: JobSight): EpochMs | undefined =>
  trueCondition(job.conditions, 'Suspended')?.since ?? job.createdAt;

function runningOutcome(job: JobSight, always: Known, now: EpochMs): JobOutcome | undefined {
  const pods = job.pods ?? [];
  const running = pods.find(isRunning) ?? pods.slice(0, 1).find((pod) => hasEnded(pod) || podStarted(pod) === 'yes');
  // Without a pod to look at, the Job's own numbers say it.
  if (!running && !(pods.length === 0 && (job.ready > 0 || (job.active === 0 && job.ended > 0)))) return undefined;
  const { executor, startedAt, createdAt } = running ?? {};
  const containerStart = executor?.running?.startedAt ?? executor?.terminated?.startedAt;
  const start = containerStart ?? startedAt ?? createdAt ?? job.startedAt ?? job.createdAt ?? now;
  return { ...always, kind: 'running', startedAt: start };
}

const isRunning = ({ executor }: PodSight): boolean => executor?.running !== undefined;

const hasEnded = ({ executor, phase }: PodSight): boolean =>
  phase === 'Succeeded' || phase === 'Failed' || executor?.terminated !== undefined;
