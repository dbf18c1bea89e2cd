// Jobs and payload Secrets, as dispatch needs them.
import { setHeaderOptions } from '@kubernetes/client-node';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import type { JobStore } from '../ports.ts';
import { createKubernetesApi, isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';

/** Only the metadata of an object, so that a payload does not travel when its owner is asked for. */
const METADATA_ONLY = setHeaderOptions('Accept', 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1');

/**
 * Creates the store of one namespace.
 *
 * RBAC in the namespace: jobs create, get, list, patch; secrets create, get.
 */
export function createKubernetesJobs(options: KubernetesApiOptions): JobStore {
  const { namespace } = options;
  const call = createKubernetesApi(options);
  /** A merge patch that names the resourceVersion is a compare-and-swap. */
  const patch = async (name: string, body: object) => {
    const answer = await call(({ batch }) => batch.patchNamespacedJob({ namespace, name, body }));
    if (answer.kind === 'refused' && answer.refusal.status === 409) return 'conflict';
    if (isNotFound(answer, 'jobs')) return 'notFound';
    if (isForbidden(answer)) return 'forbidden';
    read(answer, `Job ${name}`);
    return 'patched';
  };
  return {
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
    // RBAC: create jobs
    createJob: (body) => call(({ batch }) => batch.createNamespacedJob({ namespace, body })),
    // RBAC: create secrets
    createSecret: (body) => call(({ core }) => core.createNamespacedSecret({ namespace, body })),
    // RBAC: get secrets
    async getSecretOwners(name) {
      const answer = await call(({ core }) => core.readNamespacedSecret({ namespace, name }, METADATA_ONLY));
      if (isNotFound(answer, 'secrets')) return 'notFound';
      if (isForbidden(answer)) return 'forbidden';
      return (read(answer, `Secret ${name}`).metadata?.ownerReferences ?? []).map(({ uid }) => uid);
    },
    // RBAC: patch jobs
    resumeJob: (name, resourceVersion) => patch(name, { metadata: { resourceVersion }, spec: { suspend: false } }),
    // RBAC: patch jobs
    stopJob(name, resourceVersion, verdict) {
      const annotations = { [ANNOTATION.verdict]: verdictText(verdict) };
      return patch(name, { metadata: { resourceVersion, annotations }, spec: { activeDeadlineSeconds: 1 } });
    },
  };
}
