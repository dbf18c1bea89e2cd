/**
 * Lists, whole or in pages. The pages of one list show one moment: what is left of it is remembered until it is fetched.
 */

import { randomUUID } from 'node:crypto';
import { type Json, type JsonObject, without } from '../json.ts';
import type { ClusterObject, Resource } from './objects.ts';
import { parseFieldSelector, parseLabelSelector, type Selector } from './selectors.ts';
import { expiredContinue } from './statuses.ts';
import type { Store } from './store.ts';

/** The rest of a list that a client has begun to read. */
interface Rest {
  readonly objects: readonly ClusterObject[];
  readonly resourceVersion: string;
}

/** Lists that may be under way at the same time; the oldest is forgotten first and answered 410. */
const rememberedLists = 20;

/** Answers lists. */
export interface Lister {
  list(resource: Resource, namespace: string, query: URLSearchParams): JsonObject;
}

/** What `labelSelector` and `fieldSelector` of a list or watch select. */
export function selectorOf(query: URLSearchParams): Selector {
  const byLabel = parseLabelSelector(query.get('labelSelector') ?? '');
  const byField = parseFieldSelector(query.get('fieldSelector') ?? '');
  return (object) => byLabel(object) && byField(object);
}

/** Creates the lister of a store. */
export function createLister(store: Store): Lister {
  const rests = new Map<string, Rest>();

  function begin(resource: Resource, namespace: string, query: URLSearchParams): Rest {
    const token = query.get('continue') ?? '';
    if (token === '') {
      const objects = store.list(resource, namespace).filter(selectorOf(query));
      return { objects, resourceVersion: String(store.version()) };
    }
    const rest = rests.get(token);
    if (rest === undefined) throw expiredContinue();
    return rest;
  }

  function remember(rest: Rest): string {
    const token = Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: rest.resourceVersion, start: randomUUID() }));
    const key = token.toString('base64url');
    rests.set(key, rest);
    for (const oldest of [...rests.keys()].slice(0, -rememberedLists)) rests.delete(oldest);
    return key;
  }

  return {
    list: (resource, namespace, query) => {
      const { objects, resourceVersion } = begin(resource, namespace, query);
      const limit = Number(query.get('limit') ?? 0) || objects.length;
      const left = objects.slice(limit);
      const items: Json[] = objects.slice(0, limit).map((object) => without(object, 'kind', 'apiVersion'));
      const more = left.length === 0 ? {} : { continue: remember({ objects: left, resourceVersion }) };
      const selects = query.has('labelSelector') || query.has('fieldSelector');
      const count = left.length === 0 || selects ? {} : { remainingItemCount: left.length };
      return {
        kind: `${resource.kind}List`,
        apiVersion: resource.apiVersion,
        metadata: { resourceVersion, ...more, ...count },
        items,
      };
    },
  };
}
