/**
 * Turns Jobs into pods and pods' ends into Job conditions, and deletes finished Jobs after their TTL. What to do is decided in
 * job-status.ts; this file counts pods and acts.
 */

import { isEqual, isObject, type JsonObject, listAt, numberAt, objectAt, textAt } from '../json.ts';
import { decide, finishedAtMs, type Tally } from './job-status.ts';
import { type ClusterObject, isBeingDeleted, jobs, type OwnerReference, ownersOf, placeOf, pods } from './objects.ts';
import type { Operations, Target } from './operations.ts';
import { hasEnded, releasePods, trackingFinalizer } from './pod-tracking.ts';
import type { Change, Store } from './store.ts';

/** Timers longer than this overflow in Node; a Job that far from its deadline is simply looked at again. */
const maxTimerMs = 2 ** 31 - 1;

/** Starts the controller; the answer stops it. */
export function startJobController(store: Store, operations: Operations): () => void {
  const book = createPodBook();
  const timers = new Map<string, NodeJS.Timeout>();
  const due = new Map<string, Target>();
  let working: NodeJS.Immediate | undefined;

  /** Soon, once: a Job to look at, or a pod whose Job is gone. */
  function enqueue(target: Target): void {
    due.set(`${target.resource.plural}/${target.namespace}/${target.name}`, target);
    working ??= setImmediate(() => {
      working = undefined;
      const targets = [...due.values()];
      due.clear();
      for (const one of targets) {
        if (one.resource === jobs) sync(one);
        else releaseLeft(one);
      }
    });
  }

  function releaseLeft({ namespace, name }: Target): void {
    const pod = store.get(pods, namespace, name);
    if (pod !== undefined && !store.hasUid(controllerOf(pod)?.uid ?? '')) releasePods(operations, [pod]);
  }

  function wake(target: Target, atMs: number): void {
    const key = `${target.namespace}/${target.name}`;
    clearTimeout(timers.get(key));
    const delayMs = Math.min(Math.max(0, atMs - Date.now()), maxTimerMs);
    timers.set(
      key,
      setTimeout(() => enqueue(target), delayMs),
    );
  }

  function sync(target: Target): void {
    const job = store.get(jobs, target.namespace, target.name);
    if (job !== undefined && !isBeingDeleted(job)) {
      const endMs = finishedAtMs(job);
      if (endMs === undefined) advance(job, target);
      else expire(job, target, endMs);
    }
    const now = store.get(jobs, target.namespace, target.name);
    if (now !== undefined) releasePods(operations, book.podsOf(now), now);
  }

  function advance(job: ClusterObject, target: Target): void {
    const decision = decide(job, book.tally(job), Date.now());
    if (decision.pods === 'delete') deletePods(operations, book, job);
    if (decision.pods === 'create') createPod(operations, job);
    if (decision.wakeAtMs !== undefined) wake(target, decision.wakeAtMs);
    if (!isEqual(decision.status, objectAt(job, 'status'))) {
      operations.update(target, { part: 'status', change: (current) => ({ ...current, status: decision.status }) });
    }
  }

  function expire(job: ClusterObject, target: Target, endMs: number): void {
    const ttlSeconds = numberAt(job, 'spec', 'ttlSecondsAfterFinished');
    if (ttlSeconds === undefined) return;
    const atMs = endMs + ttlSeconds * 1000;
    if (Date.now() < atMs) wake(target, atMs);
    else operations.remove(target, { propagationPolicy: 'Foreground', uid: job.metadata.uid });
  }

  const unsubscribe = store.subscribe((change) => {
    book.see(change);
    const target = jobOf(change);
    if (target !== undefined) enqueue(target);
    const isLeft = !store.hasUid(controllerOf(change.object)?.uid ?? '');
    if (change.resource === pods && change.type !== 'DELETED' && isLeft) {
      enqueue({ resource: pods, ...placeOf(change.object) });
    }
  });
  return () => {
    unsubscribe();
    clearImmediate(working);
    for (const timer of timers.values()) clearTimeout(timer);
  };
}

/** Which pods a Job has and has had, and which ones do not count because a suspended Job let them go. */
interface PodBook {
  see(change: Change): void;
  ignore(pod: ClusterObject): void;
  podsOf(job: ClusterObject): readonly ClusterObject[];
  tally(job: ClusterObject): Tally;
}

function createPodBook(): PodBook {
  const ignored = new Set<string>();
  const present = new Map<string, Map<string, ClusterObject>>();
  const gone = new Map<string, { failed: number; succeeded: number }>();

  function see({ type, resource, object }: Change): void {
    const owner = resource === pods ? controllerOf(object)?.uid : undefined;
    if (owner === undefined) return;
    const own = present.get(owner) ?? new Map<string, ClusterObject>();
    present.set(owner, own.set(object.metadata.uid, object));
    if (type !== 'DELETED') return;
    own.delete(object.metadata.uid);
    if (ignored.has(object.metadata.uid)) return;
    const before = gone.get(owner) ?? { failed: 0, succeeded: 0 };
    const well = phaseOf(object) === 'Succeeded' ? 1 : 0;
    gone.set(owner, { succeeded: before.succeeded + well, failed: before.failed + 1 - well });
  }

  function podsOf(job: ClusterObject): readonly ClusterObject[] {
    return [...(present.get(job.metadata.uid)?.values() ?? [])];
  }

  function tally(job: ClusterObject): Tally {
    const before = gone.get(job.metadata.uid) ?? { failed: 0, succeeded: 0 };
    const counted = podsOf(job).filter((pod) => !ignored.has(pod.metadata.uid));
    const alive = podsOf(job).filter((pod) => !hasEnded(pod));
    const active = alive.filter((pod) => !isBeingDeleted(pod));
    return {
      active: active.length,
      ready: active.filter(isReady).length,
      terminating: alive.length - active.length,
      failed: before.failed + counted.filter((pod) => phaseOf(pod) === 'Failed').length,
      succeeded: before.succeeded + counted.filter((pod) => phaseOf(pod) === 'Succeeded').length,
    };
  }

  return { see, podsOf, tally, ignore: (pod) => ignored.add(pod.metadata.uid) };
}

/** Deletes what still runs; what a suspended Job lets go does not count. */
function deletePods(operations: Operations, book: PodBook, job: ClusterObject): void {
  for (const pod of book.podsOf(job).filter((one) => !hasEnded(one) && !isBeingDeleted(one))) {
    if (objectAt(job, 'spec')['suspend'] === true) book.ignore(pod);
    const { namespace, name } = placeOf(pod);
    operations.remove({ resource: pods, namespace, name });
  }
}

function createPod(operations: Operations, job: ClusterObject): void {
  const { namespace, name } = placeOf(job);
  const { uid } = job.metadata;
  const template = objectAt(job, 'spec', 'template');
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true };
  const metadata = {
    ...objectAt(template, 'metadata'),
    generateName: `${name}-`,
    ownerReferences: [owner],
    finalizers: [trackingFinalizer],
  };
  operations.create({ resource: pods, namespace }, { metadata, spec: objectAt(template, 'spec') });
}

/** The Job that a change is about: the Job itself, or the controller of the pod. */
function jobOf({ resource, object }: Change): Target | undefined {
  const { namespace } = placeOf(object);
  const name = resource === jobs ? object.metadata.name : resource === pods ? controllerOf(object)?.name : undefined;
  return name === undefined ? undefined : { resource: jobs, namespace, name };
}

function controllerOf(pod: JsonObject): OwnerReference | undefined {
  return ownersOf(pod).find((owner) => owner.controller);
}

function phaseOf(pod: JsonObject): string | undefined {
  return textAt(pod, 'status', 'phase');
}

function isReady(pod: JsonObject): boolean {
  return listAt(pod, 'status', 'conditions')
    .filter(isObject)
    .some((condition) => condition['type'] === 'Ready' && condition['status'] === 'True');
}
