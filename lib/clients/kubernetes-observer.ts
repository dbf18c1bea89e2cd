// What is observed and ended in the cluster: Jobs with their Pods and Events, and the deeds of a verdict.
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import { type EpochMs, epochMs } from '../domain/time.ts';
import type { ObservedCluster } from '../ports.ts';
import { createKubernetesApi, isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';

/**
 * Creates the observer of one namespace.
 *
 * RBAC in the namespace: jobs get, list, patch, delete; pods list, delete; events list. Without the rights on pods and
 * events it works all the same: causes then come from the Job alone.
 */
export function createKubernetesObserver(options: KubernetesApiOptions): ObservedCluster {
  const { namespace, now } = options;
  let skewMs = 0;
  const onServerTime = (serverTime: EpochMs): void => {
    skewMs = serverTime - now();
  };
  const call = createKubernetesApi({ ...options, onServerTime });
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
    serverNow: () => epochMs(now() + skewMs),
    // RBAC: get jobs
    async getJob(name) {
      const answer = await call(({ batch }) => batch.readNamespacedJob({ namespace, name }));
      return isNotFound(answer, 'jobs') ? 'notFound' : read(answer, `Job ${name}`);
    },
    // RBAC: list jobs
    async listJobs(labelSelector) {
      const answer = await call(({ batch }) => batch.listNamespacedJob({ namespace, labelSelector }));
      return read(answer, 'list of Jobs').items;
    },
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
    // RBAC: patch jobs
    stopJob(name, resourceVersion, verdict) {
      const annotations = { [ANNOTATION.verdict]: verdictText(verdict) };
      return patch(name, { metadata: { resourceVersion, annotations }, spec: { activeDeadlineSeconds: 1 } });
    },
    // RBAC: patch jobs
    annotateJob: (name, resourceVersion, annotations) => patch(name, { metadata: { resourceVersion, annotations } }),
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
