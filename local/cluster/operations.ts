/**
 * Create, update, bind and delete with the rules of an API server. The HTTP side and the controllers use the same operations.
 */

import { randomUUID } from 'node:crypto';
import { isEqual, type Json, type JsonObject, numberAt, objectAt, textAt, without } from '../json.ts';
import { jobSpec, podSpec, secretFields } from './defaults.ts';
import {
  type ClusterObject,
  finalizersOf,
  isBeingDeleted,
  jobs,
  type Metadata,
  nodes,
  pods,
  type Resource,
  randomSuffix,
  secrets,
  timestamp,
} from './objects.ts';
import {
  alreadyBound,
  alreadyExists,
  failedPrecondition,
  invalid,
  namespaceNotFound,
  notFound,
  staleVersion,
} from './statuses.ts';
import type { Store } from './store.ts';
import { changeFaults, faultsOf } from './validation.ts';

/** Which object an operation is about. */
export interface Target {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
}

/** What a DELETE may ask for. */
export interface DeleteOptions {
  readonly propagationPolicy?: string | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** An update of the object itself, or of its status only. */
interface Update {
  readonly part: 'object' | 'status';
  readonly dryRun?: boolean;
  /** Makes the wanted object of the present one. */
  change(current: ClusterObject): JsonObject;
}

/** The operations; each throws a `Refusal` with the API server's answer when it may not be done. */
export interface Operations {
  create(where: Omit<Target, 'name'>, body: JsonObject, dryRun?: boolean): ClusterObject;
  get(target: Target): ClusterObject;
  update(target: Target, update: Update): ClusterObject;
  /** Puts a pod on a node. */
  bind(target: Target, node: string): void;
  /** `gone`: the object was removed at once; otherwise it waits for finalizers or for the kubelet. */
  remove(target: Target, options?: DeleteOptions, dryRun?: boolean): { object: ClusterObject; gone: boolean };
}

/** Letters of `generateName` that are kept, so that name and suffix fit into a label. */
const maxGeneratedBase = 58;

/** Creates the operations on a store; objects can be created in `namespaces` only. */
export function createOperations(store: Store, namespaces: readonly string[]): Operations {
  function get(target: Target): ClusterObject {
    const object = store.get(target.resource, target.namespace, target.name);
    if (object === undefined) throw notFound(target.resource, target.name);
    return object;
  }

  function create(where: Omit<Target, 'name'>, body: JsonObject, dryRun = false): ClusterObject {
    const { resource, namespace } = where;
    if (resource.namespaced && !namespaces.includes(namespace)) throw namespaceNotFound(namespace);
    const object = newObject(resource, namespace, body);
    const name = object.metadata.name;
    const faults = faultsOf(resource, object);
    if (faults.length > 0) throw invalid(resource, name, faults);
    const present = store.get(resource, namespace, name);
    if (present !== undefined) throw alreadyExists(resource, name, isBeingDeleted(present));
    return dryRun ? object : store.put(resource, object);
  }

  function update(target: Target, { part, change, dryRun = false }: Update): ClusterObject {
    const current = get(target);
    const wanted = change(current);
    const version = textAt(wanted, 'metadata', 'resourceVersion') ?? '';
    if (version !== '' && version !== current.metadata.resourceVersion) {
      throw staleVersion(target.resource, target.name);
    }
    const next =
      part === 'status' ? { ...current, status: objectAt(wanted, 'status') } : merged(target, current, wanted);
    if (dryRun || isEqual(next, current)) return next;
    const due = isBeingDeleted(next) && numberAt(next, 'metadata', 'deletionGracePeriodSeconds') === 0;
    if (due && finalizersOf(next).length === 0) return store.remove(target.resource, next);
    return store.put(target.resource, next);
  }

  function bind(target: Target, node: string): void {
    const pod = get(target);
    const bound = textAt(pod, 'spec', 'nodeName');
    if (bound !== undefined) throw alreadyBound(target.name, bound);
    const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(Date.now()) };
    store.put(pods, {
      ...pod,
      spec: { ...objectAt(pod, 'spec'), nodeName: node },
      status: { ...objectAt(pod, 'status'), conditions: [scheduled] },
    });
  }

  function remove(
    target: Target,
    options: DeleteOptions = {},
    dryRun = false,
  ): { object: ClusterObject; gone: boolean } {
    const current = get(target);
    checkPreconditions(target, current, options);
    const marked = markedForDeletion(target.resource, current, options);
    const waits =
      finalizersOf(marked).length > 0 || (numberAt(marked, 'metadata', 'deletionGracePeriodSeconds') ?? 0) > 0;
    if (dryRun) return { object: current, gone: !waits };
    if (!waits) return { object: store.remove(target.resource, marked), gone: true };
    return { object: isEqual(marked, current) ? current : store.put(target.resource, marked), gone: false };
  }

  return { create, get, update, bind, remove };
}

function newObject(resource: Resource, namespace: string, body: JsonObject): ClusterObject {
  const given = objectAt(body, 'metadata');
  const generateName = textAt(given, 'generateName') ?? '';
  const name =
    textAt(given, 'name') ?? (generateName === '' ? '' : generateName.slice(0, maxGeneratedBase) + randomSuffix());
  const uid = randomUUID();
  const metadata: Metadata = {
    ...without(given, 'deletionTimestamp', 'deletionGracePeriodSeconds', 'resourceVersion', 'generation'),
    name,
    ...(resource.namespaced ? { namespace } : {}),
    uid,
    resourceVersion: '',
    creationTimestamp: timestamp(Date.now()),
    ...(resource.counted ? { generation: 1 } : {}),
  };
  const typed = { kind: resource.kind, apiVersion: resource.apiVersion };
  const fields = without(body, 'kind', 'apiVersion', 'metadata', 'status');
  const spec = objectAt(body, 'spec');
  if (resource === jobs) return { ...fields, ...typed, metadata, spec: jobSpec(spec, name, uid), status: {} };
  if (resource === pods) return { ...fields, ...typed, metadata, spec: podSpec(spec), status: { phase: 'Pending' } };
  if (resource === nodes) return { ...fields, ...typed, metadata, status: objectAt(body, 'status') };
  return { ...(resource === secrets ? secretFields(fields) : fields), ...typed, metadata };
}

function merged(target: Target, current: ClusterObject, wanted: JsonObject): ClusterObject {
  const { resource, name } = target;
  const kept = ['uid', 'creationTimestamp', 'generation', 'deletionTimestamp', 'deletionGracePeriodSeconds'];
  const given = objectAt(wanted, 'metadata');
  const faults = changeFaults(resource, current, { ...wanted, metadata: { ...current.metadata, ...given } });
  if (faults.length > 0) throw invalid(resource, name, faults);
  const fixed = Object.fromEntries(kept.flatMap((key) => entry(key, current.metadata[key])));
  const { namespace, uid, resourceVersion } = current.metadata;
  const place = namespace === undefined ? { name } : { name, namespace };
  const grown = resource.counted && !isEqual(objectAt(wanted, 'spec'), objectAt(current, 'spec'));
  const generation = (numberAt(current, 'metadata', 'generation') ?? 1) + 1;
  return {
    ...wanted,
    kind: resource.kind,
    apiVersion: resource.apiVersion,
    metadata: { ...given, ...fixed, ...place, uid, resourceVersion, ...(grown ? { generation } : {}) },
    ...(resource.hasStatus ? { status: objectAt(current, 'status') } : {}),
  };
}

function checkPreconditions(target: Target, current: ClusterObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = current.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    throw failedPrecondition(target.resource, target.name, { field: 'UID', wanted: options.uid, found: uid });
  }
  const wanted = options.resourceVersion;
  if (wanted !== undefined && wanted !== resourceVersion) {
    throw failedPrecondition(target.resource, target.name, {
      field: 'ResourceVersion',
      wanted,
      found: resourceVersion,
    });
  }
}

/** The object as a DELETE leaves it: when it must go, and what it still waits for. */
function markedForDeletion(resource: Resource, current: ClusterObject, options: DeleteOptions): ClusterObject {
  const policy = options.propagationPolicy ?? (resource === jobs ? 'Orphan' : 'Background');
  const finalizer = policy === 'Foreground' ? ['foregroundDeletion'] : policy === 'Orphan' ? ['orphan'] : [];
  const finalizers = [...new Set([...finalizersOf(current), ...(resource === jobs ? finalizer : [])])];
  const asked = resource === pods ? podGraceSeconds(current, options.gracePeriodSeconds) : 0;
  const present = numberAt(current, 'metadata', 'deletionGracePeriodSeconds');
  const graceSeconds = present === undefined ? asked : Math.min(present, asked);
  if (present === graceSeconds && finalizers.length === finalizersOf(current).length) return current;
  const generation = (numberAt(current, 'metadata', 'generation') ?? 0) + (present === undefined ? 1 : 0);
  return {
    ...current,
    metadata: {
      ...current.metadata,
      ...(resource.counted ? { generation } : {}),
      deletionTimestamp: timestamp(Date.now() + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
      ...(finalizers.length === 0 ? {} : { finalizers }),
    },
  };
}

/** A pod on no node, or one that has ended, needs no kubelet to go. */
function podGraceSeconds(pod: ClusterObject, asked: number | undefined): number {
  const phase = textAt(pod, 'status', 'phase');
  const needsKubelet = textAt(pod, 'spec', 'nodeName') !== undefined && phase !== 'Succeeded' && phase !== 'Failed';
  if (!needsKubelet) return 0;
  return asked ?? numberAt(pod, 'spec', 'terminationGracePeriodSeconds') ?? 30;
}

function entry(key: string, value: Json | undefined): readonly (readonly [string, Json])[] {
  return value === undefined ? [] : [[key, value]];
}
