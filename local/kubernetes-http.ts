// The transport under client-node's generated API, for local programs and tests: its own one makes a TLS handshake for
// every call. Functions send JSON instead; see docs/adr/0013.
import { ResponseContext, wrapHttpLibrary } from '@kubernetes/client-node';
import { createKeepAliveHttp, type KeepAliveHttpOptions } from '../lib/clients/keep-alive-http.ts';

/** What `createConfiguration` takes as `httpApi`. */
export type KubernetesHttp = ReturnType<typeof wrapHttpLibrary>;

/** Creates the transport of one cluster. Its errors are those of node:https, with their `code`. */
export function createKubernetesHttp(options: KeepAliveHttpOptions): KubernetesHttp {
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
      // Of all headers only `set-cookie` comes as a list, and an API server sends none.
      const headers = Object.fromEntries(
        Object.entries(reply.headers).map(([name, value]) => [name, [value ?? []].flat().join(', ')]),
      );
      return new ResponseContext(reply.status, headers, {
        text: () => Promise.resolve(reply.body.toString('utf8')),
        binary: () => Promise.resolve(reply.body),
        stream: () => null,
      });
    },
  });
}
