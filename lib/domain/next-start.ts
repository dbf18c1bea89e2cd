// Which start of a step a delivery is about. Deliveries come twice, at the same time, and late; only the Job with the
// highest start number counts, whatever the older ones look like.
import type { V1Job } from '@kubernetes/client-node';
import type { DispatchIds } from './dispatch-request.ts';
import { type Installation, idsOfLabels, LABEL, MANAGED_BY, startOf } from './job-name.ts';
import { recordedVerdict } from './recorded-verdict.ts';

/** What a delivery should do. */
export type NextStart =
  | { readonly kind: 'create'; readonly start: number }
  /** The Job is there and may still need its Secret: an earlier delivery may have been stopped between the two. */
  | { readonly kind: 'ensureSecret'; readonly job: V1Job }
  /** The Job has ended, or is ending; what follows from that is not decided here. */
  | { readonly kind: 'done'; readonly job: V1Job }
  /** The Job is being deleted; its name is free in a moment. */
  | { readonly kind: 'retry' };

/** The highest start number among the Jobs of a step; 0 when there is none. */
export const highestStart = (ids: DispatchIds, installation: Installation, jobs: readonly V1Job[]): number =>
  newestOf(ids, installation, jobs)?.start ?? 0;

/** Looks at all Jobs of a step, in any order. Jobs that do not carry our labels and a name of the step are not looked at. */
export function nextStart(ids: DispatchIds, installation: Installation, jobs: readonly V1Job[]): NextStart {
  const newest = newestOf(ids, installation, jobs);
  if (!newest) return { kind: 'create', start: 1 };
  const { job, start } = newest;
  if (job.metadata?.deletionTimestamp) return { kind: 'retry' };
  const verdict = recordedVerdict(job);
  if (!hasEnded(job)) return verdict === undefined ? { kind: 'ensureSecret', job } : { kind: 'done', job };
  return isRestart(verdict) ? { kind: 'create', start: start + 1 } : { kind: 'done', job };
}

const isRestart = (verdict: ReturnType<typeof recordedVerdict>): boolean =>
  typeof verdict === 'object' && verdict.action === 'restart';

function newestOf(ids: DispatchIds, installation: Installation, jobs: readonly V1Job[]) {
  let newest: { readonly job: V1Job; readonly start: number } | undefined;
  for (const job of jobs) {
    const start = isOurs(job, installation) ? startOf(job.metadata?.name ?? '', ids, installation) : undefined;
    if (start !== undefined && start > (newest?.start ?? 0)) newest = { job, start };
  }
  return newest;
}

/**
 * Says whether another delivery of the step got through: a Job that still runs and was not judged, or one that has ended
 * for good. A step like that must not be told failed by a delivery that was refused.
 */
export function anotherDeliveryGotThrough(
  ids: DispatchIds,
  installation: Installation,
  jobs: readonly V1Job[],
): boolean {
  const newest = newestOf(ids, installation, jobs);
  if (!newest) return false;
  const verdict = recordedVerdict(newest.job);
  // One that is being deleted may still have its executor, in its last seconds.
  return hasEnded(newest.job) ? !isRestart(verdict) : verdict === undefined;
}

/** A Job that this project made for this installation. */
export const isOurs = (job: V1Job, installation: Installation): boolean =>
  job.metadata?.labels?.[LABEL.managedBy] === MANAGED_BY && job.metadata.labels[LABEL.installation] === installation;

/** A Job of ours, with what its labels and its name say. */
export interface OwnJob {
  readonly job: V1Job;
  /** The step that it was made for. */
  readonly ids: DispatchIds;
  /** 1, 2, 3 … */
  readonly start: number;
}

/**
 * Reads whose Job it is. Undefined for a Job of others, and for one whose labels somebody has changed: its name does not
 * follow from them any more, and what they lead to is another step.
 */
export function ownJob(job: V1Job, installation: Installation): OwnJob | undefined {
  const ids = isOurs(job, installation) ? idsOfLabels(job.metadata?.labels) : undefined;
  const start = ids && startOf(job.metadata?.name ?? '', ids, installation);
  return ids && start !== undefined ? { job, ids, start } : undefined;
}

/** Those that are ours. */
export const ownJobs = (jobs: readonly V1Job[], installation: Installation): readonly OwnJob[] =>
  jobs.flatMap((job) => ownJob(job, installation) ?? []);

/** `Complete` and `Failed` are final, and only when they are True. */
export const hasEnded = (job: V1Job): boolean =>
  job.status?.conditions?.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True') ??
  false;
