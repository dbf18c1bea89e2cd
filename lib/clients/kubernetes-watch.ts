// A watch of the Kubernetes API: one JSON object a line, for as long as it was asked for.
import { KEPT_PARTS } from '../domain/slim-objects.ts';
import { secondsToMs } from '../domain/time.ts';
import type { OpenWatch, WatchEnd, WatchRequest } from '../ports.ts';
import { parseJsonParts } from '../schemas/json-parts.ts';
import { isObjectOf, isWatchLine } from '../schemas/kubernetes-object.ts';
import { read } from './kubernetes-api.ts';
import type { KubernetesJson, Resource } from './kubernetes-json.ts';

/** A server that is there closes a watch in time. What stays open after that hangs at a connection that is dead. */
const GRACE_MS = 3000;
/** The largest object of a cluster has 1.5 MB; what is longer than this is none, or we would fill our memory with it. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const LINE_FEED = 10;

/** Opens a watch of a resource. What it delivers is as slim as in a list. */
export function openWatch<T>(
  { stream }: Pick<KubernetesJson, 'stream'>,
  resource: Resource,
  request: WatchRequest<T>,
): OpenWatch {
  const { promise: ended, resolve, reject } = Promise.withResolvers<WatchEnd>();
  const connection = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let { resourceVersion } = request;
  const isOver = (): boolean => connection.signal.aborted;
  const finish = (report: () => void): void => {
    if (isOver()) return;
    clearTimeout(timer);
    connection.abort();
    report();
  };
  const end = (kind: WatchEnd['kind']): void =>
    finish(() => resolve(kind === 'expired' ? { kind } : { kind, resourceVersion }));
  const fail = (error: unknown): void => finish(() => reject(error));
  const take = (line: Buffer<ArrayBuffer>): void => {
    if (isOver()) return;
    const event = readEvent<T>(line, resource.kind);
    if (typeof event === 'string') {
      end(event);
      return;
    }
    resourceVersion = event.resourceVersion;
    if (event.change) request.onChange(event.change);
  };
  const open = async (): Promise<void> => {
    const answer = await stream(pathOf(resource, request), connection.signal);
    if (isOver()) return;
    if (answer.kind === 'refused' && answer.refusal.status === 410) {
      end('expired');
      return;
    }
    const opened = read(answer, `watch of ${resource.kind}s`).stream;
    timer = setTimeout(() => end('closed'), secondsToMs(request.timeout) + GRACE_MS);
    const pendingBytes = createLines(take);
    opened.on('data', (chunk: Buffer) => {
      try {
        // The same version would bring the same line again.
        if (pendingBytes(chunk) > MAX_LINE_BYTES) end('expired');
      } catch (error) {
        fail(error);
      }
    });
    for (const event of ['end', 'error', 'close']) opened.on(event, () => end('closed'));
  };
  open().catch(fail);
  return { ended, close: () => end('closed') };
}

function pathOf<T>({ path, fieldSelector }: Resource, request: WatchRequest<T>): string {
  const query = new URLSearchParams({
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: request.resourceVersion,
    timeoutSeconds: String(request.timeout),
    labelSelector: request.labelSelector,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  });
  return `${path}?${query}`;
}

/** Cuts chunks into lines. @returns how many bytes the line that has only begun has by now. */
function createLines(onLine: (line: Buffer<ArrayBuffer>) => void): (chunk: Buffer) => number {
  let parts: Buffer[] = [];
  let bytes = 0;
  return (chunk) => {
    let start = 0;
    // A line feed is never a part of another character in UTF-8.
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, at)]);
      parts = [];
      bytes = 0;
      start = at + 1;
      onLine(line);
    }
    parts.push(chunk.subarray(start));
    bytes += chunk.byteLength - start;
    return bytes;
  };
}

/** A change, or only a version (a bookmark). */
interface WatchEvent<T> {
  readonly resourceVersion: string;
  readonly change?: Parameters<WatchRequest<T>['onChange']>[0];
}

/** Reads a line. What is none of a watch of this kind ends it: it can be opened again from the last version. */
function readEvent<T>(line: Buffer<ArrayBuffer>, kind: Resource['kind']): WatchEvent<T> | WatchEnd['kind'] {
  const event = parseJsonParts(line, { type: true, object: { ...KEPT_PARTS[kind], code: true } });
  if (!isWatchLine(event)) return 'closed';
  const { type, object } = event;
  if (type === 'ERROR') return Reflect.get(object, 'code') === 410 ? 'expired' : 'closed';
  if (!isObjectOf<T>(object, kind)) return 'closed';
  const { resourceVersion } = object.metadata;
  if (type === 'BOOKMARK') return { resourceVersion };
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return 'closed';
  return { resourceVersion, change: { kind: type === 'DELETED' ? 'deleted' : 'changed', object } };
}
