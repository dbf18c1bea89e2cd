/**
 * The JSON:API of jobs and steps under `/api/v1`: which resource a path names, and what a GET, a PATCH and a DELETE do with it.
 */
import * as v from 'valibot';
import type { JobChanges } from './changes.ts';
import { type Document, jobResource, type Resource, stepResource } from './documents.ts';
import { type ApiResponse, invalidValue, JSON_API, notModelled, refuse, unknownIdentifier } from './errors.ts';
import { parseFilter, parseSelector, type Row } from './filters.ts';
import { cutPage, parseQuery, type Query } from './query.ts';
import type { Job, Step, World } from './world.ts';

/** A request that may enter. */
export interface JsonApiRequest {
  readonly method: string;
  /** The path below `/api/v1`, split at its slashes. */
  readonly segments: readonly string[];
  readonly parameters: URLSearchParams;
  readonly body: string;
  /** Who asks. */
  readonly by: string | undefined;
}

type Target = { readonly job: Job; readonly step?: Step };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const PatchBody = v.object({
  data: v.object({
    type: v.string(),
    id: v.union([v.string(), v.number()]),
    attributes: v.optional(v.record(v.string(), v.unknown()), {}),
  }),
});

/** Answers requests for jobs and steps. @throws Refusal for everything that the real API refuses. */
export function createJsonApi(
  world: World,
  changes: JobChanges,
): (request: JsonApiRequest) => ApiResponse | Promise<ApiResponse> {
  return (request) => {
    const { method, segments } = request;
    const [collection, id] = segments;
    if (collection === 'step' && id === undefined && method === 'GET') return listSteps(world, request);
    if (collection === 'organization' && segments.length === 3 && segments[2] === 'job' && method === 'GET') {
      return listJobs(world, request);
    }
    const target = collection === 'step' ? findStep(world, id ?? '') : findByOrganization(world, segments);
    if (method === 'GET') return ok(read(target, parseQuery(request.parameters)));
    if (method === 'PATCH') return patch(changes, request, target);
    if (method === 'DELETE' && target.step === undefined) return remove(changes, target.job);
    throw notModelled(`${method} /${segments.join('/')}`);
  };
}

function findStep(world: World, stepId: string): Target {
  for (const job of world.jobs()) {
    const step = job.steps.find((candidate) => candidate.stepId === stepId);
    if (step !== undefined) return { job, step };
  }
  throw UUID.test(stepId) ? unknownIdentifier(stepId, 'step') : invalidValue(stepId);
}

function findByOrganization(world: World, segments: readonly string[]): Target {
  const [collection = '', organizationId, jobs, jobId = '', steps, stepId, ...rest] = segments;
  if (collection !== 'organization') throw refuse(404, `Unknown collection ${collection}`);
  const isModelled = jobs === 'job' && (steps === undefined || (steps === 'step' && stepId !== undefined));
  if (organizationId === undefined || !isModelled || rest.length > 0) throw notModelled(`/${segments.join('/')}`);
  checkOrganization(world, organizationId);
  if (!/^\d+$/.test(jobId)) throw invalidValue(jobId);
  const job = world.findJob(Number(jobId));
  if (job?.organizationId !== organizationId) throw unknownIdentifier(jobId, 'job');
  if (stepId === undefined) return { job };
  const step = job.steps.find((candidate) => candidate.stepId === stepId);
  if (step !== undefined) return { job, step };
  throw UUID.test(stepId) ? unknownIdentifier(stepId, 'step') : invalidValue(stepId);
}

function checkOrganization(world: World, organizationId: string): void {
  if (!UUID.test(organizationId)) throw invalidValue(organizationId);
  if (!world.organizations.has(organizationId)) {
    throw refuse(404, `Unknown identifier ${organizationId} for organization`); // no brackets, as recorded
  }
}

function ok(body: Document): ApiResponse {
  return { status: 200, headers: { 'content-type': JSON_API }, body };
}

function read({ job, step }: Target, query: Query): Document {
  if (step === undefined) {
    // Terrakube's order of included steps is arbitrary; the stand-in keeps its readers from relying on one.
    const include = (): readonly Resource[] => stepsOf(job, query).toReversed();
    return { data: jobResource(job, query.fields('job')), ...included(query, 'step', include) };
  }
  const include = (): readonly Resource[] => [jobResource(job, query.fields('job'))];
  return { data: stepResource(job, step, query.fields('step')), ...included(query, 'job', include) };
}

function stepsOf(job: Job, query: Query): readonly Resource[] {
  return job.steps.map((step) => stepResource(job, step, query.fields('step')));
}

function included(
  query: Query,
  known: string,
  include: () => readonly Resource[],
): { readonly included?: readonly Resource[] } {
  const strange = query.include.find((name) => name !== known);
  if (strange !== undefined) throw notModelled(`include=${strange}`);
  return query.include.length === 0 ? {} : { included: include() };
}

function listSteps(world: World, request: JsonApiRequest): ApiResponse {
  const query = parseQuery(request.parameters);
  const all: Row[] = world.jobs().flatMap((job) => job.steps.map((step) => ({ job, step })));
  const { rows, meta } = cutPage(sort(filter(all, query, 'step'), query), query.page);
  const jobs = [...new Set(rows.map(({ job }) => job))];
  return ok({
    data: rows.flatMap(({ job, step }) => (step === undefined ? [] : [stepResource(job, step, query.fields('step'))])),
    ...(meta === undefined ? {} : { meta }),
    ...included(query, 'job', () => jobs.map((job) => jobResource(job, query.fields('job')))),
  });
}

function listJobs(world: World, request: JsonApiRequest): ApiResponse {
  const query = parseQuery(request.parameters);
  const organizationId = request.segments[1] ?? '';
  checkOrganization(world, organizationId);
  if (query.page.isAsked) throw refuse(400, 'Cannot paginate job');
  const all: Row[] = world.jobs().flatMap((job) => (job.organizationId === organizationId ? [{ job }] : []));
  const jobs = filter(all, query, 'job').map(({ job }) => job);
  return ok({
    data: jobs.map((job) => jobResource(job, query.fields('job'))),
    ...included(query, 'step', () => jobs.flatMap((job) => stepsOf(job, query))),
  });
}

/** A collection below an organisation silently ignores a plain `filter=`, as recorded; the root collection reads it. */
function filter(rows: readonly Row[], { parameters }: Query, type: 'job' | 'step'): readonly Row[] {
  const parameter = parameters.has(`filter[${type}]`) || type === 'job' ? `filter[${type}]` : 'filter';
  const text = parameters.get(parameter);
  return text === null ? rows : rows.filter(parseFilter(text, { parameter, type }));
}

function sort(rows: readonly Row[], { parameters }: Query): readonly Row[] {
  const keys = (parameters.get('sort') ?? '').split(',').filter((key) => key !== '');
  return keys.reduceRight<readonly Row[]>((sorted, key) => {
    const isDown = key.startsWith('-');
    const select = parseSelector(isDown ? key.slice(1) : key, 'step', (detail) => refuse(400, detail));
    return sorted.toSorted((a, b) => {
      const [x, y] = [select(a) ?? '', select(b) ?? ''];
      return (x < y ? -1 : x > y ? 1 : 0) * (isDown ? -1 : 1);
    });
  }, rows);
}

async function patch(changes: JobChanges, request: JsonApiRequest, { job, step }: Target): Promise<ApiResponse> {
  const { data } = parseBody(request.body);
  if (String(data.id) !== (step?.stepId ?? String(job.id))) {
    const detail = 'Id in response body does not match requested id to update from path';
    throw refuse(400, `Bad Request Body&#39;${detail}&#39;`);
  }
  if (step === undefined) await changes.patchJob(job, { attributes: data.attributes, by: request.by });
  else changes.patchStep(job, step, data.attributes);
  return { status: 204 };
}

async function remove(changes: JobChanges, job: Job): Promise<ApiResponse> {
  await changes.deleteJob(job);
  return { status: 204 };
}

function parseBody(text: string): v.InferOutput<typeof PatchBody> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse(400, 'Unexpected end-of-input within/between Object entries');
  }
  const parsed = v.safeParse(PatchBody, value);
  if (!parsed.success) throw notModelled('a PATCH whose body is not a JSON:API document');
  return parsed.output;
}
