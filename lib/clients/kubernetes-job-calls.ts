// What dispatch and the observer both do with Jobs, whatever sends their calls.
import type { V1Job } from '@kubernetes/client-node';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import type { ApiAnswer, JobStore, PatchAnswer } from '../ports.ts';
import { isObjectOf } from '../schemas/kubernetes-object.ts';
import { isForbidden, isNotFound, read } from './kubernetes-api.ts';
import type { SendJson } from './kubernetes-send.ts';

/** Only the metadata of an object, so that a payload does not travel when its owner is asked for. */
export const METADATA_ONLY_TYPE = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** The calls as they are sent. */
export interface JobApi {
  /** Path of the Jobs; see {@link pathsIn}. */
  readonly path: string;
  readonly send: SendJson;
  readonly list: (labelSelector: string) => Promise<ApiAnswer<{ readonly items: readonly V1Job[] }>>;
}

/** Calls about Jobs. */
export interface JobCalls extends Pick<JobStore, 'listJobs' | 'getJob' | 'stopJob'> {
  /** A merge patch. One that names the resourceVersion is a compare-and-swap. */
  patchJob(name: string, body: object): Promise<PatchAnswer>;
}

/** Creates the calls about the Jobs of one namespace. RBAC in it: jobs get, list, patch. */
export function createJobCalls({ path, send, list }: JobApi): JobCalls {
  const calls: JobCalls = {
    // RBAC: list jobs
    listJobs: async (labelSelector) => read(await list(labelSelector), 'list of Jobs').items,
    // RBAC: get jobs
    async getJob(name) {
      const answer = holding(await send({ method: 'GET', path: `${path}/${name}` }), isObjectOf<V1Job>, 'Job');
      return isNotFound(answer, 'jobs') ? 'notFound' : read(answer, `Job ${name}`);
    },
    // RBAC: patch jobs
    async patchJob(name, body) {
      const answer = await send({ method: 'PATCH', path: `${path}/${name}`, body });
      if (answer.kind === 'refused' && answer.refusal.status === 409) return 'conflict';
      if (isNotFound(answer, 'jobs')) return 'notFound';
      if (isForbidden(answer)) return 'forbidden';
      read(answer, `Job ${name}`);
      return 'patched';
    },
    stopJob(name, resourceVersion, verdict) {
      const annotations = { [ANNOTATION.verdict]: verdictText(verdict) };
      return calls.patchJob(name, { metadata: { resourceVersion, annotations }, spec: { activeDeadlineSeconds: 1 } });
    },
  };
  return calls;
}

/** Paths of a namespace's objects. */
export function pathsIn(namespace: string): Readonly<Record<'jobs' | 'pods' | 'events' | 'secrets', string>> {
  const core = `/api/v1/namespaces/${namespace}`;
  return {
    jobs: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    pods: `${core}/pods`,
    events: `${core}/events`,
    secrets: `${core}/secrets`,
  };
}

/** An answer with what it should hold. A proxy may answer anything with status 200. */
export function holding<T>(
  answer: ApiAnswer<unknown>,
  isIt: (object: unknown, kind: string) => object is T,
  kind: string,
): ApiAnswer<T> {
  if (answer.kind !== 'ok') return answer;
  const { object } = answer;
  return isIt(object, kind) ? { kind: 'ok', object } : { kind: 'noAnswer' };
}
