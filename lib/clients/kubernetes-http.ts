// The transport under @kubernetes/client-node's generated API. Its own one makes a TLS handshake for every call and brings
// undici along; see docs/adr/0003.
import { ResponseContext, wrapHttpLibrary } from '@kubernetes/client-node';
import { type EpochMs, parseIsoTime } from '../domain/time.ts';
import { createKeepAliveHttp, type KeepAliveHttpOptions } from './keep-alive-http.ts';

/** What `createConfiguration` takes as `httpApi`. */
export type KubernetesHttp = ReturnType<typeof wrapHttpLibrary>;

/** Options of {@link createKubernetesHttp}. */
export interface KubernetesHttpOptions extends KeepAliveHttpOptions {
  /** Told the `Date` of each answer: ages in the cluster are counted by its own clock. */
  readonly onServerTime?: (serverTime: EpochMs) => void;
}

/** Creates the transport of one cluster. Its errors are those of node:https, with their `code`. */
export function createKubernetesHttp({ onServerTime, ...options }: KubernetesHttpOptions): KubernetesHttp {
  const send = createKeepAliveHttp(options);
  return wrapHttpLibrary({
    async send(context) {
      const method = context.getHttpMethod().toString();
      const body: unknown = context.getBody();
      if (body !== undefined && typeof body !== 'string')
        throw new TypeError('only text is sent to the Kubernetes API');
      // The generated client prefers JSON Patch; this project patches with merge patches only.
      const type = method === 'PATCH' ? { 'Content-Type': 'application/merge-patch+json' } : {};
      const reply = await send({
        method,
        url: context.getUrl(),
        headers: { ...context.getHeaders(), ...type },
        ...(body === undefined ? {} : { body }),
      });
      const serverTime = parseIsoTime(reply.headers['date'] ?? '');
      if (serverTime !== undefined) onServerTime?.(serverTime);
      return new ResponseContext(reply.status, reply.headers, {
        text: () => Promise.resolve(reply.body.toString('utf8')),
        binary: () => Promise.resolve(reply.body),
        stream: () => null,
      });
    },
  });
}
