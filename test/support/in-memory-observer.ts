// What is observed of a cluster, over the Jobs of an in-memory store. No controller runs: a test says what becomes of
// Jobs and Pods.
import type { CoreV1Event, V1Pod } from '@kubernetes/client-node';
import type { Clock, ObservedCluster } from '../../lib/ports.ts';
import type { InMemoryJobStore, StoreChange } from './in-memory-job-store.ts';

/** An observer for tests. */
export interface InMemoryObserver extends ObservedCluster {
  putPod(pod: V1Pod): void;
  removePod(name: string): void;
  putEvent(event: CoreV1Event): void;
  allPods(): readonly V1Pod[];
  allEvents(): readonly CoreV1Event[];
  /** Tells of each change of a pod, at once. */
  onPod(listener: (change: StoreChange<V1Pod>) => void): void;
  /** Pods that were deleted, with the grace that they were given. */
  readonly deletedPods: readonly { readonly name: string; readonly gracePeriodSeconds: number }[];
}

/** Creates an observer that may see everything. */
export function createInMemoryObserver(store: InMemoryJobStore, clock: Clock): InMemoryObserver {
  const pods = new Map<string, V1Pod>();
  const events: CoreV1Event[] = [];
  const deletedPods: { name: string; gracePeriodSeconds: number }[] = [];
  const listeners: ((change: StoreChange<V1Pod>) => void)[] = [];
  const change = (name: string, pod: V1Pod | undefined): void => {
    const [version, before] = [store.nextVersion(), pods.get(name)];
    const after = pod && structuredClone({ ...pod, metadata: { ...pod.metadata, resourceVersion: version } });
    if (after) pods.set(name, after);
    else pods.delete(name);
    if (before || after) for (const tell of listeners) tell({ version, before, after });
  };
  return {
    deletedPods,
    putPod: (pod) => change(pod.metadata?.name ?? '', pod),
    removePod: (name) => change(name, undefined),
    allPods: () => structuredClone([...pods.values()]),
    allEvents: () => structuredClone(events),
    onPod: (listener) => void listeners.push(listener),
    putEvent: (event) => void events.push(structuredClone(event)),
    serverNow: () => clock.now(),
    getJob: store.getJob,
    listJobs: store.listJobs,
    stopJob: store.stopJob,
    async listPods(jobName) {
      const isOfJob = ({ metadata }: V1Pod) => metadata?.labels?.['batch.kubernetes.io/job-name'] === jobName;
      return structuredClone([...pods.values()].filter(isOfJob));
    },
    listEvents: async (name) => structuredClone(events.filter(({ involvedObject }) => involvedObject.name === name)),
    async annotateJob(name, resourceVersion, annotations) {
      // Between the look and the write nobody else may come.
      const job = store.allJobs().find(({ metadata }) => metadata?.name === name);
      if (!job) return 'notFound';
      if (job.metadata?.resourceVersion !== resourceVersion) return 'conflict';
      store.put({
        ...job,
        metadata: { ...job.metadata, annotations: { ...job.metadata.annotations, ...annotations } },
      });
      return 'patched';
    },
    async deleteJob(name, uid) {
      const job = await store.getJob(name);
      if (job !== 'notFound' && job.metadata?.uid === uid) store.remove(name);
    },
    async deletePod(name, uid, gracePeriodSeconds) {
      if (pods.get(name)?.metadata?.uid !== uid) return;
      change(name, undefined);
      deletedPods.push({ name, gracePeriodSeconds });
    },
  };
}
