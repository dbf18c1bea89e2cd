// What a verdict needs to know besides the Job and the Terrakube job: the step's other Jobs, its starts, and ages.
import type { V1Job } from '@kubernetes/client-node';
import type { DispatchIds } from './dispatch-request.ts';
import { startRecord } from './job-comments.ts';
import { ANNOTATION } from './job-manifest.ts';
import { type Installation, LABEL, MANAGED_BY, startOf } from './job-name.ts';
import { hasEnded, highestStart, idsOfJob } from './next-start.ts';
import type { TerrakubeJob } from './terrakube-job.ts';
import { type DurationMs, type EpochMs, elapsedMs, parseIsoTime } from './time.ts';
import type { StepFacts } from './verdict-types.ts';

/** What is read about a step. */
export interface StepSight {
  readonly ids: DispatchIds;
  readonly installation: Installation;
  /** The Job, or the final document of one that is gone; undefined for a step without one. */
  readonly job: V1Job | undefined;
  /** All Jobs of the Terrakube job, in any order; the Job itself may be among them. */
  readonly jobs: readonly V1Job[];
  readonly terrakube: TerrakubeJob | 'notFound' | 'unreachable';
  readonly maxStarts: number;
  readonly unchangedFor: DurationMs;
  readonly now: EpochMs;
}

/** The facts of a step. */
export function stepFacts(sight: StepSight): StepFacts {
  const { ids, installation, job, terrakube, maxStarts, unchangedFor, now } = sight;
  // One whose labels were changed leads to a step that it was not made for, and counts nowhere.
  const others = sight.jobs.filter(
    (other) => !isSame(other, job) && idsOfJob(other, installation)?.jobId === ids.jobId,
  );
  // The lists of Terrakube do not know a step's type, and so not the names of its Jobs.
  const ofStep = others.filter((other) =>
    job ? startOf(other.metadata?.name ?? '', ids, installation) !== undefined : isOfStep(other, ids),
  );
  const highest = highestStart(ids, installation, job ? [job, ...ofStep] : ofStep);
  const { name = '', annotations } = job?.metadata ?? {};
  const comments = typeof terrakube === 'object' ? terrakube.comments : null;
  const used = Math.max(1, highest, startRecord(comments, ids.stepId)?.start ?? 0);
  const acceptedAt = parseIsoTime(annotations?.[ANNOTATION.acceptedAt] ?? '');
  return {
    isNewest: startOf(name, ids, installation) === highest,
    hasOtherJobOfStep: ofStep.length > 0,
    hasUnfinishedJobOfTerrakubeJob: others.some((other) => !hasEnded(other)),
    hasOtherJobOfTerrakubeJob: others.length > 0,
    startsLeft: Math.max(0, maxStarts - used),
    payloadAge: acceptedAt === undefined ? undefined : elapsedMs(acceptedAt, now),
    unchangedFor,
    isRestarted: annotations?.[ANNOTATION.restartedAt] !== undefined,
  };
}

const isSame = (one: V1Job, other: V1Job | undefined): boolean =>
  other !== undefined && one.metadata?.uid === other.metadata?.uid;

/** The label selector that finds all Jobs of one Terrakube job in this installation. */
export const terrakubeJobSelector = ({ jobId }: DispatchIds, installation: Installation): string =>
  `${LABEL.managedBy}=${MANAGED_BY},${LABEL.installation}=${installation},${LABEL.job}=${jobId}`;

/** Says whether a Job bears the label of this step. */
export const isOfStep = (job: V1Job, { stepId }: DispatchIds): boolean => job.metadata?.labels?.[LABEL.step] === stepId;
