// What dispatch and the observer both do with Jobs, whatever sends their calls.
import type { V1Job } from '@kubernetes/client-node';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import type { ApiAnswer, JobStore, PatchAnswer } from '../ports.ts';
import { isForbidden, isNotFound, read } from './kubernetes-api.ts';

/** Only the metadata of an object, so that a payload does not travel when its owner is asked for. */
export const METADATA_ONLY_TYPE = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** The calls as they are sent. */
export interface JobApi {
  list(labelSelector: string): Promise<ApiAnswer<{ readonly items: readonly V1Job[] }>>;
  get(name: string): Promise<ApiAnswer<V1Job>>;
  /** A merge patch. */
  patch(name: string, body: object): Promise<ApiAnswer<unknown>>;
}

/** Calls about Jobs. */
export interface JobCalls extends Pick<JobStore, 'listJobs' | 'getJob' | 'stopJob'> {
  /** A merge patch. One that names the resourceVersion is a compare-and-swap. */
  patchJob(name: string, body: object): Promise<PatchAnswer>;
}

/** Creates the calls about the Jobs of one namespace. RBAC in it: jobs get, list, patch. */
export function createJobCalls(api: JobApi): JobCalls {
  const calls: JobCalls = {
    // RBAC: list jobs
    listJobs: async (labelSelector) => read(await api.list(labelSelector), 'list of Jobs').items,
    // RBAC: get jobs
    async getJob(name) {
      const answer = await api.get(name);
      return isNotFound(answer, 'jobs') ? 'notFound' : read(answer, `Job ${name}`);
    },
    // RBAC: patch jobs
    async patchJob(name, body) {
      const answer = await api.patch(name, body);
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
