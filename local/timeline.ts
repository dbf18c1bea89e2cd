// What happened to each job, as a line with its time: from the POST until Terrakube says how it ended.
import * as v from 'valibot';
import type { ClusterChange } from './cluster/cluster.ts';
import type { TerrakubeEvent } from './terrakube/world.ts';

/** The moments of one step, in the order in which they should come. */
export type Moment =
  | 'posted'
  | 'accepted'
  | 'queued'
  | 'Job created'
  | 'waiting'
  | 'skipped'
  | 'container started'
  | 'running'
  | 'ended'
  | 'completed'
  | 'failed'
  | 'cancelled';

/** One line of the timeline. */
export interface TimelineEntry {
  readonly jobId: string;
  /** Where steps of one job are told apart. */
  readonly stepId?: string;
  readonly moment: Moment;
  /** Milliseconds since the step was posted. */
  readonly sinceMs: number;
  readonly detail?: string;
}

/** Collects what Terrakube and the cluster say, and tells each moment of a job's current step once. */
export interface Timeline {
  terrakube(event: TerrakubeEvent): void;
  cluster(change: ClusterChange): void;
}

/** Creates a timeline. @param now milliseconds of a clock. */
export function createTimeline(now: () => number, tell: (entry: TimelineEntry) => void): Timeline {
  const steps = new Map<string, { readonly postedAt: number; readonly seen: Set<Moment> }>();
  const note = (jobId: string, moment: Moment, detail?: string): void => {
    // A job whose POST was not seen (the user sent it) begins with what is seen first.
    const step = steps.get(jobId) ?? { postedAt: now(), seen: new Set<Moment>() };
    steps.set(jobId, step);
    if (step.seen.has(moment)) return;
    step.seen.add(moment);
    tell({ jobId, moment, sinceMs: now() - step.postedAt, ...(detail === undefined ? {} : { detail }) });
  };
  return {
    terrakube(event) {
      const { kind, jobId, status, httpStatus } = event;
      if (kind === 'posted') {
        steps.set(jobId, { postedAt: now(), seen: new Set() });
        note(jobId, 'posted');
      }
      if (kind === 'answered' && httpStatus === 202) note(jobId, 'accepted', 'intake answered 202');
      if (kind === 'jobStatus' && status === 'queue') note(jobId, 'queued', 'Terrakube waits for the executor');
      if (kind === 'jobStatus' && status === 'running') note(jobId, 'running', 'the executor has read its payload');
      if (kind === 'jobStatus' && (status === 'completed' || status === 'failed' || status === 'cancelled'))
        note(jobId, status);
    },
    cluster({ type, object }) {
      const parsed = v.safeParse(objectSchema, object);
      if (!parsed.success) return;
      const { kind, metadata, status } = parsed.output;
      const jobId = metadata.labels['terrakube.io/job'];
      if (jobId === undefined) return;
      if (kind === 'Job' && type === 'ADDED') note(jobId, 'Job created', metadata.name);
      const isRunning = status?.containerStatuses.some((container) => container.state?.running !== undefined);
      if (kind === 'Pod' && isRunning) note(jobId, 'container started', metadata.name);
    },
  };
}

const objectSchema = v.object({
  kind: v.string(),
  metadata: v.object({ name: v.string(), labels: v.optional(v.record(v.string(), v.string()), {}) }),
  status: v.optional(
    v.object({
      containerStatuses: v.optional(
        v.array(v.object({ state: v.optional(v.object({ running: v.optional(v.unknown()) })) })),
        [],
      ),
    }),
  ),
});
