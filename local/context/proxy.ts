/**
 * A reverse proxy in front of a cluster that does not know the functions' EKS tokens: it verifies the token itself, and sends
 * the request on with the credentials of a kube context. Bodies are streamed, so watches work.
 */

import * as http from 'node:http';
import * as https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { makeCertificates } from '../cluster/certificates.ts';
import { unauthorized } from '../cluster/statuses.ts';
import { listen } from '../lambda/listen.ts';
import type { KubeContext } from './kube-context.ts';

/** How the proxy starts. */
export interface ClusterProxyOptions {
  readonly context: KubeContext;
  /** The user behind a bearer token; undefined is answered 401. */
  authenticate(token: string): Promise<string | undefined>;
  /** The cluster could not be asked: no connection, or no credentials. */
  onFault?(error: Error): void;
}

/** A running proxy. */
export interface ClusterProxy {
  readonly url: string;
  /** The authority that clients must trust. */
  readonly caPem: string;
  close(): Promise<void>;
}

/** Headers of one connection, and what only the proxy may say about who asks. */
const ownHeaders = /^(host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|authorization|impersonate-.*)$/;

/** Starts the proxy on a free port of 127.0.0.1. */
export async function startClusterProxy(options: ClusterProxyOptions): Promise<ClusterProxy> {
  const { caPem, certificatePem, keyPem } = await makeCertificates();
  const server = https.createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      const isWaiting = !request.socket.destroyed;
      if (isWaiting) options.onFault?.(error instanceof Error ? error : new Error(String(error)));
      // A client must see what it would see without the proxy: no answer.
      response.destroy();
    });
  });
  const port = await listen(server);
  return {
    url: `https://127.0.0.1:${port}`,
    caPem,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { context, authenticate }: ClusterProxyOptions,
): Promise<void> {
  const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined || (await authenticate(token)) === undefined) {
    const { code, body } = unauthorized();
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return;
  }
  const reply = await forward(request, response, context);
  if (reply.statusCode === 401) context.forget();
  response.writeHead(reply.statusCode ?? 502, kept(reply.headers));
  // A watch without events yet has a status already.
  response.flushHeaders();
  // Either side may end it; the other one then learns of it.
  await pipeline(reply, response).catch(() => undefined);
}

async function forward(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { server, signIn }: KubeContext,
): Promise<http.IncomingMessage> {
  const { headers, ...signed } = await signIn();
  const url = new URL(server.href.replace(/\/$/, '') + (request.url ?? '/'));
  const { request: open } = url.protocol === 'http:' ? http : https;
  return new Promise((resolve, reject) => {
    const upstream = open(url, {
      ...signed,
      ...(request.method === undefined ? {} : { method: request.method }),
      headers: { ...kept(request.headers), ...headers },
    });
    upstream.once('response', resolve).on('error', reject);
    response.once('close', () => upstream.destroy());
    request.pipe(upstream);
  });
}

const kept = (headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.test(name)));
