// Lists page by page, and streams, of the Kubernetes API.
import { KEPT_PARTS } from '../domain/slim-objects.ts';
import type { ApiAnswer, Snapshot } from '../ports.ts';
import { parseJsonParts } from '../schemas/json-parts.ts';
import { isPageOf } from '../schemas/kubernetes-object.ts';
import { type KubernetesApiOptions, RefusedCall } from './kubernetes-api.ts';
import { createKubernetesSend, JSON_TYPE, type SendJson, signedIn } from './kubernetes-send.ts';
import { openHttpStream, type StreamReply } from './stream-http.ts';

/** Objects of one kind, or those of them that a field selector selects. */
export interface Resource {
  readonly kind: keyof typeof KEPT_PARTS;
  /** Path of all of them in the namespace. */
  readonly path: string;
  readonly fieldSelector?: string;
}

/** The calls. */
export interface KubernetesJson {
  readonly send: SendJson;
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

/** Creates the calls of one cluster, with connections of their own. */
export function createKubernetesJson(options: KubernetesApiOptions): KubernetesJson {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { send, call, hear } = createKubernetesSend({ ...options, timeoutMs });
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

/** A list whose rest the server has forgotten is read again from its beginning. */
async function listAgain<T>(
  send: SendJson,
  resource: Resource,
  labelSelector: string | undefined,
): Promise<ApiAnswer<Snapshot<T>>> {
  for (let restarts = 0; ; restarts += 1) {
    const answer = await listOnce<T>(send, resource, labelSelector);
    if (answer.kind !== 'refused' || answer.refusal.status !== 410 || restarts === MAX_RESTARTS) return answer;
  }
}

async function listOnce<T>(
  send: SendJson,
  { kind, path, fieldSelector }: Resource,
  labelSelector: string | undefined,
): Promise<ApiAnswer<Snapshot<T>>> {
  const items: T[] = [];
  const parts = { kind: true, metadata: true, items: KEPT_PARTS[kind] } as const;
  const parse = (bytes: Buffer<ArrayBuffer>): unknown => parseJsonParts(bytes, parts);
  const query = new URLSearchParams({
    limit: String(PAGE),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  });
  for (;;) {
    const answer = await send({ method: 'GET', path: `${path}?${query}`, parse });
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
