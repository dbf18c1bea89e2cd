/**
 * The few requests that a kubelet makes of an API server. It knows no Kubernetes client library, so that what the stand-in
 * cluster and a real one are asked is plain to see.
 */

import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { StringDecoder } from 'node:string_decoder';
import { isObject, type Json, type JsonObject } from '../json.ts';

/** An answer of the API server; `body` is an empty object where it was no JSON object. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

/** One line of a watch. */
export interface ApiEvent {
  readonly type: string;
  readonly object: JsonObject;
}

/** A connection to an API server. Every call rejects when the server cannot be reached. */
export interface ClusterApi {
  get(path: string): Promise<ApiAnswer>;
  post(path: string, body: JsonObject): Promise<ApiAnswer>;
  /** A merge patch, which a real server and the stand-in both take. */
  patch(path: string, body: JsonObject): Promise<ApiAnswer>;
  delete(path: string, body: JsonObject): Promise<ApiAnswer>;
  /** Calls `onEvent` for each line of a watch, and resolves with the HTTP status when it ends. */
  watch(path: string, onEvent: (event: ApiEvent) => void): Promise<number>;
  /** Breaks all connections. */
  close(): void;
}

/** Where the server is and who asks. */
export interface ClusterApiOptions {
  readonly server: string;
  readonly caPem: string;
  readonly token: string;
}

/** Creates the connection; it connects with the first call. */
export function createClusterApi(options: ClusterApiOptions): ClusterApi {
  const agent = new Agent({ keepAlive: true, ca: options.caPem });
  let closed = false;

  function open(method: string, path: string, body?: JsonObject): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = {
      Authorization: `Bearer ${options.token}`,
      Accept: 'application/json',
      ...(text === undefined ? {} : { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) }),
    };
    return new Promise((resolve, reject) => {
      if (closed) return reject(new Error('The connection was closed.'));
      const url = new URL(path, options.server);
      return request(url, { method, agent, headers }, resolve).on('error', reject).end(text);
    });
  }

  async function send(method: string, path: string, body?: JsonObject): Promise<ApiAnswer> {
    const response = await open(method, path, body);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString('utf8')) };
  }

  return {
    get: (path) => send('GET', path),
    post: (path, body) => send('POST', path, body),
    patch: (path, body) => send('PATCH', path, body),
    delete: (path, body) => send('DELETE', path, body),
    watch: async (path, onEvent) => {
      const response = await open('GET', path);
      for await (const line of linesOf(response)) {
        const { type, object } = parse(line);
        if (typeof type === 'string' && isObject(object)) onEvent({ type, object });
      }
      return response.statusCode ?? 0;
    },
    close: () => {
      closed = true;
      agent.destroy();
    },
  };
}

/** The lines of a response; unlike readline's, they end with an error when the connection breaks. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of response) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function parse(text: string): JsonObject {
  try {
    const parsed: Json = JSON.parse(text);
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}
