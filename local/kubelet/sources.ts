/**
 * Fetches what a container needs before it can start: the Secrets and ConfigMaps behind its volumes and its environment. A
 * missing one makes the container wait, with the words that a kubelet uses.
 */

import { at, objectAt } from '../json.ts';
import type { ClusterApi } from './api.ts';
import type { EnvEntry, Pod, Source, Volume } from './pod.ts';

/** Why a container does not start yet. */
export interface Waiting {
  readonly reason: 'ContainerCreating' | 'CreateContainerConfigError';
  readonly message?: string;
}

/** Everything that the container needs. */
export interface Sources {
  /** Per volume: file path in it → content. */
  readonly volumes: ReadonlyMap<string, ReadonlyMap<string, Buffer>>;
  /** In the order in which Kubernetes applies them; `literal` values may hold `$(NAME)`. */
  readonly env: readonly { readonly name: string; readonly value: string; readonly literal: boolean }[];
}

/** The result of one try. */
export type Fetched = { readonly sources: Sources } | { readonly waiting: Waiting };

type Data = ReadonlyMap<string, Buffer>;

/**
 * Tries to fetch everything.
 *
 * @throws Error when the API server does not answer, or refuses.
 */
export async function fetchSources(api: ClusterApi, pod: Pod): Promise<Fetched> {
  const volumes = new Map<string, Data>();
  for (const volume of pod.volumes) {
    const files = await filesOf(api, pod, volume);
    if (files === undefined) return { waiting: { reason: 'ContainerCreating' } };
    volumes.set(volume.name, files);
  }
  const env: { name: string; value: string; literal: boolean }[] = [];
  for (const source of pod.container.envFrom) {
    const data = await fetchData(api, pod, source);
    if (data === undefined && !source.optional) return { waiting: notFound(source) };
    for (const [key, value] of data ?? []) {
      env.push({ name: source.prefix + key, value: value.toString('utf8'), literal: false });
    }
  }
  for (const entry of pod.container.env) {
    const value = await envValue(api, pod, entry);
    if (typeof value === 'object') return { waiting: value };
    if (value !== undefined) env.push({ name: entry.name, value, literal: entry.value !== undefined });
  }
  return { sources: { volumes, env } };
}

async function filesOf(api: ClusterApi, pod: Pod, volume: Volume): Promise<Data | undefined> {
  if (volume.source === undefined) return new Map();
  const data = await fetchData(api, pod, volume.source);
  if (data === undefined) return volume.source.optional ? new Map() : undefined;
  if (volume.items === undefined) return data;
  const files = new Map<string, Buffer>();
  for (const { key, path } of volume.items) {
    const content = data.get(key);
    if (content !== undefined) files.set(path, content);
    else if (!volume.source.optional) return undefined;
  }
  return files;
}

async function envValue(api: ClusterApi, pod: Pod, entry: EnvEntry): Promise<string | undefined | Waiting> {
  if (entry.value !== undefined) return entry.value;
  if (entry.field !== undefined) return String(at(pod.object, ...entry.field.split('.')) ?? '');
  const { from } = entry;
  if (from === undefined) return '';
  const data = await fetchData(api, pod, from);
  const value = data?.get(from.key);
  if (value !== undefined) return value.toString('utf8');
  if (from.optional) return undefined;
  if (data === undefined) return notFound(from);
  const message = `couldn't find key ${from.key} in ${from.kind} ${pod.namespace}/${from.name}`;
  return { reason: 'CreateContainerConfigError', message };
}

/** The content of a Secret or ConfigMap; undefined when there is none. */
async function fetchData(api: ClusterApi, pod: Pod, source: Source): Promise<Data | undefined> {
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

function notFound(source: Source): Waiting {
  const kind = source.kind === 'Secret' ? 'secret' : 'configmap';
  return { reason: 'CreateContainerConfigError', message: `${kind} "${source.name}" not found` };
}
