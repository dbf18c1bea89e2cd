/** A plain client of a Kubernetes API for tests: whole answers, and watches as events that can be waited for. */

import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';
import { isObject, type Json, type JsonObject } from '../../local/json.ts';

/** Where a cluster is, and who asks. */
export interface ClusterAddress {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

/** A whole answer. */
export interface ClusterAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Json;
}

/** One line of a watch. */
export interface WatchEvent {
  readonly type: string;
  readonly object: JsonObject;
}

/** An open watch. */
export interface OpenWatch {
  readonly status: number;
  /** Everything that came so far. */
  readonly events: readonly WatchEvent[];
  /** Waits for an event; events that came before count as well. */
  until(wanted: (event: WatchEvent) => boolean): Promise<WatchEvent>;
  /** Resolves when the server ends the watch. */
  readonly ended: Promise<void>;
  close(): void;
}

/** What a request may carry. */
interface RequestParts {
  readonly body?: Json | undefined;
  readonly contentType?: string;
  /** Media type that is wanted. */
  readonly accept?: string;
  readonly token?: string | undefined;
}

/** The client. */
export interface ClusterClient {
  send(method: string, path: string, parts?: RequestParts): Promise<ClusterAnswer>;
  watch(path: string): Promise<OpenWatch>;
  close(): void;
}

/** A control plane that serves many tests at once on a busy machine takes its time. */
const patienceMs = 40_000;

/** Creates a client with a connection pool of its own. */
export function createClusterClient(address: ClusterAddress): ClusterClient {
  const agent = new Agent({ keepAlive: true, ca: address.caPem });

  function open(method: string, path: string, parts: RequestParts): Promise<IncomingMessage> {
    const token = 'token' in parts ? parts.token : address.token;
    const body = parts.body === undefined ? undefined : JSON.stringify(parts.body);
    return new Promise((resolve, reject) => {
      const headers = {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(parts.accept === undefined ? {} : { Accept: parts.accept }),
        ...(body === undefined ? {} : { 'Content-Type': parts.contentType ?? 'application/json' }),
        // Without it, Node sends the body of a DELETE in no framing at all.
        ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }),
      };
      request(new URL(path, address.url), { method, agent, headers }, resolve).on('error', reject).end(body);
    });
  }

  return {
    send: async (method, path, parts = {}) => {
      const response = await open(method, path, parts);
      const { statusCode: status = 0, headers } = response;
      const text = await textOf(response);
      const isJson = headers['content-type']?.startsWith('application/json') ?? false;
      return { status, headers, body: isJson && text !== '' ? JSON.parse(text) : text };
    },
    watch: async (path) => follow(await open('GET', path, {})),
    close: () => agent.destroy(),
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function follow(response: IncomingMessage): OpenWatch {
  const events: WatchEvent[] = [];
  const waiting = new Set<() => void>();
  const lines = createInterface({ input: response });
  // A connection that breaks ends the watch; readline passes the response's error on.
  for (const source of [response, lines]) source.on('error', () => undefined);
  lines.on('line', (line) => {
    const event: Json = JSON.parse(line);
    if (isObject(event))
      events.push({ type: String(event['type']), object: isObject(event['object']) ? event['object'] : {} });
    for (const look of waiting) look();
  });
  return {
    status: response.statusCode ?? 0,
    events,
    until: (wanted) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`The event did not come; seen: ${events.map((event) => event.type).join(', ')}`));
        }, patienceMs);
        const look = (): void => {
          const found = events.find(wanted);
          if (found === undefined) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    ended: new Promise((resolve) => lines.on('close', resolve)),
    close: () => response.destroy(),
  };
}
