/** A pod as far as this kubelet reads it: one container, its sources of files and environment, and what was asked of it. */

import { isObject, type Json, type JsonObject, listAt, numberAt, objectAt, textAt } from '../json.ts';
import { parseQuantity } from './quantity.ts';

/** A reference to a Secret or ConfigMap. */
export interface Source {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
  /** A missing one, or a missing key of it, does not matter. */
  readonly optional: boolean;
}

/** One entry of a container's `env`. */
export interface EnvEntry {
  readonly name: string;
  readonly value?: string;
  readonly from?: Source & { readonly key: string };
  /** A path like `metadata.name`. */
  readonly field?: string;
}

/** A volume; without a source it is an empty folder. */
export interface Volume {
  readonly name: string;
  readonly source?: Source;
  /** Which keys become which files; without it every key becomes a file of its name. */
  readonly items?: readonly { readonly key: string; readonly path: string }[];
}

/** The container. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly EnvEntry[];
  readonly envFrom: readonly (Source & { readonly prefix: string })[];
  readonly mounts: readonly { readonly name: string; readonly path: string }[];
  readonly terminationMessagePath: string;
  readonly fallsBackToLogs: boolean;
}

/** The pod. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly nodeName: string | undefined;
  readonly phase: string;
  /** Seconds to leave to the container once the pod is being deleted; undefined while it is not. */
  readonly deletionGraceSeconds: number | undefined;
  readonly container: Container;
  readonly volumes: readonly Volume[];
  /** Labels that its node must have. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** What all its containers ask for, by resource. */
  readonly requests: Readonly<Record<string, number>>;
  /** The whole object, for `fieldRef`. */
  readonly object: JsonObject;
}

/** Reads a pod object of the API. */
export function parsePod(object: JsonObject): Pod {
  const metadata = objectAt(object, 'metadata');
  const spec = objectAt(object, 'spec');
  return {
    name: textAt(metadata, 'name') ?? '',
    namespace: textAt(metadata, 'namespace') ?? '',
    uid: textAt(metadata, 'uid') ?? '',
    nodeName: textAt(spec, 'nodeName'),
    phase: textAt(object, 'status', 'phase') ?? 'Pending',
    deletionGraceSeconds:
      textAt(metadata, 'deletionTimestamp') === undefined
        ? undefined
        : (numberAt(metadata, 'deletionGracePeriodSeconds') ?? 0),
    container: parseContainer(objectAt(listAt(spec, 'containers')[0])),
    volumes: listAt(spec, 'volumes').filter(isObject).map(parseVolume),
    nodeSelector: Object.fromEntries(
      Object.entries(objectAt(spec, 'nodeSelector')).map(([key, value]) => [key, String(value)]),
    ),
    requests: parseRequests(listAt(spec, 'containers')),
    object,
  };
}

/** A container without a request for a resource asks for its limit. */
function parseRequests(containers: readonly Json[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const container of containers) {
    const resources = objectAt(container, 'resources');
    const asked = { ...objectAt(resources, 'limits'), ...objectAt(resources, 'requests') };
    for (const [name, quantity] of Object.entries(asked)) {
      sums[name] = (sums[name] ?? 0) + parseQuantity(String(quantity));
    }
  }
  return sums;
}

/** Whether the pod needs a kubelet no more. */
export function hasEnded(pod: Pod): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

function parseContainer(container: JsonObject): Container {
  return {
    name: textAt(container, 'name') ?? '',
    image: textAt(container, 'image') ?? '',
    command: texts(container['command']),
    args: texts(container['args']),
    env: listAt(container, 'env').filter(isObject).map(parseEnvEntry),
    envFrom: listAt(container, 'envFrom').filter(isObject).flatMap(parseEnvFrom),
    mounts: listAt(container, 'volumeMounts').map((mount) => ({
      name: textAt(mount, 'name') ?? '',
      path: (textAt(mount, 'mountPath') ?? '').replace(/\/+$/, ''),
    })),
    terminationMessagePath: textAt(container, 'terminationMessagePath') ?? '/dev/termination-log',
    fallsBackToLogs: textAt(container, 'terminationMessagePolicy') === 'FallbackToLogsOnError',
  };
}

function parseEnvEntry(entry: JsonObject): EnvEntry {
  const name = textAt(entry, 'name') ?? '';
  const from = objectAt(entry, 'valueFrom');
  const field = textAt(from, 'fieldRef', 'fieldPath');
  if (field !== undefined) return { name, field };
  for (const [reference, kind] of [
    ['secretKeyRef', 'Secret'],
    ['configMapKeyRef', 'ConfigMap'],
  ] as const) {
    const found = from[reference];
    if (isObject(found)) return { name, from: { ...parseSource(kind, found), key: textAt(found, 'key') ?? '' } };
  }
  return { name, value: textAt(entry, 'value') ?? '' };
}

function parseEnvFrom(entry: JsonObject): readonly (Source & { readonly prefix: string })[] {
  const prefix = textAt(entry, 'prefix') ?? '';
  if (isObject(entry['secretRef'])) return [{ ...parseSource('Secret', entry['secretRef']), prefix }];
  if (isObject(entry['configMapRef'])) return [{ ...parseSource('ConfigMap', entry['configMapRef']), prefix }];
  return [];
}

function parseVolume(volume: JsonObject): Volume {
  const name = textAt(volume, 'name') ?? '';
  const { secret, configMap } = volume;
  const given = isObject(secret) ? secret : configMap;
  if (!isObject(given)) return { name };
  const items = listAt(given, 'items').map((item) => ({
    key: textAt(item, 'key') ?? '',
    path: textAt(item, 'path') ?? '',
  }));
  const source = parseSource(isObject(secret) ? 'Secret' : 'ConfigMap', given);
  return { name, source, ...(items.length === 0 ? {} : { items }) };
}

function parseSource(kind: Source['kind'], reference: JsonObject): Source {
  const name = textAt(reference, 'name') ?? textAt(reference, 'secretName') ?? '';
  return { kind, name, optional: reference['optional'] === true };
}

function texts(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
