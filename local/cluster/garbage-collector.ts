/**
 * Removes what nobody owns any more: dependents of a deleted object, objects whose owner never existed, and the finalizers
 * `foregroundDeletion` and `orphan` once their work is done.
 *
 * @see https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */

import { isObject, type JsonObject, listAt, textAt } from '../json.ts';
import { type ClusterObject, finalizersOf, isBeingDeleted, ownersOf, placeOf, type Resource } from './objects.ts';
import type { Operations } from './operations.ts';
import type { Store } from './store.ts';

/** How long the collector lags behind the changes, as the real one does. */
const lagMs = 50;

interface Entry {
  readonly resource: Resource;
  readonly object: ClusterObject;
}

/** Starts the collector; the answer stops it. */
export function startGarbageCollector(store: Store, operations: Operations): () => void {
  let timer: NodeJS.Timeout | undefined;
  const sweepSoon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      sweep(store, operations);
    }, lagMs);
  };
  const unsubscribe = store.subscribe((change) => {
    const owned = ownersOf(change.object).length > 0;
    if (owned || change.type === 'DELETED' || isBeingDeleted(change.object)) sweepSoon();
  });
  return () => {
    unsubscribe();
    clearTimeout(timer);
  };
}

function sweep(store: Store, operations: Operations): void {
  for (const { resource, object: seen } of store.everything()) {
    const { namespace, name } = placeOf(seen);
    const object = store.get(resource, namespace, name);
    if (object === undefined) continue;
    if (isBeingDeleted(object)) finish(store, operations, { resource, object });
    else if (isAbandoned(store, object)) remove(store, operations, { resource, object });
  }
}

/** All of its owners are gone. */
function isAbandoned(store: Store, object: ClusterObject): boolean {
  const owners = ownersOf(object);
  return owners.length > 0 && owners.every((owner) => !store.hasUid(owner.uid));
}

function finish(store: Store, operations: Operations, owner: Entry): void {
  const finalizers = finalizersOf(owner.object);
  const { uid } = owner.object.metadata;
  const dependents = store.everything().filter(({ object }) => ownersOf(object).some((one) => one.uid === uid));
  if (finalizers.includes('orphan')) {
    for (const dependent of dependents) disown(operations, dependent, uid);
    dropFinalizer(operations, owner, 'orphan');
  }
  if (finalizers.includes('foregroundDeletion') && store.hasUid(uid)) {
    for (const dependent of dependents) if (!isBeingDeleted(dependent.object)) remove(store, operations, dependent);
    const blocked = dependents.some(({ object }) => ownersOf(object).some((one) => one.uid === uid && one.blocks));
    if (!blocked) dropFinalizer(operations, owner, 'foregroundDeletion');
  }
}

function remove(store: Store, operations: Operations, { resource, object }: Entry): void {
  const { namespace, name } = placeOf(object);
  const { uid } = object.metadata;
  if (store.get(resource, namespace, name)?.metadata.uid !== uid) return;
  operations.remove({ resource, namespace, name }, { propagationPolicy: 'Background' });
}

function disown(operations: Operations, entry: Entry, uid: string): void {
  changeMetadata(operations, entry, (metadata) => ({
    ...metadata,
    ownerReferences: listAt(metadata, 'ownerReferences')
      .filter(isObject)
      .filter((reference) => textAt(reference, 'uid') !== uid),
  }));
}

function dropFinalizer(operations: Operations, entry: Entry, finalizer: string): void {
  changeMetadata(operations, entry, (metadata) => ({
    ...metadata,
    finalizers: listAt(metadata, 'finalizers').filter((other) => other !== finalizer),
  }));
}

function changeMetadata(operations: Operations, entry: Entry, change: (metadata: JsonObject) => JsonObject): void {
  const { namespace, name } = placeOf(entry.object);
  operations.update(
    { resource: entry.resource, namespace, name },
    { part: 'object', change: (current) => ({ ...current, metadata: change(current.metadata) }) },
  );
}
