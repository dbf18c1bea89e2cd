/**
 * The HTTP side of the stand-in: bytes in, bytes out, with the headers of Spring Security and Tomcat.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiResponse, Refusal } from './errors.ts';
import type { Faults } from './faults.ts';
import type { ApiRequest } from './routes.ts';

/** A request that was answered. */
export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** 0 when the connection was ended without an answer. */
  readonly status: number;
}

/** What the server needs. */
export interface ServerOptions {
  readonly answer: (request: ApiRequest) => Promise<ApiResponse>;
  readonly faults: Faults;
  readonly seen: (request: SeenRequest) => void;
}

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  vary: 'Access-Control-Request-Headers',
  'x-content-type-options': 'nosniff',
  'x-xss-protection': '0',
  'cache-control': 'no-cache, no-store, max-age=0, must-revalidate',
  pragma: 'no-cache',
  expires: '0',
  'x-frame-options': 'DENY',
};

/** Makes a server that does not listen yet. */
export function createApiServer({ answer, faults, seen }: ServerOptions): Server {
  return createServer(async (incoming, outgoing) => {
    const { method = '', url = '/' } = incoming;
    const { pathname, searchParams } = new URL(url, 'http://terrakube');
    const body = await readBody(incoming);
    if (body === undefined) return;
    const fault = faults.take(method, pathname);
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs);
    if (fault?.drop === true) {
      seen({ method, path: url, status: 0 });
      incoming.socket.destroy();
      return;
    }
    const response = fault ?? (await answerOrRefuse(answer, toApiRequest(incoming, { pathname, searchParams, body })));
    seen({ method, path: url, status: response.status });
    write(outgoing, response);
  });
}

async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  } catch {
    return undefined; // the client went away
  }
  return Buffer.concat(chunks).toString();
}

function toApiRequest(
  incoming: IncomingMessage,
  parts: { readonly pathname: string; readonly searchParams: URLSearchParams; readonly body: string },
): ApiRequest {
  const { accept, authorization, 'content-type': contentType } = incoming.headers;
  return {
    method: incoming.method ?? '',
    path: decodeURIComponent(parts.pathname),
    parameters: parts.searchParams,
    body: parts.body,
    ...(accept === undefined ? {} : { accept }),
    ...(authorization === undefined ? {} : { authorization }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

async function answerOrRefuse(answer: ServerOptions['answer'], request: ApiRequest): Promise<ApiResponse> {
  try {
    return await answer(request);
  } catch (error) {
    if (error instanceof Refusal) return error.response;
    throw error;
  }
}

function write(outgoing: ServerResponse, { status, headers = {}, body }: ApiResponse): void {
  const bytes = Buffer.from(typeof body === 'object' ? JSON.stringify(body) : (body ?? ''));
  outgoing.statusCode = status;
  outgoing.removeHeader('connection'); // Tomcat sends none unless it closes
  for (const [name, value] of Object.entries({ ...SECURITY_HEADERS, ...headers })) outgoing.setHeader(name, value);
  if (status === 204) {
    outgoing.end();
    return;
  }
  if (!outgoing.hasHeader('transfer-encoding')) outgoing.setHeader('content-length', bytes.length);
  outgoing.end(bytes);
}
