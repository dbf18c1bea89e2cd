// What is observed and ended in the cluster: Jobs with their Pods and Events, and the deeds of a verdict.
import { type EpochMs, epochMs } from '../domain/time.ts';
import type { ObservedCluster } from '../ports.ts';
import {
  createKubernetesApi,
  generatedApis,
  isForbidden,
  isNotFound,
  type KubernetesApiOptions,
  read,
} from './kubernetes-api.ts';
import { createJobCalls } from './kubernetes-job-calls.ts';

/** An observer that may be told the API server's time also by others who talk to it. */
export interface KubernetesObserver extends ObservedCluster {
  onServerTime(serverTime: EpochMs): void;
}

/**
 * Creates the observer of one namespace.
 *
 * RBAC in the namespace: jobs get, list, patch, delete; pods list, delete; events list. Without the rights on pods and
 * events it works all the same: causes then come from the Job alone.
 */
export function createKubernetesObserver(options: KubernetesApiOptions): KubernetesObserver {
  const { namespace, now } = options;
  let skewMs = 0;
  const onServerTime = (serverTime: EpochMs): void => {
    skewMs = serverTime - now();
  };
  const call = createKubernetesApi({ ...options, onServerTime }, generatedApis);
  const { listJobs, getJob, stopJob, patchJob } = createJobCalls(call, namespace);
  return {
    onServerTime,
    serverNow: () => epochMs(now() + skewMs),
    listJobs,
    getJob,
    stopJob,
    // RBAC: list pods
    async listPods(jobName) {
      const labelSelector = `batch.kubernetes.io/job-name=${jobName}`;
      const answer = await call(({ core }) => core.listNamespacedPod({ namespace, labelSelector }));
      return isForbidden(answer) ? 'forbidden' : read(answer, `Pods of Job ${jobName}`).items;
    },
    // RBAC: list events
    async listEvents(objectName) {
      const fieldSelector = `involvedObject.name=${objectName}`;
      const answer = await call(({ core }) => core.listNamespacedEvent({ namespace, fieldSelector }));
      return isForbidden(answer) ? 'forbidden' : read(answer, `Events of ${objectName}`).items;
    },
    annotateJob: (name, resourceVersion, annotations) => patchJob(name, { metadata: { resourceVersion, annotations } }),
    // RBAC: delete jobs
    async deleteJob(name, uid) {
      const body = { preconditions: { uid }, propagationPolicy: 'Background' };
      const answer = await call(({ batch }) => batch.deleteNamespacedJob({ namespace, name, body }));
      if (isNotFound(answer, 'jobs') || (answer.kind === 'refused' && answer.refusal.status === 409)) return;
      read(answer, `Job ${name}`);
    },
    // RBAC: delete pods
    async deletePod(name, uid, gracePeriodSeconds) {
      const body = { preconditions: { uid }, gracePeriodSeconds };
      const answer = await call(({ core }) => core.deleteNamespacedPod({ namespace, name, body }));
      // Without the right, the Job's own clock ends the pod, with its whole grace period.
      if (isForbidden(answer) || isNotFound(answer, 'pods')) return;
      if (answer.kind === 'refused' && answer.refusal.status === 409) return;
      read(answer, `Pod ${name}`);
    },
  };
}
