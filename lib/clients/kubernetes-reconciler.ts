// The whole of the executors' namespace, as the reconciler reads and watches it, on top of what is observed of one Job.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { ReconciledCluster } from '../ports.ts';
import { ownershipOf } from '../schemas/kubernetes-object.ts';
import { isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';
import { METADATA_ONLY_TYPE, pathsIn } from './kubernetes-job-calls.ts';
import type { Resource } from './kubernetes-json.ts';
import { createObserverWithJson } from './kubernetes-observer.ts';
import { openWatch } from './kubernetes-watch.ts';

/**
 * Creates the reconciler's view of one namespace.
 *
 * RBAC in the namespace: jobs get, list, watch, patch, delete; pods list, watch, delete; events list; secrets get, delete.
 */
export function createKubernetesReconciler(options: KubernetesApiOptions): ReconciledCluster {
  const { observer, json } = createObserverWithJson(options);
  const paths = pathsIn(options.namespace);
  const jobs: Resource = { kind: 'Job', path: paths.jobs };
  const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed';
  const pods: Resource = { kind: 'Pod', path: paths.pods, fieldSelector };
  const warnings: Resource = { kind: 'Event', path: paths.events, fieldSelector: 'type=Warning' };
  return {
    ...observer,
    // RBAC: list jobs
    async snapshotJobs(labelSelector) {
      return read(await json.list<V1Job>(jobs, labelSelector), 'list of Jobs');
    },
    // RBAC: list pods
    async snapshotPods(labelSelector) {
      const answer = await json.list<V1Pod>(pods, labelSelector);
      return isForbidden(answer) ? 'forbidden' : read(answer, 'list of Pods');
    },
    // RBAC: list events
    async listWarnings() {
      const answer = await json.list<CoreV1Event>(warnings);
      return isForbidden(answer) ? 'forbidden' : read(answer, 'list of Events').items;
    },
    // RBAC: watch jobs
    watchJobs: (request) => openWatch(json, jobs, request),
    // RBAC: watch pods
    watchPods: (request) => openWatch(json, pods, request),
    // RBAC: get secrets
    // RBAC: delete secrets
    async deletePayload(name, jobUid) {
      const call = { path: `${paths.secrets}/${encodeURIComponent(name)}`, accept: METADATA_ONLY_TYPE };
      const found = await json.send({ ...call, method: 'GET' });
      if (isNotFound(found, 'secrets')) return 'deleted';
      if (isForbidden(found)) return 'forbidden';
      const secret = ownershipOf(read(found, `Secret ${name}`));
      if (!secret?.owners.includes(jobUid)) return 'notOurs';
      const answer = await json.send({ ...call, method: 'DELETE', body: { preconditions: { uid: secret.uid } } });
      if (isNotFound(answer, 'secrets')) return 'deleted';
      if (isForbidden(answer)) return 'forbidden';
      // Another Secret has taken the name since.
      if (answer.kind === 'refused' && answer.refusal.status === 409) return 'notOurs';
      read(answer, `Secret ${name}`);
      return 'deleted';
    },
  };
}
