// What dispatch and the observer both do with Jobs.
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import type { JobStore, PatchAnswer } from '../ports.ts';
import { type CallKubernetes, isForbidden, isNotFound, read } from './kubernetes-api.ts';

/** Only the metadata of an object, so that a payload does not travel when its owner is asked for. */
export const METADATA_ONLY_TYPE = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** Calls about Jobs. */
export interface JobCalls extends Pick<JobStore, 'listJobs' | 'getJob' | 'stopJob'> {
  /** A merge patch. One that names the resourceVersion is a compare-and-swap. */
  patchJob(name: string, body: object): Promise<PatchAnswer>;
}

/** Creates the calls about the Jobs of one namespace. RBAC in it: jobs get, list, patch. */
export function createJobCalls(call: CallKubernetes, namespace: string): JobCalls {
  const calls: JobCalls = {
    // RBAC: list jobs
    async listJobs(labelSelector) {
      const answer = await call(({ batch }) => batch.listNamespacedJob({ namespace, labelSelector }));
      return read(answer, 'list of Jobs').items;
    },
    // RBAC: get jobs
    async getJob(name) {
      const answer = await call(({ batch }) => batch.readNamespacedJob({ namespace, name }));
      return isNotFound(answer, 'jobs') ? 'notFound' : read(answer, `Job ${name}`);
    },
    // RBAC: patch jobs
    async patchJob(name, body) {
      const answer = await call(({ batch }) => batch.patchNamespacedJob({ namespace, name, body }));
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
