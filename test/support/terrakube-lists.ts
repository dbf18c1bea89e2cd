/** A scripted Terrakube that answers with pages of steps, and the client of lists on it. */
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakube } from '../../lib/clients/terrakube-api.ts';
import { createTerrakubeCall } from '../../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../../lib/clients/terrakube-jobs.ts';
import type { SecretSource, Terrakube, TerrakubeJobs } from '../../lib/ports.ts';
import { NOON } from './builders.ts';
import { type Reply, type Script, type ScriptedServer, startScriptedServer } from './scripted-server.ts';
import { INTERNAL_SECRET } from './terrakube-bench.ts';

/** The client of lists and of single jobs on one connection, and the scripted server that they talk to. */
export interface ListsOnScript {
  readonly lists: TerrakubeJobs;
  readonly terrakube: Terrakube;
  readonly server: ScriptedServer;
}

/** Longer than a busy machine takes for an answer, and short enough to wait for. */
const TIMEOUT_MS = 700;

/** Starts the server and the clients. */
export async function startTerrakubeLists(
  script: Script,
  secret: SecretSource = createFixedSecret(INTERNAL_SECRET),
): Promise<ListsOnScript> {
  const server = await startScriptedServer(script);
  const call = createTerrakubeCall({ apiUrl: `${server.url}/`, secret, now: () => NOON, timeoutMs: TIMEOUT_MS });
  return { lists: createTerrakubeJobs(call), terrakube: createTerrakube(call), server };
}

/** The organization of all listed jobs. */
export const ORGANIZATION = 'd9b58bd3-f3fc-4056-a026-1163297e80a8';
const WORKSPACE = '9ab83fc6-8726-4fe3-8e0b-e3880b98f012';
const toOne = (type: string, id: string): object => ({ data: { type, id } });

/** A row of the list, or what is included. */
export interface Resource {
  readonly type: string;
  readonly id: string;
  readonly attributes: object;
  readonly relationships: object;
}

/** A step's resource, with changed attributes; `100-17` is the step 100 of job 17. */
export const stepOf = (id: string, change: object = {}): Resource => {
  const [stepNumber = '', jobId = ''] = id.split('-');
  return {
    type: 'step',
    id,
    attributes: { name: 'Plan', output: null, status: 'pending', stepNumber: Number(stepNumber), ...change },
    relationships: { job: toOne('job', jobId) },
  };
};
/** A job's resource, with changed attributes. */
export const jobOf = (id: string, change: object = {}): Resource => ({
  type: 'job',
  id,
  attributes: { status: 'queue', comments: null, updatedDate: '2026-11-24T18:51Z', ...change },
  relationships: { organization: toOne('organization', ORGANIZATION), workspace: toOne('workspace', WORKSPACE) },
});
/** A page with these resources. */
export const page = (resources: readonly Resource[], totalPages = 1, totalRecords?: number): Reply => ({
  status: 200,
  headers: { 'content-type': 'application/vnd.api+json' },
  body: {
    data: resources.filter(({ type }) => type === 'step'),
    meta: { page: { number: 1, limit: 500, totalPages, totalRecords: totalRecords ?? totalPages * 500 } },
    included: resources.filter(({ type }) => type !== 'step'),
  },
});
/** How the client tells of {@link stepOf}. */
export const listedStep = (id: string, change: object = {}): object => ({ id, ...stepOf(id).attributes, ...change });
/** How the client tells of {@link jobOf}. */
export const listedJob = (id: string, steps: readonly object[], change: object = {}): object => ({
  id,
  organizationId: ORGANIZATION,
  workspaceId: WORKSPACE,
  status: 'queue',
  comments: null,
  updatedAt: Date.UTC(2026, 10, 24, 18, 51),
  steps,
  ...change,
});
