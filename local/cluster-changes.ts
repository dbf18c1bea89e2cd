/** The changes of a cluster that somebody else holds, by watches that are opened again when they break. */

import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterChange } from './cluster/cluster.ts';
import { type JsonObject, listAt, objectAt, textAt } from './json.ts';
import type { ApiEvent, ClusterApi } from './kubelet/api.ts';

/** Whom the changes are told to. */
export interface Follower {
  /** Ends the watches, once the connection is closed as well. */
  isClosed(): boolean;
  onChange(change: ClusterChange): void;
  /** Objects that nothing is told about, by `metadata.uid`. */
  readonly ignored?: ReadonlySet<string>;
}

/** Between two tries of a watch that broke. */
const reconnectMs = 200;

/** Follows the collections at these paths. It never fails; what is missed in a break is told after it. */
export function followChanges(api: ClusterApi, paths: readonly string[], follower: Follower): void {
  for (const path of paths) void follow(api, path, follower);
}

/** The uids of the objects in a collection; of one that cannot be read, none. */
export async function uidsAt(api: ClusterApi, path: string): Promise<readonly string[]> {
  const { body } = await api.get(path);
  return listAt(body, 'items').flatMap((item) => textAt(item, 'metadata', 'uid') ?? []);
}

/** A watch without a version begins with what there is, so that nothing is missed when one breaks. */
async function follow(api: ClusterApi, path: string, { isClosed, onChange, ignored }: Follower): Promise<void> {
  while (!isClosed()) {
    await api
      .watch(`${path}?watch=1`, (event) => {
        const change = changeOf(event);
        if (change !== undefined && ignored?.has(change.object.metadata.uid) !== true) onChange(change);
      })
      .catch(() => undefined);
    if (!isClosed()) await pause(reconnectMs);
  }
}

function changeOf({ type, object }: ApiEvent): ClusterChange | undefined {
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return undefined;
  return { type, object: { ...object, metadata: metadataOf(objectAt(object, 'metadata')) } };
}

function metadataOf(metadata: JsonObject): ClusterChange['object']['metadata'] {
  const text = (name: string): string => textAt(metadata, name) ?? '';
  return {
    ...metadata,
    name: text('name'),
    namespace: text('namespace'),
    uid: text('uid'),
    resourceVersion: text('resourceVersion'),
  };
}
