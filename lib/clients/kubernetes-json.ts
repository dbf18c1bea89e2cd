// Calls of the Kubernetes API whose JSON is handed on as it is: the generated client makes every object of a list again,
// and cannot read a stream.
import { KEPT_PARTS, type Parts } from '../domain/slim-objects.ts';
import { parseIsoTime } from '../domain/time.ts';
import type { ApiAnswer, Snapshot } from '../ports.ts';
import { parseJsonBytes } from '../schemas/json.ts';
import { parseJsonParts } from '../schemas/json-parts.ts';
import { isPageOf } from '../schemas/kubernetes-object.ts';
import { createKeepAliveHttp } from './keep-alive-http.ts';
import { createKubernetesApi, type KubernetesApiOptions, RefusedCall } from './kubernetes-api.ts';
import { openHttpStream, type StreamReply } from './stream-http.ts';

/** Objects of one kind, or those of them that a field selector selects. */
export interface Resource {
  readonly kind: keyof typeof KEPT_PARTS;
  /** Path of all of them in the namespace. */
  readonly path: string;
  readonly fieldSelector?: string;
}

/** A request that is not a stream. */
export interface JsonCall {
  readonly method: 'GET' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Media type that is wanted; default is JSON. */
  readonly accept?: string;
  readonly body?: object;
  /** What is kept of the answer; default is all. */
  readonly parts?: Parts;
}

/** The calls. */
export interface KubernetesJson {
  send(call: JsonCall): Promise<ApiAnswer<unknown>>;
  /** All objects of a resource with these labels, or with any; see {@link KEPT_PARTS} for what is kept of each. */
  list<T>(resource: Resource, labelSelector?: string): Promise<ApiAnswer<Snapshot<T>>>;
  /** Opens a stream of JSON. The signal closes it, at any time. */
  stream(path: string, signal: AbortSignal): Promise<ApiAnswer<StreamReply>>;
}

/** Small enough for one answer of the API server, and for a page and its objects to be in memory at the same time. */
const PAGE = 500;
/** A server keeps a list that is being read for five minutes; whoever loses it three times has another problem. */
const MAX_RESTARTS = 3;
const DEFAULT_TIMEOUT_MS = 10_000;
const JSON_TYPE = 'application/json';

/** Creates the calls of one cluster, with connections of their own. */
export function createKubernetesJson(options: KubernetesApiOptions): KubernetesJson {
  const { now, onServerTime, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const call = createKubernetesApi(options, ({ endpoint, caPem }) => ({
    endpoint,
    caPem,
    sendHttp: createKeepAliveHttp({ caPem, timeoutMs, now }),
  }));
  const hear = ({ date = '' }: Readonly<Record<string, string>>): void => {
    const serverTime = parseIsoTime(date);
    if (serverTime !== undefined) onServerTime?.(serverTime);
  };
  const send: KubernetesJson['send'] = ({ method, path, accept = JSON_TYPE, body, parts }) =>
    call(async ({ endpoint, sendHttp }, token) => {
      // Every patch of this project is a merge patch.
      const type = method === 'PATCH' ? 'application/merge-patch+json' : JSON_TYPE;
      const {
        status,
        headers,
        body: bytes,
      } = await sendHttp({
        method,
        url: endpoint + path,
        headers: { ...signedIn(token, accept), ...(body === undefined ? {} : { 'Content-Type': type }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      hear(headers);
      if (status < 200 || status > 299) throw new RefusedCall(status, bytes.toString('utf8'), headers['retry-after']);
      return parts ? parseJsonParts(bytes, parts) : parseJsonBytes(bytes);
    });
  return {
    send,
    list: (resource, labelSelector) => listAgain(send, resource, labelSelector),
    stream: (path, signal) =>
      call(async ({ endpoint, caPem }, token) => {
        const headers = signedIn(token, JSON_TYPE);
        const reply = await openHttpStream({ url: endpoint + path, headers, caPem, timeoutMs, signal });
        hear(reply.headers);
        if (reply.status !== 200) throw new RefusedCall(reply.status, reply.body, reply.headers['retry-after']);
        // A proxy may answer anything with status 200.
        if (!reply.headers['content-type']?.startsWith(JSON_TYPE)) {
          reply.stream.destroy();
          throw new TypeError('not a stream of JSON');
        }
        return reply;
      }),
  };
}

const signedIn = (token: string, accept: string): Readonly<Record<string, string>> => ({
  Accept: accept,
  Authorization: `Bearer ${token}`,
});

/** A list whose rest the server has forgotten is read again from its beginning. */
async function listAgain<T>(
  send: KubernetesJson['send'],
  resource: Resource,
  labelSelector: string | undefined,
): Promise<ApiAnswer<Snapshot<T>>> {
  for (let restarts = 0; ; restarts += 1) {
    const answer = await listOnce<T>(send, resource, labelSelector);
    if (answer.kind !== 'refused' || answer.refusal.status !== 410 || restarts === MAX_RESTARTS) return answer;
  }
}

async function listOnce<T>(
  send: KubernetesJson['send'],
  { kind, path, fieldSelector }: Resource,
  labelSelector: string | undefined,
): Promise<ApiAnswer<Snapshot<T>>> {
  const items: T[] = [];
  const parts = { kind: true, metadata: true, items: KEPT_PARTS[kind] } as const;
  const query = new URLSearchParams({
    limit: String(PAGE),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  });
  for (;;) {
    const answer = await send({ method: 'GET', path: `${path}?${query}`, parts });
    if (answer.kind !== 'ok') return answer;
    const page = answer.object;
    if (!isPageOf<T>(page, kind)) return { kind: 'noAnswer' };
    for (const item of page.items) items.push(item);
    // All pages show the moment of the first one, and carry its version.
    const { resourceVersion, continue: rest = '' } = page.metadata;
    if (rest === '') return { kind: 'ok', object: { items, resourceVersion } };
    query.set('continue', rest);
  }
}
