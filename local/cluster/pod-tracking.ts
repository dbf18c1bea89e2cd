/**
 * What keeps a Job's pod after somebody has deleted it: a finalizer, until the job controller has counted the pod's end. A pod
 * that never had a node has no kubelet to report an end; the pod garbage collector does it, which takes it up to 20 seconds.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-tracking-with-finalizers
 * @see https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
 */

import { isObject, type JsonObject, listAt, objectAt, textAt } from '../json.ts';
import { type ClusterObject, finalizersOf, isBeingDeleted, ownersOf, placeOf, pods } from './objects.ts';
import type { Operations } from './operations.ts';
import type { Store } from './store.ts';

/** The finalizer that each pod of a Job starts with. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

/** Between two rounds of the pod garbage collector, as in a real cluster. */
export const podCollectionMs: number = 20_000;

/** Lets the pods go that the Job, or its absence, does not hold any more. */
export function releasePods(operations: Operations, owned: readonly ClusterObject[], job?: ClusterObject): void {
  for (const pod of owned) {
    if (!finalizersOf(pod).includes(trackingFinalizer) || !mayGo(pod, job)) continue;
    operations.update(
      { resource: pods, ...placeOf(pod) },
      { part: 'object', change: (current) => ({ ...current, metadata: untracked(current) }) },
    );
  }
}

/** Starts the pod garbage collector; the answer stops it. */
export function startPodCollector(store: Store, operations: Operations, everyMs: number): () => void {
  const timer = setInterval(() => {
    for (const pod of store.list(pods, '')) {
      const isScheduled = textAt(pod, 'spec', 'nodeName') !== undefined;
      if (!isBeingDeleted(pod) || isScheduled || hasEnded(pod)) continue;
      operations.update(
        { resource: pods, ...placeOf(pod) },
        {
          part: 'status',
          change: (current) => ({ ...current, status: { ...objectAt(current, 'status'), phase: 'Failed' } }),
        },
      );
    }
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Whether the pod has ended. */
export function hasEnded(pod: JsonObject): boolean {
  const phase = textAt(pod, 'status', 'phase');
  return phase === 'Succeeded' || phase === 'Failed';
}

function mayGo(pod: ClusterObject, job: ClusterObject | undefined): boolean {
  const isOwned = job !== undefined && ownersOf(pod).some((owner) => owner.uid === job.metadata.uid);
  if (!isOwned || isBeingDeleted(job) || isEnding(job) || hasEnded(pod)) return true;
  // Such a Job counts the deleted pod as failed at once; a suspended one does not count it at all.
  const spec = objectAt(job, 'spec');
  return isBeingDeleted(pod) && (spec['podReplacementPolicy'] !== 'Failed' || spec['suspend'] === true);
}

/** The Job has succeeded or failed; the final condition may be still to come. */
function isEnding(job: ClusterObject): boolean {
  return listAt(job, 'status', 'conditions')
    .filter(isObject)
    .some(({ type }) => type === 'FailureTarget' || type === 'SuccessCriteriaMet');
}

function untracked({ metadata }: ClusterObject): JsonObject {
  return { ...metadata, finalizers: listAt(metadata, 'finalizers').filter((one) => one !== trackingFinalizer) };
}
