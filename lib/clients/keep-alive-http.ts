// HTTP with kept-alive connections over node:http and node:https; `fetch` would load Node's undici, which costs every cold
// start 27 ms and more. A sandbox may be frozen for minutes between two calls: a socket that was idle for long is not
// used again, and one that turns out to be dead is replaced once.
import * as http from 'node:http';
import * as https from 'node:https';
import { urlToHttpOptions } from 'node:url';

/** Options of {@link createKeepAliveHttp}. */
export interface KeepAliveHttpOptions {
  /** PEM text of the certificate authority to trust; default is Node's own list. */
  readonly caPem?: string;
  /** Longest silence of the other side, and half of the longest time of a whole call; default is 10 seconds. */
  readonly timeoutMs?: number;
  /** Milliseconds on a clock that runs on while the sandbox is frozen. */
  readonly now: () => number;
}

/** One request. */
export interface HttpCall {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The answer, whatever its status. */
export interface HttpReply {
  readonly status: number;
  /** By their lower-case names. */
  readonly headers: Readonly<http.IncomingHttpHeaders>;
  readonly body: Buffer<ArrayBuffer>;
}

/** Sends a request. Rejects with node's own error (and its `code`) when there is no answer. */
export type SendHttp = (call: HttpCall) => Promise<HttpReply>;

/** Enough for a batch of ten messages, each of which makes four calls in turn. */
const MAX_SOCKETS = 8;
/** API servers close idle connections after 60 to 90 s, and a load balancer in between may not even say so. */
const MAX_IDLE_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 10_000;

/** Creates a sender with its own pool of connections. */
export function createKeepAliveHttp({ caPem, timeoutMs = DEFAULT_TIMEOUT_MS, now }: KeepAliveHttpOptions): SendHttp {
  const pool = { keepAlive: true, maxSockets: MAX_SOCKETS, scheduling: 'lifo' } as const;
  const agents = {
    'http:': new http.Agent(pool),
    'https:': new https.Agent({ ...pool, ...(caPem === undefined ? {} : { ca: caPem }) }),
  };
  const dropIdle = (): void => Object.values(agents).forEach(dropIdleSockets);
  let usedAtMs = now();
  const placeOf = createPlaces();
  const once = (call: HttpCall): Promise<HttpReply> => {
    const options = { ...placeOf(call.url), ...optionsOf(call, timeoutMs) };
    return exchange(call, timeoutMs * 2, (onReply) =>
      options.protocol === 'http:'
        ? http.request({ ...options, agent: agents['http:'] }, onReply)
        : https.request({ ...options, agent: agents['https:'] }, onReply),
    );
  };
  return async (call) => {
    if (now() - usedAtMs > MAX_IDLE_MS) dropIdle();
    usedAtMs = now();
    try {
      return await once(call);
    } catch (error) {
      // The others have been idle for as long, and the next one from the pool would be just as dead: one that was closed
      // says so at once, and one that nothing comes through any more only after the whole time limit, one call each.
      dropIdle();
      if (!(error instanceof StaleSocketError)) throw error;
      return await once(call).catch((again: unknown) => {
        throw again instanceof StaleSocketError ? again.cause : again;
      });
    } finally {
      usedAtMs = now();
    }
  };
}

/** A kept connection was closed by the other side before it answered. */
class StaleSocketError extends Error {
  override readonly name = 'StaleSocketError';
}

/** Closes the connections that nobody uses; `agent.destroy()` would break the calls that are under way, too. */
function dropIdleSockets(agent: http.Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/** What a URL holds only in its encoded form. */
const NOT_ENCODED = /[^!-~]/;

/** Takes URLs apart. A sender has one server, and to parse its URL again for every call is a tenth of what a call costs. */
function createPlaces(): (url: string) => http.ClientRequestArgs {
  let known: http.ClientRequestArgs | undefined;
  let knownOrigin: string;
  return (url) => {
    const slash = url.indexOf('/', 8);
    const origin = url.slice(0, slash);
    if (known && slash > 0 && knownOrigin === origin && !NOT_ENCODED.test(url))
      return { ...known, path: url.slice(slash) };
    const { protocol, hostname, port, path } = urlToHttpOptions(new URL(url));
    knownOrigin = origin;
    known = { protocol, hostname, port, path };
    return known;
  };
}

function optionsOf({ method, headers, body }: HttpCall, timeout: number): http.RequestOptions {
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  return { method, timeout, headers: { ...headers, ...length } };
}

function exchange(
  call: HttpCall,
  longestMs: number,
  open: (onReply: (reply: http.IncomingMessage) => void) => http.ClientRequest,
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    let answer: HttpReply | undefined;
    const request = open((reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('error', reject);
      // Taken out: node's kept socket holds the request that opened it, and so this reply, for as long as it lives.
      reply.on('end', () => {
        answer = {
          status: reply.statusCode ?? 0,
          headers: reply.headers,
          body: Buffer.concat(chunks.splice(0)),
        };
      });
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const isStale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(isStale ? new StaleSocketError('a kept connection was closed', { cause: error }) : error);
    });
    const giveUp = (): void => {
      request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
    };
    request.on('timeout', giveUp);
    // A server that sends a byte now and then is never silent.
    const whole = setTimeout(giveUp, longestMs);
    request.on('close', () => {
      clearTimeout(whole);
      // Not before: only now the connection is free, and the next call would open another.
      if (answer) resolve(answer);
      answer = undefined;
    });
    request.end(call.body);
  });
}
