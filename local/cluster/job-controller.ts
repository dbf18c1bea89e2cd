/**
 * Turns Jobs into pods and pods' ends into Job conditions, and deletes finished Jobs after their TTL. What to do is decided in
 * job-status.ts; this file counts pods and acts.
 */

import { isEqual, isObject, type JsonObject, listAt, numberAt, objectAt, textAt } from '../json.ts';
import { decide, finishedAtMs, type Tally } from './job-status.ts';
import { type ClusterObject, isBeingDeleted, jobs, ownersOf, pods } from './objects.ts';
import type { Operations, Target } from './operations.ts';
import type { Change, Store } from './store.ts';

/** Timers longer than this overflow in Node; a Job that far from its deadline is simply looked at again. */
const maxTimerMs = 2 ** 31 - 1;

/** Starts the controller; the answer stops it. */
export function startJobController(store: Store, operations: Operations): () => void {
  const ended = createEndedPods();
  const timers = new Map<string, NodeJS.Timeout>();
  const due = new Map<string, Target>();
  let working: NodeJS.Immediate | undefined;

  function enqueue(target: Target): void {
    due.set(`${target.namespace}/${target.name}`, target);
    working ??= setImmediate(() => {
      working = undefined;
      const targets = [...due.values()];
      due.clear();
      for (const one of targets) sync(one);
    });
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
    if (job === undefined || isBeingDeleted(job)) return;
    const endMs = finishedAtMs(job);
    if (endMs === undefined) advance(job, target);
    else expire(job, target, endMs);
  }

  function advance(job: ClusterObject, target: Target): void {
    const own = podsOf(store, job);
    const decision = decide(job, ended.tally(job, own), Date.now());
    if (decision.pods === 'delete') deletePods(own, job);
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

  function deletePods(own: readonly ClusterObject[], job: ClusterObject): void {
    for (const pod of own.filter((one) => !hasEnded(one) && !isBeingDeleted(one))) {
      if (objectAt(job, 'spec')['suspend'] === true) ended.ignore(pod);
      const { namespace, name } = pod.metadata;
      operations.remove({ resource: pods, namespace, name });
    }
  }

  const unsubscribe = store.subscribe((change) => {
    ended.see(change);
    const target = jobOf(store, change);
    if (target !== undefined) enqueue(target);
  });
  return () => {
    unsubscribe();
    clearImmediate(working);
    for (const timer of timers.values()) clearTimeout(timer);
  };
}

/** Remembers how pods that are gone have ended, and which ones do not count because a suspended Job let them go. */
interface EndedPods {
  see(change: Change): void;
  ignore(pod: ClusterObject): void;
  tally(job: ClusterObject, own: readonly ClusterObject[]): Tally;
}

function createEndedPods(): EndedPods {
  const ignored = new Set<string>();
  const gone = new Map<string, { failed: number; succeeded: number }>();
  return {
    see: ({ type, resource, object }) => {
      if (resource !== pods || type !== 'DELETED' || ignored.has(object.metadata.uid)) return;
      const owner = controllerOf(object);
      if (owner === undefined) return;
      const before = gone.get(owner) ?? { failed: 0, succeeded: 0 };
      const well = phaseOf(object) === 'Succeeded' ? 1 : 0;
      gone.set(owner, { succeeded: before.succeeded + well, failed: before.failed + 1 - well });
    },
    ignore: (pod) => ignored.add(pod.metadata.uid),
    tally: (job, own) => {
      const before = gone.get(job.metadata.uid) ?? { failed: 0, succeeded: 0 };
      const present = own.filter((pod) => !ignored.has(pod.metadata.uid));
      const alive = own.filter((pod) => !hasEnded(pod));
      const active = alive.filter((pod) => !isBeingDeleted(pod));
      return {
        active: active.length,
        ready: active.filter(isReady).length,
        terminating: alive.length - active.length,
        failed: before.failed + present.filter((pod) => phaseOf(pod) === 'Failed').length,
        succeeded: before.succeeded + present.filter((pod) => phaseOf(pod) === 'Succeeded').length,
      };
    },
  };
}

function createPod(operations: Operations, job: ClusterObject): void {
  const { name, namespace, uid } = job.metadata;
  const template = objectAt(job, 'spec', 'template');
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true };
  const metadata = { ...objectAt(template, 'metadata'), generateName: `${name}-`, ownerReferences: [owner] };
  operations.create({ resource: pods, namespace }, { metadata, spec: objectAt(template, 'spec') });
}

/** The Job that a change is about: the Job itself, or the controller of the pod. */
function jobOf(store: Store, { resource, object }: Change): Target | undefined {
  const { namespace, name } = object.metadata;
  if (resource === jobs) return { resource: jobs, namespace, name };
  if (resource !== pods) return undefined;
  const owner = controllerOf(object);
  const job = store.list(jobs, namespace).find((one) => one.metadata.uid === owner);
  return job === undefined ? undefined : { resource: jobs, namespace, name: job.metadata.name };
}

function podsOf(store: Store, job: ClusterObject): readonly ClusterObject[] {
  return store.list(pods, job.metadata.namespace).filter((pod) => controllerOf(pod) === job.metadata.uid);
}

function controllerOf(pod: JsonObject): string | undefined {
  return ownersOf(pod).find((owner) => owner.controller)?.uid;
}

function phaseOf(pod: JsonObject): string | undefined {
  return textAt(pod, 'status', 'phase');
}

function hasEnded(pod: JsonObject): boolean {
  return phaseOf(pod) === 'Succeeded' || phaseOf(pod) === 'Failed';
}

function isReady(pod: JsonObject): boolean {
  return listAt(pod, 'status', 'conditions')
    .filter(isObject)
    .some((condition) => condition['type'] === 'Ready' && condition['status'] === 'True');
}
