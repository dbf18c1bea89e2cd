// What a verdict needs to know besides the Job and the Terrakube job: the step's other Jobs, its starts, and ages.
import type { DispatchIds } from './dispatch-request.ts';
import { startRecord } from './job-comments.ts';
import { ANNOTATION } from './job-manifest.ts';
import { type Installation, LABEL, MANAGED_BY } from './job-name.ts';
import { hasEnded, type OwnJob } from './next-start.ts';
import type { TerrakubeJob } from './terrakube-job.ts';
import { type DurationMs, type EpochMs, elapsedMs, parseIsoTime } from './time.ts';
import type { StepFacts } from './verdict-types.ts';

/** What is read about a step. */
export interface StepSight {
  readonly ids: DispatchIds;
  /** The Job, or the final document of one that is gone; undefined for a step without one. */
  readonly job: OwnJob | undefined;
  /** All our Jobs of the Terrakube job, in any order; the Job itself may be among them. */
  readonly jobs: readonly OwnJob[];
  readonly terrakube: TerrakubeJob | 'notFound' | 'unreachable';
  readonly maxStarts: number;
  readonly unchangedFor: DurationMs;
  readonly now: EpochMs;
}

/** The facts of a step. */
export function stepFacts(sight: StepSight): StepFacts {
  const { ids, job, terrakube, maxStarts, unchangedFor, now } = sight;
  const others = sight.jobs.filter((other) => !isSame(other, job) && other.ids.jobId === ids.jobId);
  const ofStep = others.filter((other) => other.ids.stepId === ids.stepId);
  const highest = ofStep.reduce((max, { start }) => Math.max(max, start), job?.start ?? 0);
  const annotations = job?.job.metadata?.annotations;
  const comments = typeof terrakube === 'object' ? terrakube.comments : null;
  const used = Math.max(1, highest, startRecord(comments, ids.stepId)?.start ?? 0);
  const acceptedAt = parseIsoTime(annotations?.[ANNOTATION.acceptedAt] ?? '');
  return {
    isNewest: job?.start === highest,
    hasOtherJobOfStep: ofStep.length > 0,
    hasUnfinishedJobOfTerrakubeJob: others.some((other) => !hasEnded(other.job)),
    hasOtherJobOfTerrakubeJob: others.length > 0,
    startsLeft: Math.max(0, maxStarts - used),
    payloadAge: acceptedAt === undefined ? undefined : elapsedMs(acceptedAt, now),
    unchangedFor,
    isRestarted: annotations?.[ANNOTATION.restartedAt] !== undefined,
  };
}

const isSame = (one: OwnJob, other: OwnJob | undefined): boolean =>
  other !== undefined && one.job.metadata?.uid === other.job.metadata?.uid;

/** The label selector that finds all Jobs of one Terrakube job in this installation. */
export const terrakubeJobSelector = ({ jobId }: DispatchIds, installation: Installation): string =>
  `${LABEL.managedBy}=${MANAGED_BY},${LABEL.installation}=${installation},${LABEL.job}=${jobId}`;
