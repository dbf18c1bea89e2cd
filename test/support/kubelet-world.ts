/** What the kubelet suite works with: a cluster, a kubelet on it, everything that was printed, and a watch of all pods. */

import { expect } from 'vitest';
import { type Json, type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import { type Kubelet, type KubeletOptions, startKubelet } from '../../local/kubelet/kubelet.ts';
import type { LogLine } from '../../local/kubelet/life.ts';
import { type ClusterClient, createClusterClient, type OpenWatch, type WatchEvent } from './cluster-client.ts';
import type { ClusterUnderTest } from './cluster-context.ts';

/** A cluster with a kubelet's token. Nothing else runs pods in its namespace. */
export interface KubeletCluster extends ClusterUnderTest {
  readonly kubeletToken: string;
}

/** The node of Node.js itself: what containers run. */
export const node: string = process.execPath;

/** Prints how the payload's file looks to a program that reads a configtree. */
const readConfigtree = `
  const { readFileSync, readlinkSync, readdirSync } = require('node:fs');
  const folder = process.env.SPRING_CONFIG_IMPORT.replace('configtree:', '');
  console.log(JSON.stringify({
    entries: readdirSync(folder).filter((name) => !name.startsWith('..2')),
    data: readlinkSync(folder + '..data'),
    link: readlinkSync(folder + 'EphemeralJobData'),
    content: readFileSync(folder + 'EphemeralJobData', 'utf8'),
    home: process.env.HOME !== undefined && process.env.HOME !== ${JSON.stringify(process.env['HOME'])},
    names: Object.keys(process.env).sort(),
  }));`;

/** A running world. */
export interface KubeletWorld {
  readonly client: ClusterClient;
  readonly watch: OpenWatch;
  /** Paths of collections. */
  readonly pods: string;
  readonly secrets: string;
  readonly configMaps: string;
  readonly jobs: string;
  /** Ends the kubelet and starts another one. */
  restartKubelet(options?: Partial<KubeletOptions>): Promise<void>;
  closeKubelet(): Promise<void>;
  create(path: string, body: JsonObject): Promise<void>;
  createSecret(name: string, data: JsonObject): Promise<void>;
  /** Waits for an event about the pod of this name. */
  until(name: string, wanted: (event: WatchEvent) => boolean): Promise<WatchEvent>;
  /** Waits until the pod is in one of the phases. */
  untilPhase(name: string, ...phases: readonly string[]): Promise<JsonObject>;
  /** Lines that containers have printed. */
  printed(stream?: LogLine['stream']): readonly string[];
  /** The Events about the pod, as `type reason: message`, once there are as many. */
  eventsOf(name: string, count: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Starts a kubelet on the cluster. */
export async function startWorld(cluster: KubeletCluster): Promise<KubeletWorld> {
  const core = `/api/v1/namespaces/${cluster.namespace}`;
  const pods = `${core}/pods`;
  const secrets = `${core}/secrets`;
  const client = createClusterClient(cluster);
  const log: LogLine[] = [];
  const watch = await client.watch(`${pods}?watch=1`);
  const { url: server, caPem, kubeletToken: token, namespace } = cluster;
  const start = (more: Partial<KubeletOptions> = {}): Promise<Kubelet> =>
    startKubelet({
      server,
      caPem,
      token,
      namespace,
      executor: [node, '-e', readConfigtree],
      onLog: (line) => log.push(line),
      ...more,
    });
  let kubelet = await start();
  const create: KubeletWorld['create'] = async (path, body) => {
    const { status, body: answer } = await client.send('POST', path, { body });
    expect({ status, answer }).toMatchObject({ status: 201 });
  };
  const until: KubeletWorld['until'] = (name, wanted) =>
    watch.until((event) => textAt(event.object, 'metadata', 'name') === name && wanted(event));
  return {
    client,
    watch,
    pods,
    secrets,
    configMaps: `${core}/configmaps`,
    jobs: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    restartKubelet: async (options) => {
      await kubelet.close();
      kubelet = await start(options);
    },
    closeKubelet: () => kubelet.close(),
    create,
    createSecret: (name, data) =>
      create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData: data }),
    until,
    untilPhase: async (name, ...phases) =>
      (await until(name, (event) => phases.includes(textAt(event.object, 'status', 'phase') ?? ''))).object,
    printed: (stream = 'stdout') => log.filter((line) => line.stream === stream).map((line) => line.text),
    eventsOf: async (name, count) => {
      const path = `${core}/events?fieldSelector=${encodeURIComponent(`involvedObject.name=${name}`)}`;
      let texts: readonly string[] = [];
      await expect
        .poll(
          async () => {
            texts = listAt((await client.send('GET', path)).body, 'items').map(textOf);
            return texts.length;
          },
          { timeout: 15_000 },
        )
        .toBeGreaterThanOrEqual(count);
      return texts;
    },
    close: async () => {
      await kubelet.close();
      watch.close();
      client.close();
      await cluster.close();
    },
  };
}

function textOf(event: Json): string {
  return `${textAt(event, 'type')} ${textAt(event, 'reason')}: ${textAt(event, 'message')}`;
}

/** A pod with one container. */
export function aPod(name: string, container: JsonObject, spec: JsonObject = {}): JsonObject {
  const executor = { name: 'executor', image: 'terrakube/executor:1', ...container };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { restartPolicy: 'Never', ...spec, containers: [executor] },
  };
}

/** A container that runs this script. */
export function script(text: string): JsonObject {
  return { command: [node, '-e', text] };
}

/** The state of the pod's container. */
export function stateOf(pod: Json): JsonObject {
  return objectAt(listAt(pod, 'status', 'containerStatuses')[0], 'state');
}

/** The pod's condition of this type. */
export function conditionOf(pod: Json, type: string): JsonObject {
  return objectAt(listAt(pod, 'status', 'conditions').find((condition) => textAt(condition, 'type') === type));
}
