/**
 * Sends one dispatch POST the way Terrakube's Reactor Netty client does: HTTP/1.1, these headers in this order, never chunked,
 * redirects not followed. Tells apart what Terrakube tells apart: an answer, a broken answer, none at all, none in time.
 */
import { type IncomingMessage, request } from 'node:http';

/** What came back. */
export type DispatchAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly contentType: string | undefined;
      readonly body: Buffer;
    }
  | { readonly kind: 'brokenAnswer'; readonly status: number }
  | { readonly kind: 'noAnswer' }
  | { readonly kind: 'timeout' };

/** One POST. */
export interface DispatchPost {
  readonly url: string;
  readonly token: string;
  readonly body: string;
  readonly answerTimeoutMs: number;
  /** Ends the POST as if the Terrakube process had died. */
  readonly signal: AbortSignal;
}

/** Sends the POST. Never rejects. */
export function sendDispatch(post: DispatchPost): Promise<DispatchAnswer> {
  const url = new URL(post.url);
  const { promise, resolve } = Promise.withResolvers<DispatchAnswer>();
  const outgoing = request({
    host: url.hostname,
    port: url.port === '' ? 80 : Number(url.port),
    path: url.pathname.replaceAll(/\/{2,}/g, '/') + url.search,
    method: 'POST',
    agent: false,
    setHost: false,
    signal: post.signal,
  });
  outgoing.setHeader('user-agent', 'ReactorNetty/1.2.18');
  outgoing.setHeader('host', url.host);
  outgoing.setHeader('accept', '*/*');
  outgoing.setHeader('Content-Type', 'application/json');
  outgoing.setHeader('Authorization', `Bearer ${post.token}`);
  outgoing.setHeader('content-length', Buffer.byteLength(post.body));
  outgoing.removeHeader('connection'); // Node would add one, Reactor Netty does not
  const timer = setTimeout(() => {
    resolve({ kind: 'timeout' });
    outgoing.destroy();
  }, post.answerTimeoutMs);
  outgoing.on('error', () => resolve({ kind: 'noAnswer' }));
  outgoing.on('response', (incoming) => resolve(readAnswer(incoming)));
  outgoing.end(post.body);
  return promise.finally(() => clearTimeout(timer));
}

async function readAnswer(incoming: IncomingMessage): Promise<DispatchAnswer> {
  const status = incoming.statusCode ?? 0;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  } catch {
    return { kind: 'brokenAnswer', status };
  }
  return { kind: 'answer', status, contentType: incoming.headers['content-type'], body: Buffer.concat(chunks) };
}
