// Jobs and payload Secrets, as dispatch needs them.
import type { V1Job, V1Secret } from '@kubernetes/client-node';
import type { JobStore } from '../ports.ts';
import { isListOf, isMade, ownershipOf } from '../schemas/kubernetes-object.ts';
import { isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';
import { createJobCalls, holding, METADATA_ONLY_TYPE, pathsIn } from './kubernetes-job-calls.ts';
import { createKubernetesSend } from './kubernetes-send.ts';

/**
 * Creates the store of one namespace.
 *
 * RBAC in the namespace: jobs create, get, list, patch; secrets create, get.
 */
export function createKubernetesJobs(options: KubernetesApiOptions): JobStore {
  const { send } = createKubernetesSend(options);
  const { jobs, secrets } = pathsIn(options.namespace);
  const { listJobs, getJob, stopJob, patchJob } = createJobCalls({
    path: jobs,
    send,
    // One step's Jobs are few: no need for pages.
    list: async (labelSelector) => {
      const path = `${jobs}?labelSelector=${encodeURIComponent(labelSelector)}`;
      return holding(await send({ method: 'GET', path }), isListOf<V1Job>, 'Job');
    },
  });
  return {
    listJobs,
    getJob,
    stopJob,
    // RBAC: create jobs
    createJob: async (body) => holding(await send({ method: 'POST', path: jobs, body }), isMade<V1Job>, 'Job'),
    // RBAC: create secrets
    createSecret: async (body) => {
      const call = { method: 'POST', path: secrets, accept: METADATA_ONLY_TYPE, body } as const;
      return holding(await send(call), isMadeSecret, 'PartialObjectMetadata');
    },
    // RBAC: get secrets
    async getSecretOwners(name) {
      const answer = await send({ method: 'GET', path: `${secrets}/${name}`, accept: METADATA_ONLY_TYPE });
      if (isNotFound(answer, 'secrets')) return 'notFound';
      if (isForbidden(answer)) return 'forbidden';
      return ownershipOf(read(answer, `Secret ${name}`))?.owners ?? [];
    },
    resumeJob: (name, resourceVersion) => patchJob(name, { metadata: { resourceVersion }, spec: { suspend: false } }),
  };
}

/** The server in between may not know of media types with parameters. */
const isMadeSecret = (object: unknown, kind: string): object is Pick<V1Secret, 'metadata'> =>
  isMade(object, kind) || isMade(object, 'Secret');
