// What happens to the jobs of a Terrakube that cannot be asked: read from the functions' logs and from the cluster's changes.
import * as v from 'valibot';
import type { ClusterChange } from './cluster/cluster.ts';
import type { Moment, TimelineEntry } from './timeline.ts';

/** Collects log lines and changes, and tells each moment of a step once. */
export interface JobWatch {
  /** A line that a function wrote. */
  functionLog(line: string): void;
  cluster(change: ClusterChange): void;
}

/** Who listens. */
export interface JobWatchListener {
  entry(entry: TimelineEntry): void;
  /** A request was refused before its job was known. */
  refusal(text: string): void;
}

/** Creates a watch. @param now milliseconds of a clock. */
export function createJobWatch(now: () => number, listener: JobWatchListener): JobWatch {
  const steps = new Map<string, { readonly seenAt: number; readonly told: Set<string> }>();
  const note = (ids: { readonly jobId: string; readonly stepId: string }, moment: Moment, detail: string): void => {
    const step = steps.get(ids.stepId) ?? { seenAt: now(), told: new Set<string>() };
    steps.set(ids.stepId, step);
    // A step waits for one thing after the other; everything else happens once.
    const once = moment === 'waiting' ? `${moment} ${detail}` : moment;
    if (step.told.has(once)) return;
    step.told.add(once);
    listener.entry({ ...ids, moment, sinceMs: now() - step.seenAt, detail });
  };
  return {
    functionLog(line) {
      const log = parseLine(line);
      if (log === undefined) return;
      const { message, status, outcome = '', reason = outcome, terrakubeJobId: jobId, stepId } = log;
      if (message === 'dispatch answered' && status !== 202) {
        listener.refusal(`intake refused a request: ${status} ${outcome}`);
      }
      if (jobId === undefined || stepId === undefined) return;
      if (message === 'dispatch answered' && status === 202) note({ jobId, stepId }, 'accepted', 'intake answered 202');
      const moment = message === 'dispatch settled' ? momentOf(outcome) : undefined;
      if (moment !== undefined) note({ jobId, stepId }, moment, reason);
    },
    cluster({ type, object }) {
      const parsed = v.safeParse(objectSchema, object);
      if (!parsed.success || type === 'DELETED') return;
      const { kind, metadata, status } = parsed.output;
      const ids = { jobId: metadata.labels['terrakube.io/job'], stepId: metadata.labels['terrakube.io/step'] };
      for (const [moment, detail] of kind === 'Job' ? momentsOfJob(type, status) : momentsOfPod(status)) {
        note(ids, moment, [metadata.name, detail].filter((text) => text !== '').join(', '));
      }
    },
  };
}

/** What dispatch made of a message; undefined where the cluster's changes tell it. */
function momentOf(outcome: string): Moment | undefined {
  if (outcome === 'waiting' || outcome === 'retried') return 'waiting';
  if (outcome === 'refused' || outcome === 'failed') return 'failed';
  return outcome === 'skipped' ? 'skipped' : undefined;
}

type Moments = readonly (readonly [Moment, string])[];
type Status = v.InferOutput<typeof objectSchema>['status'];

function momentsOfJob(type: ClusterChange['type'], status: Status): Moments {
  const failed = status.conditions.find((condition) => condition.type === 'Failed' && condition.status === 'True');
  return [
    ...(type === 'ADDED' ? [['Job created', ''] as const] : []),
    // A container's own end says more, and comes first.
    ...(failed === undefined ? [] : [['ended', `Job failed: ${failed.reason}`] as const]),
  ];
}

function momentsOfPod({ containerStatuses: [container] }: Status): Moments {
  const { running, terminated } = container?.state ?? {};
  if (running !== undefined) return [['container started', '']];
  if (terminated === undefined) return [];
  const { exitCode, reason } = terminated;
  return [['ended', `exit code ${exitCode}${reason === 'Completed' || reason === 'Error' ? '' : ` (${reason})`}`]];
}

const optionalText = v.optional(v.string());
const logSchema = v.object({
  message: v.string(),
  status: v.optional(v.number()),
  outcome: optionalText,
  reason: optionalText,
  terrakubeJobId: optionalText,
  stepId: optionalText,
});

function parseLine(line: string): v.InferOutput<typeof logSchema> | undefined {
  if (!line.startsWith('{')) return undefined;
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), logSchema), line);
  return parsed.success ? parsed.output : undefined;
}

const stateSchema = v.object({
  running: v.optional(v.unknown()),
  terminated: v.optional(v.object({ exitCode: v.number(), reason: v.optional(v.string(), 'no reason') })),
});
const objectSchema = v.object({
  kind: v.picklist(['Job', 'Pod']),
  metadata: v.object({
    name: v.string(),
    labels: v.object({ 'terrakube.io/job': v.string(), 'terrakube.io/step': v.string() }),
  }),
  status: v.optional(
    v.object({
      conditions: v.optional(
        v.array(v.object({ type: v.string(), status: v.string(), reason: v.optional(v.string(), 'no reason') })),
        [],
      ),
      containerStatuses: v.optional(v.array(v.object({ state: v.optional(stateSchema, {}) })), []),
    }),
    {},
  ),
});
