/**
 * Watches: one JSON line per change, from a version on, for as long as the client and `timeoutSeconds` allow.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */

import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../json.ts';
import { selectorOf } from './list.ts';
import type { Resource } from './objects.ts';
import type { Selector } from './selectors.ts';
import { badVersion, tooOldVersion } from './statuses.ts';
import type { Change, Store } from './store.ts';

/** What is watched. */
export interface WatchRequest {
  readonly resource: Resource;
  readonly namespace: string;
  readonly query: URLSearchParams;
}

/** Between two bookmarks; a real server takes about a minute. */
const bookmarkEveryMs = 1000;

/** A watch without `timeoutSeconds` ends after an hour at the latest, as on a real server. */
const defaultTimeoutSeconds = 3600;

/**
 * Serves one watch until it ends; the answer ends it early.
 *
 * @throws Refusal 500 when the version is not a number.
 */
export function serveWatch(store: Store, request: WatchRequest, response: ServerResponse): () => void {
  const { resource, namespace, query } = request;
  const selected = selectorOf(query);
  const from = startVersion(query);
  const send = (type: string, object: JsonObject): void => {
    response.write(`${JSON.stringify({ type, object })}\n`);
  };
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' });
  response.flushHeaders();

  if (from !== undefined && from < store.oldestVersion()) {
    send('ERROR', tooOldVersion(from, store.oldestVersion()).body);
    response.end();
    return () => undefined;
  }

  let sent = from ?? store.version();
  const forward = (change: Change): void => {
    if (change.version <= sent) return;
    sent = change.version;
    if (change.resource !== resource) return;
    if (namespace !== '' && change.object.metadata.namespace !== namespace) return;
    const event = eventOf(change, selected);
    if (event !== undefined) send(event.type, event.object);
  };
  const wantsBookmarks = ['1', 'true'].includes(query.get('allowWatchBookmarks') ?? '');
  let marked = from ?? 0;
  const bookmark = (annotations?: JsonObject): void => {
    if (!wantsBookmarks || marked === sent) return;
    marked = sent;
    send('BOOKMARK', bookmarkOf(resource, sent, annotations));
  };

  if (from === undefined) {
    for (const object of store.list(resource, namespace).filter(selected)) send('ADDED', object);
    bookmark({ 'k8s.io/initial-events-end': 'true' });
  } else {
    for (const change of store.changesSince(from)) forward(change);
  }
  return untilEnd(store, response, { forward, bookmark, timeoutSeconds: Number(query.get('timeoutSeconds') ?? 0) });
}

interface Stream {
  readonly forward: (change: Change) => void;
  readonly bookmark: () => void;
  readonly timeoutSeconds: number;
}

function untilEnd(store: Store, response: ServerResponse, stream: Stream): () => void {
  const stop = store.subscribe(stream.forward);
  const marker = setInterval(() => stream.bookmark(), bookmarkEveryMs);
  const end = (): void => {
    stop();
    clearInterval(marker);
    clearTimeout(timer);
    response.end();
  };
  const timeoutMs = (stream.timeoutSeconds || defaultTimeoutSeconds) * 1000;
  const timer = setTimeout(() => {
    stream.bookmark();
    end();
  }, timeoutMs);
  response.on('close', end);
  return end;
}

/** What a watcher with this selector sees of a change; an object that leaves the selection is deleted to it. */
function eventOf(change: Change, selected: Selector): { type: string; object: JsonObject } | undefined {
  const { type, object, before } = change;
  const is = selected(object);
  const was = before !== undefined && selected(before);
  if (type === 'DELETED') return is || was ? { type, object } : undefined;
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object };
  if (!was) return undefined;
  const { resourceVersion } = object.metadata;
  return { type: 'DELETED', object: { ...before, metadata: { ...before.metadata, resourceVersion } } };
}

function bookmarkOf(resource: Resource, version: number, annotations: JsonObject | undefined): JsonObject {
  const metadata = { resourceVersion: String(version), ...(annotations === undefined ? {} : { annotations }) };
  return { kind: resource.kind, apiVersion: resource.apiVersion, metadata };
}

/** The version after which the client wants changes; undefined for "what there is, then what comes". */
function startVersion(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? '';
  if (text === '' || text === '0' || query.get('sendInitialEvents') === 'true') return undefined;
  if (!/^\d+$/.test(text)) throw badVersion(text);
  return Number(text);
}
