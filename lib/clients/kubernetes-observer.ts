// What is observed and ended in the cluster: Jobs with their Pods and Events, and the deeds of a verdict.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { type EpochMs, epochMs } from '../domain/time.ts';
import type { ApiAnswer, ObservedCluster } from '../ports.ts';
import { isPageOf } from '../schemas/kubernetes-object.ts';
import { isForbidden, isNotFound, type KubernetesApiOptions, read } from './kubernetes-api.ts';
import { createJobCalls, pathsIn } from './kubernetes-job-calls.ts';
import { createKubernetesJson, type KubernetesJson } from './kubernetes-json.ts';

/** An observer, and the connection that it has with the cluster. */
export interface KubernetesObserver {
  readonly observer: ObservedCluster;
  readonly json: KubernetesJson;
}

/** Creates the observer of one namespace; see {@link createObserverWithJson} for its rights. */
export const createKubernetesObserver = (options: KubernetesApiOptions): ObservedCluster =>
  createObserverWithJson(options).observer;

/**
 * Creates the observer of one namespace, for one who sends more than that.
 *
 * RBAC in the namespace: jobs get, list, patch, delete; pods list, delete; events list. Without the rights on pods and
 * events it works all the same: causes then come from the Job alone.
 */
export function createObserverWithJson(options: KubernetesApiOptions): KubernetesObserver {
  const { namespace, now } = options;
  let skewMs = 0;
  const onServerTime = (serverTime: EpochMs): void => {
    skewMs = serverTime - now();
  };
  const json = createKubernetesJson({ ...options, onServerTime });
  const { jobs, pods, events } = pathsIn(namespace);
  const { listJobs, getJob, stopJob, patchJob } = createJobCalls({
    path: jobs,
    send: json.send,
    list: (labelSelector) => json.list<V1Job>({ kind: 'Job', path: jobs }, labelSelector),
  });
  const observer: ObservedCluster = {
    serverNow: () => epochMs(now() + skewMs),
    listJobs,
    getJob,
    stopJob,
    // RBAC: list pods
    async listPods(jobName) {
      const labelSelector = `batch.kubernetes.io/job-name=${jobName}`;
      const answer = await wholeList<V1Pod>(json, 'Pod', `${pods}?${new URLSearchParams({ labelSelector })}`);
      return isForbidden(answer) ? 'forbidden' : read(answer, `Pods of Job ${jobName}`);
    },
    // RBAC: list events
    async listEvents(objectName) {
      const fieldSelector = `involvedObject.name=${objectName}`;
      const answer = await wholeList<CoreV1Event>(json, 'Event', `${events}?${new URLSearchParams({ fieldSelector })}`);
      return isForbidden(answer) ? 'forbidden' : read(answer, `Events of ${objectName}`);
    },
    annotateJob: (name, resourceVersion, annotations) => patchJob(name, { metadata: { resourceVersion, annotations } }),
    // RBAC: delete jobs
    async deleteJob(name, uid) {
      const body = { preconditions: { uid }, propagationPolicy: 'Background' };
      const answer = await json.send({ method: 'DELETE', path: `${jobs}/${name}`, body });
      if (isNotFound(answer, 'jobs') || (answer.kind === 'refused' && answer.refusal.status === 409)) return;
      read(answer, `Job ${name}`);
    },
    // RBAC: delete pods
    async deletePod(name, uid, gracePeriodSeconds) {
      const body = { preconditions: { uid }, gracePeriodSeconds };
      const answer = await json.send({ method: 'DELETE', path: `${pods}/${name}`, body });
      // Without the right, the Job's own clock ends the pod, with its whole grace period.
      if (isForbidden(answer) || isNotFound(answer, 'pods')) return;
      if (answer.kind === 'refused' && answer.refusal.status === 409) return;
      read(answer, `Pod ${name}`);
    },
  };
  return { observer, json };
}

/** What belongs to one Job is little, and its evidence is in all of it. */
async function wholeList<T>(json: KubernetesJson, kind: string, path: string): Promise<ApiAnswer<readonly T[]>> {
  const answer = await json.send({ method: 'GET', path });
  if (answer.kind !== 'ok') return answer;
  return isPageOf<T>(answer.object, kind) ? { kind: 'ok', object: answer.object.items } : { kind: 'noAnswer' };
}
