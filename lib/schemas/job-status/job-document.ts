// A Job as an event holds it, as far as an outcome is read from it. Whatever else it holds stays behind: the environment of
// its containers, above all, may hold a payload.
import * as v from 'valibot';
import type { Doorbell } from '../../domain/doorbell.ts';

const texts = v.record(v.string(), v.string());
const count = v.number();
const time = v.pipe(
  v.string(),
  v.transform((text) => new Date(text)),
  v.date(),
);

const metadataSchema = v.object({
  name: v.string(),
  namespace: v.string(),
  uid: v.exactOptional(v.string()),
  resourceVersion: v.exactOptional(v.string()),
  generation: v.exactOptional(count),
  creationTimestamp: v.exactOptional(time),
  deletionTimestamp: v.exactOptional(time),
  deletionGracePeriodSeconds: v.exactOptional(count),
  finalizers: v.exactOptional(v.array(v.string())),
  labels: v.exactOptional(texts),
  annotations: v.exactOptional(texts),
});

const containerSchema = v.object({
  name: v.string(),
  image: v.exactOptional(v.string()),
  resources: v.exactOptional(v.object({ limits: v.exactOptional(texts), requests: v.exactOptional(texts) })),
});

const podSpecSchema = v.object({
  containers: v.array(containerSchema),
  serviceAccountName: v.exactOptional(v.string()),
  terminationGracePeriodSeconds: v.exactOptional(count),
});

const specSchema = v.object({
  suspend: v.exactOptional(v.boolean()),
  backoffLimit: v.exactOptional(count),
  activeDeadlineSeconds: v.exactOptional(count),
  ttlSecondsAfterFinished: v.exactOptional(count),
  template: v.object({ spec: v.exactOptional(podSpecSchema) }),
});

const conditionSchema = v.object({
  type: v.string(),
  status: v.string(),
  reason: v.exactOptional(v.string()),
  message: v.exactOptional(v.string()),
  lastProbeTime: v.exactOptional(time),
  lastTransitionTime: v.exactOptional(time),
});

const statusSchema = v.object({
  active: v.exactOptional(count),
  ready: v.exactOptional(count),
  succeeded: v.exactOptional(count),
  failed: v.exactOptional(count),
  terminating: v.exactOptional(count),
  startTime: v.exactOptional(time),
  completionTime: v.exactOptional(time),
  conditions: v.exactOptional(v.array(conditionSchema)),
});

const jobSchema = v.object({
  apiVersion: v.literal('batch/v1'),
  kind: v.literal('Job'),
  metadata: metadataSchema,
  spec: v.exactOptional(specSchema),
  status: v.exactOptional(statusSchema),
});

/** Reads a batch/v1 Job in the JSON of the Kubernetes API; undefined when it is anything else. */
export function parseJobDocument(value: unknown): Doorbell['final'] {
  const parsed = v.safeParse(jobSchema, value);
  return parsed.success ? parsed.output : undefined;
}

/** What is left of a Job when its document was never shown: its labels, in its own metadata or in those of its pod. */
export interface JobTrace {
  readonly namespace: string;
  readonly jobName: string;
  readonly labels: Readonly<Record<string, unknown>> | null | undefined;
}

/** A Job of which nothing is known but whose it is. It has no status and no version, so any document counts more. */
export function traceDocument({ namespace, jobName: name, labels }: JobTrace): Doorbell['final'] {
  const parsed = v.safeParse(texts, labels);
  return parsed.success
    ? { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace, labels: parsed.output } }
    : undefined;
}
