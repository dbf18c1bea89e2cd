/** The Events that a scheduler and a kubelet write about pods. What repeats itself is counted in one Event, as they do it. */

import type { JsonObject } from '../json.ts';
import type { ClusterApi } from './api.ts';
import type { Pod } from './pod.ts';

/** What happened to a pod. */
export interface PodEvent {
  readonly by: 'scheduler' | 'kubelet';
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** The Event is about the container, not about the whole pod. */
  readonly aboutContainer?: boolean;
}

/** Writes Events. */
export interface EventRecorder {
  /** Never waits and never fails; Events are written in the order of these calls. */
  record(pod: Pod, event: PodEvent): void;
}

/** Creates a recorder for the node of this name. */
export function createEventRecorder(api: ClusterApi, nodeName: string): EventRecorder {
  const written = new Map<string, { readonly path: string; count: number }>();
  let last: Promise<void> = Promise.resolve();
  let stamp = 0n;
  // Nanoseconds, as the real ones use them: the names, and so a list, are in the order of time.
  const nextStamp = (): bigint => {
    const now = BigInt(Date.now()) * 1_000_000n;
    stamp = now > stamp ? now : stamp + 1n;
    return stamp;
  };

  async function write(pod: Pod, event: PodEvent): Promise<void> {
    const key = [pod.uid, event.reason, event.message].join('\0');
    const known = written.get(key);
    const at = new Date().toISOString();
    if (known !== undefined && event.by === 'kubelet') {
      known.count += 1;
      await api.patch(known.path, { count: known.count, lastTimestamp: seconds(at) });
      return;
    }
    const name = `${pod.name}.${nextStamp().toString(16)}`;
    const collection = `/api/v1/namespaces/${pod.namespace}/events`;
    written.set(key, { path: `${collection}/${name}`, count: 1 });
    const source = event.by === 'scheduler' ? fromScheduler(event, at) : fromKubelet(nodeName, at);
    const { type, reason, message } = event;
    await api.post(collection, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: pod.namespace },
      involvedObject: involved(pod, event),
      type,
      reason,
      message,
      ...source,
    });
  }

  return {
    record: (pod, event) => {
      last = last.then(() => write(pod, event)).catch(() => undefined);
    },
  };
}

function involved(pod: Pod, { aboutContainer = false }: PodEvent): JsonObject {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    namespace: pod.namespace,
    name: pod.name,
    uid: pod.uid,
    ...(aboutContainer ? { fieldPath: `spec.containers{${pod.container.name}}` } : {}),
  };
}

function fromScheduler({ reason }: PodEvent, at: string): JsonObject {
  return {
    eventTime: at.replace('Z', '000Z'),
    action: reason === 'Scheduled' ? 'Binding' : 'Scheduling',
    reportingComponent: 'default-scheduler',
    reportingInstance: 'default-scheduler-local',
    source: {},
    firstTimestamp: null,
    lastTimestamp: null,
  };
}

function fromKubelet(nodeName: string, at: string): JsonObject {
  return {
    eventTime: null,
    reportingComponent: 'kubelet',
    reportingInstance: nodeName,
    source: { component: 'kubelet', host: nodeName },
    firstTimestamp: seconds(at),
    lastTimestamp: seconds(at),
    count: 1,
  };
}

/** A time without fractions. */
const seconds = (at: string): string => `${at.slice(0, 19)}Z`;
