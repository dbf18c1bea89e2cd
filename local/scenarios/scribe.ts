// Writes a recording into the stand-in cluster: what a controller and a kubelet wrote when it was made.
import {
  allResources,
  type ClusterObject,
  isBeingDeleted,
  jobs,
  placeOf,
  pods,
  type Resource,
  timestamp,
} from '../cluster/objects.ts';
import type { Operations } from '../cluster/operations.ts';
import { trackingFinalizer } from '../cluster/pod-tracking.ts';
import type { Store } from '../cluster/store.ts';
import { isObject, type Json, type JsonObject, listAt, numberAt, objectAt, textAt, without } from '../json.ts';
import { type Copy, copyOf } from './recording.ts';

/** Writes one Job's recording. Each call does nothing to a Job that is gone. */
export interface Scribe {
  /** The Job has started, and its first pod is there; its containers are not. */
  begin(): void;
  /** The containers run. */
  run(): void;
  /** Somebody suspends the Job: its pods are deleted. */
  suspend(): void;
  /** One more pod runs, in the place of the one before it. @param index which one, from 1 on. */
  follow(index: number): void;
  /** All of it, as it was when the recording ended. @param endMs when that is said to have been. */
  finish(endMs: number): void;
  /** The Job is deleted, in the way it was when it was recorded. */
  remove(): void;
}

/** What is known of a pod that a deleted Job takes along is known from its delete, which is yet to come. */
const timesOf = (recording: JsonObject): readonly string[] =>
  recording['deletion'] === undefined
    ? ['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds']
    : ['creationTimestamp'];

/** Creates a scribe for a Job that was just created. */
export function createScribe(recording: JsonObject, job: ClusterObject, cluster: Cluster): Scribe {
  const { namespace, name } = placeOf(job);
  const { store, operations } = cluster;
  const copyAt = (endMs: number): Copy => copyOf(recording, name, endMs);
  const eachPod = (copy: Copy, write: (pod: ClusterObject, recorded: JsonObject) => ClusterObject): void => {
    for (const { pod: recorded } of copy.pods) {
      const pod = store.get(pods, namespace, nameOf(recorded));
      if (pod !== undefined) store.put(pods, write(pod, recorded));
    }
  };
  const putJob = (change: (current: ClusterObject) => ClusterObject): void => {
    const current = store.get(jobs, namespace, name);
    if (current !== undefined && !isBeingDeleted(current)) store.put(jobs, change(current));
  };

  const createPod = (recorded: JsonObject): void => {
    operations.create({ resource: pods, namespace }, podOf(job, recorded));
  };
  const runPods = (copy: Copy, nowMs: number): void =>
    eachPod(copy, (pod, recorded) => ({ ...pod, status: runningStatus(statusOf(recording, recorded), nowMs) }));

  return {
    begin() {
      const copy = copyAt(Date.now());
      const first = copy.pods[0]?.pod;
      const active = first === undefined ? {} : { active: 1 };
      const start = objectAt(copy.job, 'spec')['suspend'] === true ? {} : { startTime: timestamp(Date.now()) };
      const status = { ...start, ready: 0, terminating: 0, ...active };
      putJob((current) => ({
        ...current,
        spec: { ...objectAt(current, 'spec'), ...objectAt(copy.job, 'spec') },
        status,
      }));
      if (first !== undefined) createPod(first);
    },
    run() {
      const nowMs = Date.now();
      runPods(copyAt(nowMs), nowMs);
      putJob((current) => ({ ...current, status: { ...objectAt(current, 'status'), ready: 1 } }));
    },
    suspend() {
      putJob((current) => ({ ...respecified(current, true), status: suspendedStatus(Date.now()) }));
      for (const { pod } of copyAt(Date.now()).pods) removePod(cluster, namespace, nameOf(pod));
    },
    follow(index) {
      const nowMs = Date.now();
      const copy = copyAt(nowMs);
      const before = copy.pods.slice(index - 1, index);
      const next = copy.pods.slice(index, index + 1);
      for (const { pod } of before.filter(({ isReplaced }) => isReplaced)) removePod(cluster, namespace, nameOf(pod));
      eachPod({ ...copy, pods: before }, (pod, recorded) => ({ ...pod, status: objectAt(recorded, 'status') }));
      const failed = Math.min(index, numberAt(copy.job, 'status', 'failed') ?? 0);
      putJob((current) => ({ ...respecified(current, false), status: activeStatus(current, failed, nowMs) }));
      for (const { pod } of next) createPod(pod);
      runPods({ ...copy, pods: next }, nowMs);
    },
    finish(endMs) {
      const copy = copyAt(endMs);
      eachPod(copy, (pod, recorded) => ({
        ...pod,
        metadata: { ...pod.metadata, ...pick(objectAt(recorded, 'metadata'), timesOf(recording)) },
        status: objectAt(recorded, 'status'),
      }));
      writeEvents(cluster, job, copy);
      const created = pick(objectAt(copy.job, 'metadata'), ['creationTimestamp']);
      const status = objectAt(copy.job, 'status');
      putJob((current) => ({ ...current, metadata: { ...current.metadata, ...created }, status }));
    },
    remove() {
      const target = { resource: jobs, namespace, name };
      const propagationPolicy = textAt(recording, 'deletion');
      if (store.get(jobs, namespace, name) !== undefined) operations.remove(target, { propagationPolicy });
    },
  };
}

function suspendedStatus(nowMs: number): JsonObject {
  const at = timestamp(nowMs);
  const told = { reason: 'JobSuspended', message: 'Job suspended', lastProbeTime: at, lastTransitionTime: at };
  return { conditions: [{ type: 'Suspended', status: 'True', ...told }], ready: 0, terminating: 0 };
}

/** One pod runs, behind those that failed. A Job that is resumed starts anew. */
function activeStatus(job: ClusterObject, failed: number, nowMs: number): JsonObject {
  const startTime = textAt(job, 'status', 'startTime') ?? timestamp(nowMs);
  return { startTime, active: 1, ready: 1, terminating: 0, ...(failed === 0 ? {} : { failed }) };
}

/** Suspended or not; as with every change of a Job's spec, that is a new generation. */
function respecified(job: ClusterObject, suspend: boolean): ClusterObject {
  const spec = objectAt(job, 'spec');
  if ((spec['suspend'] === true) === suspend) return job;
  const generation = (numberAt(job, 'metadata', 'generation') ?? 1) + 1;
  return { ...job, metadata: { ...job.metadata, generation }, spec: { ...spec, suspend } };
}

/** Somebody deletes a pod that runs: its kubelet ends it. */
function removePod({ store, operations }: Cluster, namespace: string, name: string): void {
  const target = { resource: pods, namespace, name };
  if (store.get(pods, namespace, name) === undefined) return;
  const { object } = operations.remove(target);
  const metadata = { ...object.metadata, finalizers: [] };
  store.put(pods, { ...object, metadata, status: { ...objectAt(object, 'status'), phase: 'Failed' } });
  operations.remove(target, { gracePeriodSeconds: 0 });
}

/** Nothing is known of the end of a pod that was replaced: it had what its successor had. */
function statusOf(recording: JsonObject, recorded: JsonObject): JsonObject {
  const [other] = listAt(recording, 'pods').filter(isObject);
  return objectAt(recorded['status'] === undefined && other !== undefined ? other : recorded, 'status');
}

/** What is written into. */
export interface Cluster {
  readonly store: Store;
  readonly operations: Operations;
}

/** The pod that the Job asks for, with what the recorded one had: its node, time limit, images and resources. */
function podOf(job: ClusterObject, recorded: JsonObject): JsonObject {
  const template = objectAt(job, 'spec', 'template');
  const spec = objectAt(template, 'spec');
  const recordedSpec = objectAt(recorded, 'spec');
  const { name, uid } = job.metadata;
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true };
  return {
    metadata: {
      ...objectAt(template, 'metadata'),
      name: nameOf(recorded),
      ownerReferences: [owner],
      finalizers: [trackingFinalizer],
    },
    spec: {
      ...spec,
      ...recordedSpec,
      containers: listAt(recordedSpec, 'containers')
        .filter(isObject)
        .map((container) => merged(sameNamed(listAt(spec, 'containers'), container), container)),
    },
  };
}

/** What the recorded one had in its environment takes the place of what has the same name. */
function merged(wanted: JsonObject, recorded: JsonObject): JsonObject {
  const env = listAt(recorded, 'env').filter(isObject);
  const names = env.map(({ name }) => name);
  const kept = listAt(wanted, 'env').filter((one) => !(isObject(one) && names.includes(one['name'])));
  return { ...wanted, ...recorded, env: [...kept, ...env] };
}

const sameNamed = (list: readonly Json[], { name }: JsonObject): JsonObject =>
  list.filter(isObject).find((one) => one['name'] === name) ?? {};

/** The status before the recorded one: no container has ended. */
function runningStatus(recorded: JsonObject, nowMs: number): JsonObject {
  const at = timestamp(nowMs);
  const runs = { state: { running: { startedAt: at } }, lastState: {}, ready: true, started: true };
  const isTrue = (type: string): JsonObject => ({ type, status: 'True', lastTransitionTime: at });
  return {
    ...without(recorded, 'reason', 'message'),
    phase: 'Running',
    startTime: at,
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(isTrue),
    containerStatuses: listAt(recorded, 'containerStatuses')
      .filter(isObject)
      .map((status) => ({ ...status, ...runs })),
  };
}

/** Events are found by the uid of what they are about. */
function writeEvents({ store, operations }: Cluster, job: ClusterObject, copy: Copy): void {
  const { namespace } = placeOf(job);
  copy.events.forEach((event, index) => {
    const about = objectAt(event, 'involvedObject');
    const isJob = about['kind'] === 'Job';
    const target = isJob ? job : store.get(pods, namespace, nameOf({ metadata: about }));
    if (target === undefined) return;
    const name = `${target.metadata.name}.${String(index).padStart(2, '0')}`;
    const involvedObject = { ...about, namespace, uid: target.metadata.uid };
    const body = { ...event, metadata: { name, namespace }, involvedObject };
    if (store.get(EVENTS, namespace, name) === undefined) operations.create({ resource: EVENTS, namespace }, body);
  });
}

const EVENTS: Resource = eventResource();

function eventResource(): Resource {
  const found = allResources.find(({ kind }) => kind === 'Event');
  if (found === undefined) throw new Error('The cluster knows no Events.');
  return found;
}

const nameOf = (object: JsonObject): string => textAt(object, 'metadata', 'name') ?? '';

const pick = (object: JsonObject, keys: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
