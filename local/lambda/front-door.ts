/**
 * The HTTP front of intake: a REST API with the gateway responses of template.yaml, or a Function URL. The difference
 * matters: Terrakube sends a job again after 503 only, and a Function URL cannot turn its own 429 and 502 into one.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { listen } from './listen.ts';
import {
  functionUrlAnswer,
  functionUrlEvent,
  type HttpAnswer,
  type HttpRequest,
  restApiAnswer,
  restApiEvent,
} from './proxy-event.ts';
import type { InvokeResult } from './sandbox.ts';

/** How the front door is set up. */
export interface FrontDoorOptions {
  /** Invokes intake. */
  readonly invoke: (event: unknown) => Promise<InvokeResult>;
  /** Default is a free port. */
  readonly port?: number;
  /** Address to listen on. Default is `127.0.0.1`. */
  readonly host?: string;
  /** Default is `rest-api`. */
  readonly form?: 'rest-api' | 'function-url';
  /** Stage of the REST API. Default is `v1`, as in template.yaml. */
  readonly stage?: string;
  /** Give every body as base64 (binary media types `*` + `/*`). Default is false. */
  readonly binary?: boolean;
  /** How long the REST API waits for intake. Default is 29000 (29 s), API Gateway's own limit. */
  readonly integrationTimeoutMs?: number;
}

/** An HTTP server that is up. */
export interface FrontDoor {
  /** What to put into Terrakube, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the front door. */
export async function startFrontDoor(options: FrontDoorOptions): Promise<FrontDoor> {
  const { form = 'rest-api', stage = 'v1', host = '127.0.0.1' } = options;
  const server = createServer((request, response) => {
    answerOne(request, response, options).catch(() => response.destroy()); // the caller went away
  });
  const port = await listen(server, options.port, host);
  return {
    url: `http://${reachable(host)}:${port}${form === 'rest-api' ? `/${stage}` : ''}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** How others write the address that is listened on; of all addresses, one that other machines reach. */
function reachable(host: string): string {
  const isAny = host === '0.0.0.0' || host === '::';
  const others = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const address = isAny ? others.find(({ internal, family }) => !internal && family === 'IPv4')?.address : host;
  const found = address ?? '127.0.0.1';
  return isIPv6(found) ? `[${found}]` : found;
}

async function answerOne(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: FrontDoorOptions,
): Promise<void> {
  const request: HttpRequest = {
    method: incoming.method ?? 'GET',
    target: incoming.url ?? '/',
    rawHeaders: incoming.rawHeaders,
    body: await buffer(incoming),
    requestId: randomUUID(),
    receivedAt: new Date(),
  };
  const answer = options.form === 'function-url' ? await viaUrl(request, options) : await viaRestApi(request, options);
  response.writeHead(answer.status, {
    ...Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, [value].flat()])),
    'content-length': answer.body.length,
    'x-amzn-requestid': request.requestId,
  });
  response.end(answer.body);
}

async function viaRestApi(request: HttpRequest, options: FrontDoorOptions): Promise<HttpAnswer> {
  const { invoke, stage = 'v1', binary = false, integrationTimeoutMs = 29_000 } = options;
  if (!request.target.startsWith(`/${stage}/`) || request.target === `/${stage}/`) {
    return plain(403, { message: 'Missing Authentication Token' }); // how API Gateway says "no such route"
  }
  const event = restApiEvent({ ...request, target: request.target.slice(stage.length + 1) }, { stage, binary });
  const result = await within(integrationTimeoutMs, invoke(event));
  if (result === undefined) {
    return gatewayFault('Endpoint request timed out');
  }
  if (result.status !== 200 || result.functionError !== undefined) {
    return gatewayFault('Internal server error');
  }
  return restApiAnswer(result.payload, { binary }) ?? gatewayFault('Internal server error');
}

async function viaUrl(request: HttpRequest, { invoke, binary = false }: FrontDoorOptions): Promise<HttpAnswer> {
  const result = await invoke(functionUrlEvent(request, { binary }));
  if (result.status !== 200) {
    return plain(result.status, { Message: result.status === 429 ? 'Rate Exceeded.' : 'Internal Server Error' });
  }
  return result.functionError === undefined
    ? functionUrlAnswer(result.payload)
    : plain(502, { Message: 'Internal Server Error' });
}

/** Every fault of the gateway or of the function behind it reads 503: see GatewayResponses in template.yaml. */
function gatewayFault(message: string): HttpAnswer {
  return plain(503, { message });
}

function plain(status: number, body: object): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) };
}

async function within<T>(limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  const expired = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => expired.resolve(undefined), limitMs);
  try {
    return await Promise.race([promise, expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
