/**
 * The HTTP side of the stand-in cluster: who asks, for what, and how the answer looks on the wire.
 */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isObject, type Json, type JsonObject, mergePatch, numberAt, objectAt, textAt, without } from '../json.ts';
import type { Lister } from './list.ts';
import { type ClusterObject, jobs, type Resource } from './objects.ts';
import type { DeleteOptions, Operations, Target } from './operations.ts';
import { parseRoute, type Route } from './routes.ts';
import {
  anonymous,
  badRequest,
  deleted,
  internalError,
  Refusal,
  tooLarge,
  unauthorized,
  unsupportedMediaType,
} from './statuses.ts';
import type { Store } from './store.ts';
import { serveWatch } from './watch.ts';

/** What the handler works with. */
export interface HandlerOptions {
  readonly store: Store;
  readonly operations: Operations;
  readonly lister: Lister;
  /** The user behind a bearer token; undefined is answered 401. */
  authenticate(token: string): Promise<string | undefined>;
}

/** An answer that fits into one body. */
export interface Answer {
  readonly status: number;
  readonly body: string | object;
  readonly headers?: OutgoingHttpHeaders;
}

/** Handles requests. */
export interface Handler {
  /** The answer; undefined when the request was a watch, which writes to the response by itself. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined>;
  /** Ends all watches. */
  endWatches(): void;
}

/** Bytes that the server reads of a body. */
const maxBodyBytes = 3 * 1024 * 1024;

const objectTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const patchTypes = ['application/merge-patch+json', 'application/strategic-merge-patch+json'];

/** Part of the media type that asks for no more of an object than its metadata. */
const metadataOnly = ';as=PartialObjectMetadata;';

const orphanWarning =
  '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or ' +
  'set propagationPolicy=Orphan to suppress this warning"';

/** Creates the handler. */
export function createHandler(options: HandlerOptions): Handler {
  const watches = new Set<() => void>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const url = new URL(request.url ?? '/', 'https://cluster');
    if (['/readyz', '/livez', '/healthz'].includes(url.pathname)) return { status: 200, body: 'ok' };
    const text = await readBody(request);
    const route = parseRoute(request.method ?? 'GET', url);
    await authorize(request, route, options);
    if (route.verb === 'watch') {
      const { resource, namespace } = route;
      const end = serveWatch(options.store, { resource, namespace, query: url.searchParams }, response);
      watches.add(end);
      response.on('close', () => watches.delete(end));
      return undefined;
    }
    const contentType = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
    const answer = perform(options, route, { query: url.searchParams, contentType, text });
    const isOfObject = route.verb === 'get' || route.verb === 'create';
    return isOfObject && request.headers.accept?.includes(metadataOnly) ? withMetadataOnly(answer) : answer;
  }

  return {
    answer: async (request, response) => {
      try {
        return await handle(request, response);
      } catch (error) {
        if (error instanceof Refusal) return { status: error.code, body: error.body };
        if (request.destroyed) return undefined;
        const fault = internalError(error);
        return { status: fault.code, body: fault.body };
      }
    },
    endWatches: () => {
      for (const end of watches) end();
    },
  };
}

/** Writes an answer as an API server does. */
export function writeAnswer(response: ServerResponse, answer: Answer): void {
  const isText = typeof answer.body === 'string';
  const body = isText ? String(answer.body) : JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    'Audit-Id': randomUUID(),
    'Cache-Control': 'no-cache, private',
    'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/json',
    ...answer.headers,
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

interface Request {
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly text: string;
}

async function authorize(request: IncomingMessage, route: Route, options: HandlerOptions): Promise<void> {
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) throw anonymous(route.resource, route.verb, route.namespace);
  if ((await options.authenticate(token)) === undefined) throw unauthorized();
}

function perform(options: HandlerOptions, route: Route, request: Request): Answer {
  const { operations, lister } = options;
  const { resource, namespace } = route;
  const target: Target = { resource, namespace, name: route.name };
  const dryRun = request.query.getAll('dryRun').includes('All');
  const part = route.subresource === 'status' ? 'status' : 'object';
  switch (route.verb) {
    case 'list':
      return { status: 200, body: lister.list(resource, namespace, request.query) };
    case 'get':
    case 'watch':
      return { status: 200, body: operations.get(target) };
    case 'create':
      return route.subresource === 'binding' ? bind(operations, target, request) : create(operations, target, request);
    case 'update': {
      const wanted = parseObject(request, resource);
      return wire(operations.update(target, { part, dryRun, change: () => wanted }));
    }
    case 'patch': {
      const patch = parsePatch(request);
      const change = (current: ClusterObject): JsonObject => objectAt(mergePatch(current, patch));
      return wire(operations.update(target, { part, dryRun, change }));
    }
    case 'delete':
      return remove(operations, target, request);
  }
}

function create(operations: Operations, target: Target, request: Request): Answer {
  const { resource, namespace } = target;
  const body = parseObject(request, resource);
  const named = textAt(body, 'metadata', 'namespace') ?? namespace;
  if (named !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const dryRun = request.query.getAll('dryRun').includes('All');
  return { ...wire(operations.create({ resource, namespace }, body, dryRun)), status: 201 };
}

function bind(operations: Operations, target: Target, request: Request): Answer {
  const binding = parseJson(request.text, 'Binding');
  if (textAt(binding, 'metadata', 'name') !== target.name) {
    throw badRequest('name in URL does not match name in Binding object');
  }
  operations.bind(target, textAt(binding, 'target', 'name') ?? '');
  return { status: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } };
}

function remove(operations: Operations, target: Target, request: Request): Answer {
  const body = request.text === '' ? {} : parseJson(request.text, 'DeleteOptions');
  const grace = request.query.get('gracePeriodSeconds');
  const wanted: DeleteOptions = {
    propagationPolicy: textAt(body, 'propagationPolicy') ?? request.query.get('propagationPolicy') ?? undefined,
    gracePeriodSeconds: numberAt(body, 'gracePeriodSeconds') ?? (grace === null ? undefined : Number(grace)),
    uid: textAt(body, 'preconditions', 'uid'),
    resourceVersion: textAt(body, 'preconditions', 'resourceVersion'),
  };
  const dryRun = [...request.query.getAll('dryRun'), ...listOfTexts(objectAt(body)['dryRun'])].includes('All');
  const { object, gone } = operations.remove(target, wanted, dryRun);
  const { resource, name } = target;
  const warned = resource === jobs && wanted.propagationPolicy === undefined;
  const headers = warned ? { Warning: orphanWarning } : {};
  if (!gone || resource.kind === 'Pod') return { status: 200, headers, body: object };
  return { status: 200, headers, body: deleted(resource, name, object.metadata.uid) };
}

function withMetadataOnly({ status, body }: Answer): Answer {
  const metadata = typeof body === 'object' && 'metadata' in body ? body.metadata : {};
  return { status, body: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata } };
}

/** An object that was not stored (dry run) has no version. */
function wire(object: ClusterObject): Answer {
  const { metadata } = object;
  return { status: 200, body: metadata.resourceVersion === '' ? { ...object, metadata: unversioned(object) } : object };
}

function unversioned(object: ClusterObject): JsonObject {
  return without(object.metadata, 'resourceVersion');
}

function parseObject(request: Request, resource: Resource): JsonObject {
  const { contentType, text } = request;
  if (contentType !== '' && contentType !== 'application/json') throw unsupportedMediaType(objectTypes);
  const body = parseJson(text, resource.kind);
  const kind = textAt(body, 'kind') ?? resource.kind;
  if (kind !== resource.kind) {
    const version = resource.apiVersion.split('/').at(-1);
    const from = `${textAt(body, 'apiVersion')?.split('/').at(-1)}.${kind}`;
    const to = `${resource.group === '' ? 'core' : resource.group}.${resource.kind}`;
    throw badRequest(
      `${kind} in version "${version}" cannot be handled as a ${resource.kind}: converting (${from}) to (${to}): unknown conversion`,
    );
  }
  return body;
}

function parsePatch(request: Request): JsonObject {
  if (!patchTypes.includes(request.contentType)) throw unsupportedMediaType(patchTypes);
  return parseJson(request.text, 'patch');
}

function parseJson(text: string, kind: string): JsonObject {
  let parsed: Json;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error`,
    );
  }
  if (!isObject(parsed)) throw badRequest(`the object provided is unrecognized (must be of type ${kind})`);
  return parsed;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= maxBodyBytes) chunks.push(chunk);
  }
  if (size > maxBodyBytes) throw tooLarge(maxBodyBytes);
  return Buffer.concat(chunks).toString('utf8');
}

function listOfTexts(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
