/**
 * The kinds that the stand-in cluster knows, and the object metadata that every one of them carries.
 */

import { isObject, type Json, type JsonObject, objectAt, textAt } from '../json.ts';

/** One kind of object: how it is called in paths, bodies and messages. */
export interface Resource {
  readonly plural: string;
  readonly kind: string;
  /** The API group; empty for the core group. */
  readonly group: string;
  readonly apiVersion: string;
  /** Kinds with a `spec` count its changes in `metadata.generation`. */
  readonly counted: boolean;
  /** The kind has a `status` subresource. */
  readonly hasStatus: boolean;
  /** False for what belongs to the cluster as a whole. */
  readonly namespaced: boolean;
}

/** What the server itself guarantees in an object's metadata; everything else is as the client sent it. */
export type Metadata = JsonObject & {
  readonly name: string;
  /** Absent where the kind has none. */
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
};

/** An object as the cluster stores it. */
export type ClusterObject = JsonObject & { readonly metadata: Metadata };

/** batch/v1 Jobs. */
export const jobs: Resource = {
  plural: 'jobs',
  kind: 'Job',
  group: 'batch',
  apiVersion: 'batch/v1',
  counted: true,
  hasStatus: true,
  namespaced: true,
};

/** Core Pods. */
export const pods: Resource = core('pods', 'Pod', true);

/** Core Secrets. */
export const secrets: Resource = core('secrets', 'Secret', false);

/** Nodes: a kubelet registers its own. */
export const nodes: Resource = { ...core('nodes', 'Node', false), hasStatus: true, namespaced: false };

/** All kinds. Those without a name above are stored and served like the others; nothing in the cluster reads them. */
export const allResources: readonly Resource[] = [
  jobs,
  pods,
  secrets,
  core('configmaps', 'ConfigMap', false),
  core('events', 'Event', false),
  nodes,
];

/** Where an object is; the namespace is empty where its kind has none. */
export function placeOf(object: ClusterObject): { readonly namespace: string; readonly name: string } {
  const { namespace = '', name } = object.metadata;
  return { namespace, name };
}

/** The plural with its group, as messages about an object name it: `jobs.batch`, `secrets`. */
export function qualifiedPlural(resource: Resource): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

/** The kind with its group, as messages about an invalid object name it: `Job.batch`, `Secret`. */
export function qualifiedKind(resource: Resource): string {
  return resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
}

/** A time the way Kubernetes writes it: RFC 3339 in UTC, without fractions. */
export function timestamp(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

/** A short random suffix of the letters that Kubernetes uses for generated names. */
export function randomSuffix(length = 5): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from({ length }, () => letters[Math.floor(Math.random() * letters.length)]).join('');
}

/** An owner reference, reduced to what the collector and the controller look at. */
export interface OwnerReference {
  readonly name: string;
  readonly uid: string;
  readonly controller: boolean;
  readonly blocks: boolean;
}

/** The object's owners. */
export function ownersOf(object: JsonObject): readonly OwnerReference[] {
  const references = objectAt(object, 'metadata')['ownerReferences'];
  if (!Array.isArray(references)) return [];
  return references.filter(isObject).map((reference) => ({
    name: textAt(reference, 'name') ?? '',
    uid: textAt(reference, 'uid') ?? '',
    controller: reference['controller'] === true,
    blocks: reference['blockOwnerDeletion'] === true,
  }));
}

/** The object's finalizers: it is not removed before they are. */
export function finalizersOf(object: JsonObject): readonly string[] {
  return textsOf(objectAt(object, 'metadata')['finalizers']);
}

/** Whether somebody asked for the object's removal. */
export function isBeingDeleted(object: JsonObject): boolean {
  return textAt(object, 'metadata', 'deletionTimestamp') !== undefined;
}

function textsOf(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function core(plural: string, kind: string, counted: boolean): Resource {
  return { plural, kind, group: '', apiVersion: 'v1', counted, hasStatus: counted, namespaced: true };
}
