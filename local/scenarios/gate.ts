// A store that shows the job controller only the Jobs that it may have, and their pods.
import { type ClusterObject, jobs, ownersOf, placeOf, pods } from '../cluster/objects.ts';
import type { Change, Store } from '../cluster/store.ts';

/** The gate. */
export interface Gate {
  /** For the controller: tells nothing of other Jobs. */
  readonly store: Store;
  /** Lets a Job through, with the pods that it has. */
  admit(job: ClusterObject): void;
  isAdmitted(uid: string): boolean;
}

/** Creates a gate that nothing has passed yet. */
export function createGate(store: Store): Gate {
  const admitted = new Set<string>();
  const listeners = new Set<(change: Change) => void>();
  const mayPass = ({ resource, object }: Change): boolean =>
    (resource === jobs && admitted.has(object.metadata.uid)) ||
    (resource === pods && ownersOf(object).some(({ uid }) => admitted.has(uid)));

  return {
    store: {
      ...store,
      subscribe: (listener) => {
        const passed = (change: Change): void => {
          if (mayPass(change)) listener(change);
        };
        listeners.add(passed);
        const unsubscribe = store.subscribe(passed);
        return () => {
          listeners.delete(passed);
          unsubscribe();
        };
      },
    },
    admit(job) {
      if (admitted.has(job.metadata.uid)) return;
      admitted.add(job.metadata.uid);
      const own = store
        .list(pods, placeOf(job).namespace)
        .filter((pod) => ownersOf(pod).some(({ uid }) => uid === job.metadata.uid));
      const things = [...own.map((object) => ({ resource: pods, object })), { resource: jobs, object: job }];
      for (const { resource, object } of things) {
        const change = { type: 'ADDED', resource, object, before: undefined, version: store.version() } as const;
        for (const listener of listeners) listener(change);
      }
    },
    isAdmitted: (uid) => admitted.has(uid),
  };
}
