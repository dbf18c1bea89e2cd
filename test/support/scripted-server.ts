/**
 * A real HTTP or HTTPS server on 127.0.0.1 that answers as a test says, or breaks the connection, and remembers what it
 * was asked.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Certificates } from '../../local/cluster/certificates.ts';
import { listen } from '../../local/lambda/listen.ts';

/** A request as it arrived. */
export interface SeenCall {
  readonly method: string;
  /** With its query, as it was on the wire. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** 1 for the first connection that the server accepted, and so on. */
  readonly connection: number;
}

/** An answer, or what happens instead of one: the connection is broken, or nothing comes. */
export type Reply =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** An object is sent as JSON; text and bytes as they are. */
      readonly body?: string | Buffer | object;
    }
  | 'reset'
  | 'silence'
  /** A byte now and then, for ever. */
  | 'drip';

/** Decides about one request. */
export type Script = (call: SeenCall) => Reply | Promise<Reply>;

/** The server, running. */
export interface ScriptedServer {
  readonly url: string;
  readonly seen: readonly SeenCall[];
  /** Connections that were accepted; for HTTPS, after their handshake. */
  readonly connections: number;
  /** Gives the following requests another script. */
  script(next: Script): void;
  /** Ends the idle connections, and waits until the client must have seen it. */
  closeIdle(): Promise<void>;
  close(): Promise<void>;
}

/** Long enough that no test sees a connection closed by it. */
const KEEP_ALIVE_MS = 120_000;

/** Starts a server: HTTPS with these certificates, else HTTP. */
export async function startScriptedServer(first: Script, certificates?: Certificates): Promise<ScriptedServer> {
  const seen: SeenCall[] = [];
  const numbers = new WeakMap<Socket, number>();
  let connections = 0;
  let script = first;
  const server = certificates
    ? createTlsServer({ cert: certificates.certificatePem, key: certificates.keyPem })
    : createServer();
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on(certificates ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections += 1;
    numbers.set(socket, connections);
  });
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers, socket } = request;
    const body = Buffer.concat(await request.toArray()).toString('utf8');
    const call = { method, path: url, headers, body, connection: numbers.get(socket) ?? 0 };
    seen.push(call);
    write(response, await script(call));
  });
  const port = await listen(server);
  return {
    url: `${certificates ? 'https' : 'http'}://127.0.0.1:${port}`,
    seen,
    get connections() {
      return connections;
    },
    script(next) {
      script = next;
    },
    async closeIdle() {
      server.closeIdleConnections();
      await new Promise((resolve) => setTimeout(resolve, 50));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function write(response: ServerResponse, reply: Reply): void {
  if (reply === 'silence') return;
  if (reply === 'drip') {
    response.writeHead(200);
    const drops = setInterval(() => response.write('.'), 30);
    response.on('close', () => clearInterval(drops));
    return;
  }
  if (reply === 'reset') {
    response.destroy();
    return;
  }
  const { status, headers = {}, body = '' } = reply;
  const isObject = typeof body === 'object' && !Buffer.isBuffer(body);
  const bytes = isObject ? JSON.stringify(body) : body;
  response.writeHead(status, { ...(isObject ? { 'content-type': 'application/json' } : {}), ...headers });
  response.end(status === 204 ? undefined : bytes);
}
