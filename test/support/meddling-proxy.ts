// A reverse proxy that meddles: it stands between the product and a server (HTTP or HTTPS, a stand-in or a real one) and
// breaks, delays or replaces what a test wants it to, before the server sees a request or after it has done its work.
import * as http from 'node:http';
import * as https from 'node:https';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { listen } from '../../local/lambda/listen.ts';

/** One request on its way. */
export interface MeddledCall {
  /** 1 for the first request of the proxy. */
  readonly number: number;
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
}

/** What the proxy does to a request. */
export type Deed =
  | { readonly kind: 'reset' }
  /** The connection stays open and silent. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'wait'; readonly ms: number }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: http.OutgoingHttpHeaders;
    };

/** Decides about each request. Nothing is done where there is no deed. */
export interface Meddler {
  before?(call: MeddledCall): Promise<Deed | undefined> | Deed | undefined;
  after?(call: MeddledCall): Promise<Deed | undefined> | Deed | undefined;
}

/** A running proxy. */
export interface MeddlingProxy {
  readonly url: string;
  /** The authority to trust; empty for HTTP. */
  readonly caPem: string;
  readonly calls: readonly MeddledCall[];
  /** Connections that clients have opened. */
  readonly connections: number;
  meddle(meddler: Meddler): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a server. @param caPem the authority of a server that speaks HTTPS; the proxy then does too. */
export async function startMeddlingProxy(target: string, caPem?: string): Promise<MeddlingProxy> {
  const calls: MeddledCall[] = [];
  const state: { meddler: Meddler; connections: number } = { meddler: {}, connections: 0 };
  const agent =
    caPem === undefined ? new http.Agent({ keepAlive: true }) : new https.Agent({ keepAlive: true, ca: caPem });
  const handle = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/', headers } = request;
    const call = { number: calls.length + 1, method, path: url, authorization: headers.authorization ?? '' };
    calls.push(call);
    const body = await buffer(request);
    if (await isDone(await state.meddler.before?.(call), response)) return;
    const reply = await forward(new URL(url, target), agent, request, body);
    if (await isDone(await state.meddler.after?.(call), response)) return;
    response.writeHead(reply.status, reply.headers).end(reply.body);
  };
  const listener = (request: http.IncomingMessage, response: http.ServerResponse) =>
    void handle(request, response).catch(() => response.destroy());
  const certificates = caPem === undefined ? undefined : await makeCertificates();
  const server = certificates
    ? https.createServer({ cert: certificates.certificatePem, key: certificates.keyPem }, listener)
    : http.createServer(listener);
  server.on(certificates ? 'secureConnection' : 'connection', () => {
    state.connections += 1;
  });
  const port = await listen(server);
  return {
    url: `${certificates ? 'https' : 'http'}://127.0.0.1:${port}`,
    caPem: certificates?.caPem ?? '',
    calls,
    get connections() {
      return state.connections;
    },
    meddle: (meddler) => {
      state.meddler = meddler;
    },
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Does a deed. @returns whether the request is over with it. */
async function isDone(deed: Deed | undefined, response: http.ServerResponse): Promise<boolean> {
  switch (deed?.kind) {
    case undefined:
      return false;
    case 'reset':
      response.socket?.resetAndDestroy();
      return true;
    case 'hang':
      return true;
    case 'wait':
      await sleep(deed.ms);
      return false;
    case 'answer':
      response.writeHead(deed.status, { 'content-type': 'application/json', ...deed.headers }).end(deed.body ?? '');
      return true;
  }
}

function forward(url: URL, agent: http.Agent, { method, headers }: http.IncomingMessage, body: Buffer) {
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
    const { host: _, 'transfer-encoding': __, ...kept } = headers;
    const call = request(
      url,
      { agent, method, headers: { ...kept, 'content-length': String(body.byteLength) } },
      (reply) => {
        const { 'transfer-encoding': ___, 'content-length': ____, ...replyHeaders } = reply.headers;
        buffer(reply).then(
          (content) => resolve({ status: reply.statusCode ?? 502, headers: replyHeaders, body: content }),
          reject,
        );
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}
