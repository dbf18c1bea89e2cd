/**
 * Fetches what a container needs before it can start: the Secrets and ConfigMaps behind its volumes and its environment. A
 * missing one makes the container wait, with the words that a kubelet uses.
 */

import { at, objectAt } from '../json.ts';
import type { ClusterApi } from './api.ts';
import type { PodEvent } from './events.ts';
import type { EnvEntry, Pod, Source, Volume } from './pod.ts';

/** Why a container does not start yet. */
export interface Waiting {
  readonly reason: 'ContainerCreating' | 'CreateContainerConfigError' | 'ErrImagePull' | 'ImagePullBackOff';
  readonly message?: string;
}

/** File path in a volume → content. */
export type Files = ReadonlyMap<string, Buffer>;

/** One variable; a `literal` value may hold `$(NAME)`. */
interface Variable {
  readonly name: string;
  readonly value: string;
  readonly literal: boolean;
}

/** Everything that the container needs. */
export interface Sources {
  readonly volumes: ReadonlyMap<string, Files>;
  /** In the order in which Kubernetes applies them. */
  readonly env: readonly Variable[];
}

/** The result of one try: what was asked for, or what is reported about what is missing. */
export type Fetched<T> = { readonly found: T } | { readonly waiting: Waiting; readonly event: PodEvent };

/**
 * Tries to fetch the content of all volumes.
 *
 * @throws Error when the API server does not answer, or refuses.
 */
export async function fetchVolumes(api: ClusterApi, pod: Pod): Promise<Fetched<Sources['volumes']>> {
  const volumes = new Map<string, Files>();
  for (const volume of pod.volumes) {
    const files = await filesOf(api, pod, volume);
    if (typeof files === 'string') {
      const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${files}`;
      const event = { by: 'kubelet', type: 'Warning', reason: 'FailedMount', message } as const;
      return { waiting: { reason: 'ContainerCreating' }, event };
    }
    volumes.set(volume.name, files);
  }
  return { found: volumes };
}

/**
 * Tries to fetch the container's environment.
 *
 * @throws Error when the API server does not answer, or refuses.
 */
export async function fetchEnvironment(api: ClusterApi, pod: Pod): Promise<Fetched<Sources['env']>> {
  const env: Variable[] = [];
  for (const source of pod.container.envFrom) {
    const data = await fetchData(api, pod, source);
    if (data === undefined && !source.optional) return configError(notFound(source));
    for (const [key, value] of data ?? []) {
      env.push({ name: source.prefix + key, value: value.toString('utf8'), literal: false });
    }
  }
  for (const entry of pod.container.env) {
    const value = await envValue(api, pod, entry);
    if (typeof value === 'object') return configError(value.missing);
    if (value !== undefined) env.push({ name: entry.name, value, literal: entry.value !== undefined });
  }
  return { found: env };
}

function configError(message: string): Fetched<never> {
  return {
    waiting: { reason: 'CreateContainerConfigError', message },
    event: { by: 'kubelet', aboutContainer: true, type: 'Warning', reason: 'Failed', message: `Error: ${message}` },
  };
}

/** The files of a volume, or what is missing. */
async function filesOf(api: ClusterApi, pod: Pod, { source, items }: Volume): Promise<Files | string> {
  if (source === undefined) return new Map();
  const data = await fetchData(api, pod, source);
  if (data === undefined) return source.optional ? new Map() : notFound(source);
  if (items === undefined) return data;
  const files = new Map<string, Buffer>();
  for (const { key, path } of items) {
    const content = data.get(key);
    if (content !== undefined) files.set(path, content);
    else if (!source.optional) return `references non-existent ${nameOf(source.kind)} key: ${key}`;
  }
  return files;
}

async function envValue(
  api: ClusterApi,
  pod: Pod,
  entry: EnvEntry,
): Promise<string | undefined | { readonly missing: string }> {
  if (entry.value !== undefined) return entry.value;
  if (entry.field !== undefined) return String(at(pod.object, ...entry.field.split('.')) ?? '');
  const { from } = entry;
  if (from === undefined) return '';
  const data = await fetchData(api, pod, from);
  const value = data?.get(from.key);
  if (value !== undefined) return value.toString('utf8');
  if (from.optional) return undefined;
  if (data === undefined) return { missing: notFound(from) };
  return { missing: `couldn't find key ${from.key} in ${from.kind} ${pod.namespace}/${from.name}` };
}

/** The content of a Secret or ConfigMap; undefined when there is none. */
async function fetchData(api: ClusterApi, pod: Pod, source: Source): Promise<Files | undefined> {
  const plural = source.kind === 'Secret' ? 'secrets' : 'configmaps';
  const { status, body } = await api.get(`/api/v1/namespaces/${pod.namespace}/${plural}/${source.name}`);
  if (status === 404) return undefined;
  if (status !== 200) throw new Error(`GET ${plural} answered ${status}`);
  const encoded = source.kind === 'Secret' ? objectAt(body, 'data') : objectAt(body, 'binaryData');
  const plain = source.kind === 'Secret' ? {} : objectAt(body, 'data');
  return new Map([
    ...Object.entries(encoded).map(([key, value]) => [key, Buffer.from(String(value), 'base64')] as const),
    ...Object.entries(plain).map(([key, value]) => [key, Buffer.from(String(value))] as const),
  ]);
}

function notFound(source: Source): string {
  return `${nameOf(source.kind)} "${source.name}" not found`;
}

/** How messages write the kind. */
function nameOf(kind: Source['kind']): string {
  return kind === 'Secret' ? 'secret' : 'configmap';
}
