// What the reconciler sees and does in a cluster, over an in-memory store. Changes come a moment later, as over a network,
// and a watch ends by the in-memory clock.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { secondsToMs } from '../../lib/domain/time.ts';
import type { OpenWatch, ReconciledCluster, WatchEnd, WatchRequest } from '../../lib/ports.ts';
import type { InMemoryClock } from './in-memory-clock.ts';
import { hasLabels, type InMemoryJobStore, type StoreChange } from './in-memory-job-store.ts';
import { createInMemoryObserver, type InMemoryObserver } from './in-memory-observer.ts';
import { slim } from './slim.ts';

/** A cluster for the reconciler's tests. */
export interface InMemoryReconciler extends InMemoryObserver, ReconciledCluster {
  /** Ends all open watches. After `expired` the versions up to now are forgotten: only a new snapshot helps. */
  breakWatches(kind: WatchEnd['kind']): void;
  /** How many watches are open. */
  openWatches(): { readonly jobs: number; readonly pods: number };
}

/** Creates a cluster in which everything may be read and done. */
export function createInMemoryReconciler(store: InMemoryJobStore, clock: InMemoryClock): InMemoryReconciler {
  const observer = createInMemoryObserver(store, clock);
  const isLivePod = (pod: V1Pod, labelSelector: string): boolean => hasLabels(pod, labelSelector) && !hasPodEnded(pod);
  const jobs = createFeed<V1Job>(clock, { isSelected: hasLabels, seen: seenJob });
  const pods = createFeed<V1Pod>(clock, { isSelected: isLivePod, seen: seenPod });
  store.onJob(jobs.put);
  observer.onPod(pods.put);
  return {
    ...observer,
    async snapshotJobs(labelSelector) {
      const items = store.allJobs().filter((job) => hasLabels(job, labelSelector));
      return { items: items.map(seenJob), resourceVersion: store.version() };
    },
    async snapshotPods(labelSelector) {
      const items = observer.allPods().filter((pod) => isLivePod(pod, labelSelector));
      return { items: items.map(seenPod), resourceVersion: store.version() };
    },
    listWarnings: async () => observer.allEvents().filter(({ type }) => type === 'Warning'),
    watchJobs: jobs.watch,
    watchPods: pods.watch,
    async deletePayload(name, jobUid) {
      const secret = store.allSecrets().find(({ metadata }) => metadata?.name === name);
      if (!secret) return 'deleted';
      if (!secret.metadata?.ownerReferences?.some(({ uid }) => uid === jobUid)) return 'notOurs';
      store.removeSecret(name);
      return 'deleted';
    },
    breakWatches(kind) {
      for (const feed of [jobs, pods]) feed.breakWatches(kind, store.version());
    },
    openWatches: () => ({ jobs: jobs.open(), pods: pods.open() }),
  };
}

const hasPodEnded = ({ status }: V1Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

const seenJob = (job: V1Job): V1Job => slim('Job', job);
const seenPod = (pod: V1Pod): V1Pod => slim('Pod', pod);

/** All changes of one kind of object, and who watches them. */
interface Feed<T> {
  put(change: StoreChange<T>): void;
  watch(request: WatchRequest<T>): OpenWatch;
  breakWatches(kind: WatchEnd['kind'], version: string): void;
  /** How many watches are open. */
  open(): number;
}

/** One watch that is open. */
interface Watcher<T> {
  readonly endsAtMs: number;
  /** Delivers a change, a moment later. */
  deliver(change: StoreChange<T>): void;
  /** Ends it, after what is under way. */
  end(kind: WatchEnd['kind']): void;
}

/** What differs between the kinds. */
interface Kind<T> {
  isSelected(object: T, labelSelector: string): boolean;
  /** The object as a watcher sees it. */
  seen(object: T): T;
}

function createFeed<T extends V1Job | V1Pod>(clock: InMemoryClock, { isSelected, seen }: Kind<T>): Feed<T> {
  const history: StoreChange<T>[] = [];
  const watchers = new Set<Watcher<T>>();
  let oldest = 0;
  clock.onMove(() => {
    for (const watcher of watchers) if (clock.now() >= watcher.endsAtMs) watcher.end('closed');
  });
  return {
    put(change) {
      history.push(change);
      for (const watcher of watchers) watcher.deliver(change);
    },
    watch(request) {
      let resourceVersion = request.resourceVersion;
      const { promise: ended, resolve } = Promise.withResolvers<WatchEnd>();
      const settle = (kind: WatchEnd['kind']): void => {
        watchers.delete(watcher);
        resolve(kind === 'expired' ? { kind } : { kind, resourceVersion });
      };
      const watcher: Watcher<T> = {
        endsAtMs: clock.now() + secondsToMs(request.timeout),
        deliver: (change) =>
          queueMicrotask(() => {
            if (!watchers.has(watcher)) return;
            resourceVersion = change.version;
            const shown = shownChange(change, (object) => isSelected(object, request.labelSelector));
            if (shown) request.onChange({ ...shown, object: seen(shown.object) });
          }),
        end: (kind) => queueMicrotask(() => settle(kind)),
      };
      watchers.add(watcher);
      const from = Number(request.resourceVersion);
      if (from < oldest) watcher.end('expired');
      else for (const change of history) if (Number(change.version) > from) watcher.deliver(change);
      return { ended, close: () => settle('closed') };
    },
    breakWatches(kind, version) {
      if (kind === 'expired') oldest = Number(version);
      for (const watcher of watchers) watcher.end(kind);
    },
    open: () => watchers.size,
  };
}

/** What a watcher sees of a change; an object that leaves the selection is deleted to it. */
function shownChange<T extends V1Job | V1Pod>(
  { version, before, after }: StoreChange<T>,
  isSelected: (object: T) => boolean,
): { readonly kind: 'changed' | 'deleted'; readonly object: T } | undefined {
  if (after !== undefined && isSelected(after)) return { kind: 'changed', object: after };
  if (before === undefined || !isSelected(before)) return undefined;
  return { kind: 'deleted', object: { ...before, metadata: { ...before.metadata, resourceVersion: version } } };
}
