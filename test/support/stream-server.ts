/** An HTTPS server on 127.0.0.1 whose answers are streams that a test writes by hand. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Certificates } from '../../local/cluster/certificates.ts';
import { listen } from '../../local/lambda/listen.ts';

/** A request, and its answer as a test makes it. */
export interface StreamedCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Begins an answer. */
  begin(status?: number, headers?: Readonly<Record<string, string>>): void;
  /** Sends text or bytes, in a packet of their own. */
  write(part: string | Buffer): Promise<void>;
  end(): void;
  /** Breaks the connection off, in the middle of the answer. */
  reset(): void;
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
}

/** The server. */
export interface StreamServer {
  readonly url: string;
  /** How many requests came. */
  readonly calls: number;
  /** The next request, as soon as it is there. */
  next(): Promise<StreamedCall>;
  close(): Promise<void>;
}

/** Starts a server. */
export async function startStreamServer(certificates: Certificates): Promise<StreamServer> {
  const arrived: StreamedCall[] = [];
  const waiting: ((call: StreamedCall) => void)[] = [];
  let calls = 0;
  const server = createServer(
    { cert: certificates.certificatePem, key: certificates.keyPem },
    ({ url: path = '', headers }, response) => {
      calls += 1;
      const call = streamedCall(path, headers, response);
      const taker = waiting.shift();
      if (taker) taker(call);
      else arrived.push(call);
    },
  );
  const port = await listen(server);
  return {
    url: `https://127.0.0.1:${port}`,
    get calls() {
      return calls;
    },
    next() {
      const call = arrived.shift();
      return call ? Promise.resolve(call) : new Promise((resolve) => waiting.push(resolve));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function streamedCall(path: string, headers: IncomingHttpHeaders, response: ServerResponse): StreamedCall {
  return {
    path,
    headers,
    begin(status = 200, more = {}) {
      response.writeHead(status, { 'Content-Type': 'application/json', ...more });
      response.flushHeaders();
    },
    // Two writes without a pause may arrive as one.
    write: (part) => new Promise((resolve) => response.write(part, () => setTimeout(resolve, 5))),
    end: () => void response.end(),
    reset: () => void response.socket?.destroy(),
    closed: new Promise((resolve) => response.on('close', () => resolve())),
  };
}
