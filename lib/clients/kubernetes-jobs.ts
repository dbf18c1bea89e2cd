// Jobs and payload Secrets, as dispatch needs them.
import { setHeaderOptions } from '@kubernetes/client-node';
import type { JobStore } from '../ports.ts';
import { createKubernetesApi, isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';
import { createJobCalls } from './kubernetes-job-calls.ts';

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
  const { listJobs, getJob, stopJob, patchJob } = createJobCalls(call, namespace);
  return {
    listJobs,
    getJob,
    stopJob,
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
    resumeJob: (name, resourceVersion) => patchJob(name, { metadata: { resourceVersion }, spec: { suspend: false } }),
  };
}
