/**
 * What the cluster holds and what has changed: one version counter for all objects, and a short memory of changes that
 * watches are served from. It knows nothing of HTTP or of rules.
 */

import type { JsonObject } from '../json.ts';
import { type ClusterObject, placeOf, type Resource } from './objects.ts';

/** One change of one object. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: Resource;
  readonly object: ClusterObject;
  /** The object before, for selectors that it has entered or left. */
  readonly before: ClusterObject | undefined;
  readonly version: number;
}

/** The cluster's memory. */
export interface Store {
  /** The version of the latest change. */
  version(): number;
  /** The oldest version that the memory of changes reaches back to. */
  oldestVersion(): number;
  get(resource: Resource, namespace: string, name: string): ClusterObject | undefined;
  /** All objects of a kind, of one namespace or of all (empty), in the order of their names. */
  list(resource: Resource, namespace: string): readonly ClusterObject[];
  /** Whether any object has this uid. */
  hasUid(uid: string): boolean;
  /** Everything that is stored, with its kind. */
  everything(): readonly { readonly resource: Resource; readonly object: ClusterObject }[];
  /** Adds or replaces an object and gives it the next version. */
  put(resource: Resource, object: ClusterObject): ClusterObject;
  /** Removes an object. The final document gets a version of its own. */
  remove(resource: Resource, object: ClusterObject): ClusterObject;
  /** The changes after a version, oldest first. */
  changesSince(version: number): readonly Change[];
  /** Calls the listener at once for each change; the answer ends that. */
  subscribe(listener: (change: Change) => void): () => void;
}

/** The version before the first change: above 1, so that a watch from version 1 is too old, as in a cluster with a past. */
const firstVersion = 1000;

/** Changes that are remembered for watches. */
const rememberedChanges = 10_000;

/** Creates an empty store. */
export function createStore(): Store {
  const kept = new Map<string, { resource: Resource; object: ClusterObject }>();
  const uids = new Set<string>();
  const changes: Change[] = [];
  const listeners = new Set<(change: Change) => void>();
  let version = firstVersion;
  let oldest = firstVersion;

  function record(type: Change['type'], resource: Resource, object: JsonObject & ClusterObject): ClusterObject {
    version += 1;
    const key = keyOf(resource, placeOf(object));
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    const change = { type, resource, object: stored, before: kept.get(key)?.object, version };
    if (type === 'DELETED') {
      kept.delete(key);
      uids.delete(stored.metadata.uid);
    } else {
      kept.set(key, { resource, object: stored });
      uids.add(stored.metadata.uid);
    }
    changes.push(change);
    if (changes.length > rememberedChanges) oldest = changes.shift()?.version ?? oldest;
    for (const listener of listeners) listener(change);
    return stored;
  }

  return {
    version: () => version,
    oldestVersion: () => oldest,
    get: (resource, namespace, name) => kept.get(keyOf(resource, { namespace, name }))?.object,
    list: (resource, namespace) =>
      [...kept.entries()]
        .filter(([, entry]) => entry.resource === resource)
        .filter(([, entry]) => namespace === '' || entry.object.metadata.namespace === namespace)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, entry]) => entry.object),
    hasUid: (uid) => uids.has(uid),
    everything: () => [...kept.values()],
    put: (resource, object) => {
      const key = keyOf(resource, placeOf(object));
      return record(kept.has(key) ? 'MODIFIED' : 'ADDED', resource, object);
    },
    remove: (resource, object) => record('DELETED', resource, object),
    changesSince: (since) => changes.filter((change) => change.version > since),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function keyOf(resource: Resource, place: ReturnType<typeof placeOf>): string {
  return `${resource.plural}/${place.namespace}/${place.name}`;
}
