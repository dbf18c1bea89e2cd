// Jobs and payload Secrets, as dispatch needs them.
import { setHeaderOptions } from '@kubernetes/client-node';
import type { JobStore } from '../ports.ts';
import { isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';
import { createGeneratedCalls } from './kubernetes-generated.ts';
import { createJobCalls, METADATA_ONLY_TYPE } from './kubernetes-job-calls.ts';

const METADATA_ONLY = setHeaderOptions('Accept', METADATA_ONLY_TYPE);

/**
 * Creates the store of one namespace.
 *
 * RBAC in the namespace: jobs create, get, list, patch; secrets create, get.
 */
export function createKubernetesJobs(options: KubernetesApiOptions): JobStore {
  const { namespace } = options;
  const call = createGeneratedCalls(options);
  const { listJobs, getJob, stopJob, patchJob } = createJobCalls({
    list: (labelSelector) => call(({ batch }) => batch.listNamespacedJob({ namespace, labelSelector })),
    get: (name) => call(({ batch }) => batch.readNamespacedJob({ namespace, name })),
    patch: (name, body) => call(({ batch }) => batch.patchNamespacedJob({ namespace, name, body })),
  });
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
