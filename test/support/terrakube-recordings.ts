/**
 * Exchanges recorded from a real Terrakube 2.33, under test/fixtures/terrakube, made comparable: ids replaced, dates and texts that
 * differ from run to run masked, and lists put in one order where Terrakube's own order is arbitrary.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { Command } from '../../local/terrakube/world.ts';
import type { Answered, Sent } from './terrakube-http.ts';

/** Ids of the recording, and what to put in their place. */
export type Ids = Readonly<Record<string, string>>;

/** A recorded exchange. */
export interface Recording {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
  readonly response: Answered;
}

const HeadersSchema = v.record(v.string(), v.string());
const RecordingSchema: v.GenericSchema<unknown, Recording> = v.object({
  request: v.object({ method: v.string(), path: v.string(), headers: HeadersSchema, body: v.unknown() }),
  response: v.object({ status: v.number(), headers: HeadersSchema, body: v.unknown() }),
});

/** The headers that a client can tell apart; the rest says nothing about the exchange. */
const HEADERS_THAT_MATTER = [
  'content-type',
  'www-authenticate',
  'accept',
  'accept-patch',
  'connection',
  'x-frame-options',
];

/** Values that differ from run to run, by key, with the form that they must have. */
const MASKS: Readonly<Record<string, RegExp>> = {
  createdDate: /^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/,
  updatedDate: /^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/,
  timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$/,
  tcl: /^[\w+/]+=*$/,
};

/** Reads a fixture as JSON. */
function readFixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/terrakube/${name}.json`, import.meta.url), 'utf8'));
}

/** Reads the fixture of an exchange. */
export function readRecording(name: string): Recording {
  return v.parse(RecordingSchema, readFixture(name));
}

/** The recorded request with other ids and another token. */
export function replayed({ request }: Recording, ids: Ids, token: string | undefined): Sent {
  const { Authorization: _, ...headers } = request.headers;
  return {
    method: request.method,
    path: replaceIds(request.path, ids),
    headers: token === undefined ? headers : { ...headers, Authorization: `Bearer ${token}` },
    body: replaceAll(request.body, ids),
  };
}

/** The recorded response, comparable with {@link comparable} of a live one. */
export function expected({ response }: Recording, ids: Ids): Answered {
  return comparable({ ...response, body: replaceAll(response.body, ids) });
}

/** A response without what differs from run to run. */
export function comparable({ status, headers, body }: Answered): Answered {
  const kept = HEADERS_THAT_MATTER.flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[name, value.replace(/\d{4}-\d\d-\d\dT[\d:]+Z/, '<instant>')]];
  });
  return { status, headers: Object.fromEntries(kept), body: mask(body) };
}

function replaceIds(text: string, ids: Ids): string {
  return Object.entries(ids).reduce((done, [recorded, live]) => {
    if (done === recorded) return live;
    const isNumber = /^\d+$/.test(recorded);
    const found = isNumber ? new RegExp(`(?<=/job/)${recorded}\\b`, 'g') : new RegExp(recorded, 'g');
    return done.replace(found, live);
  }, text);
}

function replaceAll(value: unknown, ids: Ids): unknown {
  if (typeof value === 'string') return replaceIds(value, ids);
  if (typeof value === 'number') return Number(ids[String(value)] ?? value);
  return walk(value, (inner) => replaceAll(inner, ids));
}

function mask(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mask).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  return walk(value, mask, (key, inner) => {
    const form = MASKS[key];
    return form !== undefined && typeof inner === 'string' && form.test(inner) ? `<${key}>` : undefined;
  });
}

function sortKey(value: unknown): string {
  return typeof value === 'object' && value !== null && 'id' in value ? String(value.id) : JSON.stringify(value);
}

function walk(
  value: unknown,
  step: (inner: unknown) => unknown,
  replace: (key: string, inner: unknown) => unknown = () => undefined,
): unknown {
  if (Array.isArray(value)) return value.map(step);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replace(key, inner) ?? step(inner)]));
}

/** A recorded dispatch POST. */
export interface RecordedDispatch {
  readonly path: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  /** The body with its keys in their order. */
  readonly text: string;
  readonly body: RecordedPayload;
}

/** What a test needs to have the same payload made again. */
interface RecordedPayload {
  readonly type: string;
  readonly workspaceId: string;
  readonly commandList: readonly Command[] | null;
  readonly onFailureList: readonly Command[] | null;
  readonly environmentVariables: Record<string, string>;
  readonly variables: Record<string, string>;
}

const CommandSchema: v.GenericSchema<unknown, Command> = v.object({
  runtime: v.picklist(['BASH', 'GROOVY']),
  script: v.string(),
  priority: v.number(),
  before: v.boolean(),
  after: v.boolean(),
  verbose: v.boolean(),
  beforeInit: v.boolean(),
});

const DispatchSchema = v.object({
  request: v.object({
    path: v.string(),
    httpVersion: v.string(),
    rawHeaders: v.array(v.string()),
    jwt: v.object({ payload: v.record(v.string(), v.unknown()) }),
    body: v.unknown(),
  }),
});

const PayloadSchema: v.GenericSchema<unknown, RecordedPayload> = v.object({
  type: v.string(),
  workspaceId: v.string(),
  commandList: v.nullable(v.array(CommandSchema)),
  onFailureList: v.nullable(v.array(CommandSchema)),
  environmentVariables: v.record(v.string(), v.string()),
  variables: v.record(v.string(), v.string()),
});

/** Reads the fixture of a dispatch POST. */
export function readDispatch(name: string): RecordedDispatch {
  const { path, httpVersion, rawHeaders, jwt, body } = v.parse(DispatchSchema, readFixture(name)).request;
  const text = JSON.stringify(body);
  return { path, httpVersion, rawHeaders, claims: jwt.payload, text, body: v.parse(PayloadSchema, body) };
}

/** What became of a job after one answer to its dispatch POST. */
export interface RecordedVerdict {
  readonly job: string;
  readonly step: string;
  readonly stepName: string;
  readonly sends: number;
  readonly output: string | null;
}

/** Reads the table of answers; the one case without an answer has no `step`. */
export function readAnswerTable(): Readonly<Record<string, RecordedVerdict>> {
  const text = v.fallback(v.string(), '');
  const verdict: v.GenericSchema<unknown, RecordedVerdict> = v.object({
    job: text,
    step: text,
    stepName: text,
    sends: v.fallback(v.number(), 0),
    output: v.fallback(v.nullable(v.string()), null),
  });
  return v.parse(v.record(v.string(), verdict), readFixture('response_matrix'));
}
