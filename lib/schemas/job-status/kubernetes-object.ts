// The Kubernetes objects that say how a Job fares: the Job, a pod of it, an Event about one of the two, or just its name.
import * as v from 'valibot';
import type { Ignored, JobMention } from '../../domain/doorbell.ts';
import { jobNameOfPod } from '../../domain/job-name.ts';
import { parseJobDocument, traceDocument } from './job-document.ts';

const labels = v.nullish(v.record(v.string(), v.unknown()));

const metadataSchema = v.object({ metadata: v.object({ namespace: v.string(), name: v.string(), labels }) });

const podSchema = v.object({
  metadata: v.object({
    namespace: v.nullish(v.string()),
    name: v.nullish(v.string()),
    labels,
    ownerReferences: v.nullish(v.array(v.object({ apiVersion: v.string(), kind: v.string(), name: v.string() }))),
  }),
});

const eventSchema = v.object({
  involvedObject: v.object({ kind: v.string(), namespace: v.string(), name: v.string() }),
});

const nameSchema = v.object({ namespace: v.string(), name: v.string() });

const ignored = (reason: Ignored['reason']): Ignored => ({ reason });

/** Reads a Kubernetes object, or the name of a Job as `{namespace, name}`. */
export function readKubernetesObject(value: unknown): JobMention | Ignored {
  const { kind } = v.parse(v.fallback(v.object({ kind: v.unknown() }), { kind: undefined }), value);
  switch (kind) {
    case 'Job':
      return readJob(value);
    case 'Pod':
      return readPodObject(value);
    case 'Event':
      return readEvent(value);
    case undefined:
      return readUnnamedKind(value);
    default:
      return ignored('unknownForm');
  }
}

function readJob(value: unknown): JobMention | Ignored {
  const parsed = v.safeParse(metadataSchema, value);
  if (!parsed.success) return ignored('unknownForm');
  const { namespace, name, labels } = parsed.output.metadata;
  return { namespace, jobName: name, labels: labels ?? undefined, document: parseJobDocument(value) };
}

/** What a request says about the pod that it is for. */
export interface PodRequest {
  readonly namespace?: string | undefined;
  /** The pod's name, where the object does not hold it (in a create, the API server makes it up). */
  readonly podName?: string | undefined;
}

/** Reads a pod: its Job is the owner, or is known from the pod's name where the object holds no owner. */
export function readPod(value: unknown, request: PodRequest = {}): JobMention | Ignored {
  const parsed = v.safeParse(podSchema, value);
  const metadata = parsed.success ? parsed.output.metadata : undefined;
  const namespace = request.namespace ?? metadata?.namespace ?? undefined;
  const podName = request.podName ?? metadata?.name ?? undefined;
  const owners = metadata?.ownerReferences ?? [];
  const owner = owners.find(({ apiVersion, kind }) => kind === 'Job' && apiVersion.startsWith('batch/'));
  const byName = owners.length === 0 && podName !== undefined ? jobNameOfPod(podName) : undefined;
  const jobName = owner?.name ?? byName;
  if (namespace === undefined || (jobName === undefined && podName === undefined)) return ignored('unknownForm');
  return jobName === undefined ? ignored('otherName') : { namespace, jobName, labels: metadata?.labels ?? undefined };
}

const endedPodSchema = v.object({ metadata: v.object({ deletionGracePeriodSeconds: v.literal(0) }) });

/** Whether the object is the last that is heard of a pod: the kubelet has let it go. */
export const isPodEnd = (value: unknown): boolean => v.is(endedPodSchema, value);

/** Adds what a pod's labels say of its Job: when the Job was deleted before the pod, they are all that is left of it. */
export function withTrace(pod: JobMention | Ignored): JobMention | Ignored {
  if ('reason' in pod || pod.namespace === undefined) return pod;
  const { namespace, jobName, labels } = pod;
  return { ...pod, document: traceDocument({ namespace, jobName, labels }) };
}

function readPodObject(value: unknown): JobMention | Ignored {
  const pod = readPod(value);
  return isPodEnd(value) ? withTrace(pod) : pod;
}

function readEvent(value: unknown): JobMention | Ignored {
  const parsed = v.safeParse(eventSchema, value);
  if (!parsed.success) return ignored('unknownForm');
  const { kind, namespace, name } = parsed.output.involvedObject;
  // An Event holds no labels of what it is about.
  const jobName = kind === 'Job' ? name : kind === 'Pod' ? jobNameOfPod(name) : undefined;
  return jobName === undefined ? ignored('otherName') : { namespace, jobName };
}

function readUnnamedKind(value: unknown): JobMention | Ignored {
  const named = v.safeParse(nameSchema, value);
  return named.success ? { namespace: named.output.namespace, jobName: named.output.name } : readEvent(value);
}
