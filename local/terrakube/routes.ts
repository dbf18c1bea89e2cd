/**
 * Every path that the stand-in answers, with what Spring checks before the work: token, `Accept`, `Content-Type`.
 */
import * as v from 'valibot';
import { authenticate, type Credentials } from './auth.ts';
import type { JobChanges } from './changes.ts';
import { type ApiResponse, bootError, JSON_API, Refusal, refuse } from './errors.ts';
import type { InternalKey } from './internal-key.ts';
import { createJsonApi } from './json-api.ts';
import type { World } from './world.ts';

/** A request as it came. */
export interface ApiRequest extends Credentials {
  readonly parameters: URLSearchParams;
  readonly contentType?: string;
  readonly body: string;
}

/** What the routes need. */
export interface RoutesOptions {
  readonly world: World;
  readonly changes: JobChanges;
  readonly key: InternalKey;
}

const LogsBody = v.object({
  data: v.array(
    v.object({
      jobId: v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.integer()),
      stepId: v.string(),
      lineNumber: v.number(),
      output: v.string(),
    }),
  ),
});

/** Answers one request. The answer may be a {@link Refusal} that was thrown. */
export function createRoutes({ world, changes, key }: RoutesOptions): (request: ApiRequest) => Promise<ApiResponse> {
  const jsonApi = createJsonApi(world, changes);
  return async (request) => {
    const by = await authenticate(request, key);
    const segments = request.path.split('/').filter((segment) => segment !== '');
    if (request.path === '/logs' && request.method === 'POST') return appendLogs(world, request);
    if (segments[0] === 'tfoutput' && request.method === 'GET') return readOutput(world, segments);
    if (segments[0] !== 'api' || segments[1] !== 'v1') throw bootError(404, request);
    negotiate(request);
    const { method, parameters, body } = request;
    return jsonApi({ method, segments: segments.slice(2), parameters, body, by });
  };
}

function negotiate(request: ApiRequest): void {
  const accepted = (request.accept ?? '*/*').split(',').map((range) => range.split(';')[0]?.trim());
  if (!accepted.some((type) => type === '*/*' || type === 'application/*' || type === JSON_API)) {
    throw bootError(406, request);
  }
  if (request.method !== 'PATCH' || mediaType(request) === JSON_API) return;
  const { response } = bootError(415, request);
  const types = `${JSON_API};ext=jsonpatch, ${JSON_API}`;
  throw new Refusal({ ...response, headers: { ...response.headers, accept: types, 'accept-patch': types } });
}

function mediaType({ contentType }: ApiRequest): string | undefined {
  return contentType?.split(';')[0]?.trim();
}

/** Appends to the stream of a job, whether the job exists or not. */
function appendLogs(world: World, request: ApiRequest): ApiResponse {
  const type = mediaType(request);
  if (type !== 'application/json' && type !== JSON_API) throw bootError(415, request);
  const entries = parseLogs(request);
  for (const { jobId, stepId, output } of entries) world.appendLog(jobId, stepId, output);
  return { status: 200, headers: { 'content-length': '0' } };
}

function parseLogs(request: ApiRequest): v.InferOutput<typeof LogsBody>['data'] {
  try {
    return v.parse(LogsBody, JSON.parse(request.body)).data;
  } catch {
    throw bootError(400, request);
  }
}

/** The log stream while the step is open, then the stored object, of which the stand-in has none: never 404. */
function readOutput(world: World, segments: readonly string[]): ApiResponse {
  const [, version, , , , jobId = '', , stepId] = segments;
  if (version !== 'v1' || stepId === undefined) throw refuse(404, 'Not Found');
  const step = world.findJob(Number(jobId))?.steps.find((candidate) => candidate.stepId === stepId);
  const isOpen = step !== undefined && step.status !== 'completed' && step.status !== 'failed';
  const entries = isOpen ? world.logs(Number(jobId)) : [];
  const text = entries.map((entry) => `${entry}\n`).join('');
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: text };
}
