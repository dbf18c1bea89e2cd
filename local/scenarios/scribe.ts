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
import { isObject, type Json, type JsonObject, listAt, objectAt, textAt, without } from '../json.ts';
import { type Copy, copyOf } from './recording.ts';

/** Writes one Job's recording. Each call does nothing to a Job that is gone. */
export interface Scribe {
  /** The Job has started, and its pods are there; their containers are not. */
  begin(): void;
  /** The containers run. */
  run(): void;
  /** All of it, as it was when the recording ended. @param endMs when that is said to have been. */
  finish(endMs: number): void;
  /** Somebody deletes the Job, and its pods before it. */
  remove(): void;
}

const KEPT_TIMES = ['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'];

/** Creates a scribe for a Job that was just created. */
export function createScribe(recording: JsonObject, job: ClusterObject, cluster: Cluster): Scribe {
  const { namespace, name } = placeOf(job);
  const { store, operations } = cluster;
  const copyAt = (endMs: number): Copy => copyOf(recording, name, endMs);
  const eachPod = (copy: Copy, write: (pod: ClusterObject, recorded: JsonObject) => ClusterObject): void => {
    for (const recorded of copy.pods) {
      const pod = store.get(pods, namespace, nameOf(recorded));
      if (pod !== undefined) store.put(pods, write(pod, recorded));
    }
  };
  const putJob = (change: (current: ClusterObject) => ClusterObject): void => {
    const current = store.get(jobs, namespace, name);
    if (current !== undefined && !isBeingDeleted(current)) store.put(jobs, change(current));
  };

  return {
    begin() {
      const copy = copyAt(Date.now());
      const active = copy.pods.length === 0 ? {} : { active: copy.pods.length };
      const status = { startTime: timestamp(Date.now()), ready: 0, terminating: 0, ...active };
      putJob((current) => ({
        ...current,
        spec: { ...objectAt(current, 'spec'), ...objectAt(copy.job, 'spec') },
        status,
      }));
      for (const recorded of copy.pods) operations.create({ resource: pods, namespace }, podOf(job, recorded));
    },
    run() {
      const nowMs = Date.now();
      eachPod(copyAt(nowMs), (pod, recorded) => ({
        ...pod,
        status: runningStatus(objectAt(recorded, 'status'), nowMs),
      }));
      putJob((current) => ({
        ...current,
        status: { ...objectAt(current, 'status'), ready: copyAt(nowMs).pods.length },
      }));
    },
    finish(endMs) {
      const copy = copyAt(endMs);
      eachPod(copy, (pod, recorded) => ({
        ...pod,
        metadata: { ...pod.metadata, ...pick(objectAt(recorded, 'metadata'), KEPT_TIMES) },
        status: objectAt(recorded, 'status'),
      }));
      writeEvents(cluster, job, copy);
      const created = pick(objectAt(copy.job, 'metadata'), ['creationTimestamp']);
      const status = objectAt(copy.job, 'status');
      putJob((current) => ({ ...current, metadata: { ...current.metadata, ...created }, status }));
    },
    remove() {
      const target = { resource: jobs, namespace, name };
      if (store.get(jobs, namespace, name) !== undefined)
        operations.remove(target, { propagationPolicy: 'Foreground' });
    },
  };
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
        .map((container) => ({ ...sameNamed(listAt(spec, 'containers'), container), ...container })),
    },
  };
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
