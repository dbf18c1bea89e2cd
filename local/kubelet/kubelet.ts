/**
 * A kubelet without containers: each pod of a namespace runs as a process of this machine. It speaks nothing but the Kubernetes
 * API, so it serves the stand-in cluster and a real API server alike, and is the scheduler of both.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isObject, type JsonObject, listAt, textAt } from '../json.ts';
import { type ApiEvent, type ClusterApi, createClusterApi } from './api.ts';
import { createEventRecorder } from './events.ts';
import { unreachableImages } from './image.ts';
import type { LogLine, RunContext } from './life.ts';
import { describeNode, type Node, registerNode, reportNode } from './node.ts';
import { parsePod } from './pod.ts';
import { isFor, type PodRun, runPod } from './pod-run.ts';

/** How the kubelet starts. */
export interface KubeletOptions {
  /** URL of the API server. */
  readonly server: string;
  /** The authority that has signed its certificate. */
  readonly caPem: string;
  /**
   * A bearer token that may watch and bind pods, write their status, delete them, read Secrets and ConfigMaps, and write the
   * node and Events.
   */
  readonly token: string;
  readonly namespace: string;
  /** Command and arguments that stand in for the image of a container that has no `command`. */
  readonly executor: readonly string[];
  /** More environment of every process; what the pod sets wins. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the node offers, where that is to differ from {@link describeNode}'s. */
  readonly node?: Partial<Node>;
  /** Images that cannot be pulled; by default those of registries under `.invalid`. */
  readonly unpullable?: RegExp;
  /** Seconds that containers get to stop once the kubelet is closed. Without it they are killed, and nothing is reported. */
  readonly stopSeconds?: number;
  /** Called for each line of output. */
  onLog?(line: LogLine): void;
}

/** A running kubelet. */
export interface Kubelet {
  /** Ends the processes that it started, and removes their folders. */
  close(): Promise<void>;
}

/** A watch is opened anew after this long, as kubelets do. */
const watchSeconds = 300;

/** Between two reports that the node is ready, as of kubelets without leases. */
const heartbeatMs = 10_000;

/** Between two tries when the API server does not answer. */
const reconnectMs = 200;

/**
 * Starts a kubelet. It resolves once its node is registered and the pods that exist have been seen.
 *
 * @throws Error when the API server cannot be reached, or refuses the node.
 */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const root = await mkdtemp(join(tmpdir(), 'kubelet-'));
  const api = createClusterApi(options);
  const node = describeNode(options.node);
  const events = createEventRecorder(api, node.name);
  const runs = createRuns({
    api,
    node,
    events,
    unpullable: options.unpullable ?? unreachableImages,
    entrypoint: options.executor,
    environment: options.environment ?? {},
    root,
    log: (line) => options.onLog?.(line),
  });
  const state = { closed: false };
  const path = `/api/v1/namespaces/${options.namespace}/pods`;
  const seen = Promise.withResolvers<void>();
  try {
    await registerNode(api, node);
  } catch (error) {
    api.close();
    await rm(root, { recursive: true, force: true });
    throw error;
  }
  const following = follow({ api, path, runs, isClosed: () => state.closed, onListed: seen.resolve });
  // A process that ends without close() must not leave containers behind.
  process.once('exit', runs.killAll);
  const heartbeat = setInterval(() => void reportNode(api, node).catch(() => undefined), heartbeatMs);
  heartbeat.unref();
  await seen.promise;
  return {
    close: async () => {
      clearInterval(heartbeat);
      if (options.stopSeconds !== undefined) await runs.endAll(options.stopSeconds);
      state.closed = true;
      api.close();
      await runs.abandonAll();
      await following;
      process.off('exit', runs.killAll);
      await rm(root, { recursive: true, force: true });
    },
  };
}

interface Runs {
  see(event: ApiEvent): void;
  /** A fresh list: what is not in it is gone. */
  replace(objects: readonly JsonObject[]): void;
  /** Takes no more pods, and ends the ones that it has. */
  endAll(graceSeconds: number): Promise<void>;
  abandonAll(): Promise<void>;
  killAll(): void;
}

function createRuns(context: RunContext): Runs {
  const taken = new Map<string, PodRun>();
  let isEnding = false;

  function see({ type, object }: ApiEvent): void {
    const pod = parsePod(object);
    const run = taken.get(pod.uid);
    if (type === 'DELETED') {
      run?.vanish();
      taken.delete(pod.uid);
    } else if (run !== undefined) run.update(pod);
    else if (!isEnding && isFor(pod, context.node.name)) taken.set(pod.uid, runPod(pod, context));
  }

  return {
    see,
    replace: (objects) => {
      const present = new Set(objects.map((object) => parsePod(object).uid));
      for (const [uid, run] of taken) {
        if (present.has(uid)) continue;
        run.vanish();
        taken.delete(uid);
      }
      for (const object of objects) see({ type: 'ADDED', object });
    },
    endAll: async (graceSeconds) => {
      isEnding = true;
      await Promise.all([...taken.values()].map((run) => run.end(graceSeconds)));
    },
    abandonAll: async () => {
      await Promise.all([...taken.values()].map((run) => run.abandon()));
    },
    killAll: () => {
      for (const run of taken.values()) run.vanish();
    },
  };
}

interface Following {
  readonly api: ClusterApi;
  readonly path: string;
  readonly runs: Runs;
  isClosed(): boolean;
  onListed(): void;
}

/** Lists and watches until the kubelet is closed; lists again after a break or a forgotten version. */
async function follow({ api, path, runs, isClosed, onListed }: Following): Promise<void> {
  let version: string | undefined;
  while (!isClosed()) {
    try {
      if (version === undefined) {
        const { status, body } = await api.get(path);
        if (status !== 200) throw new Error(`The API server answered the list of pods with ${status}.`);
        version = textAt(body, 'metadata', 'resourceVersion');
        runs.replace(listAt(body, 'items').filter(isObject));
        onListed();
      }
      const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${version}`;
      const watched = await api.watch(`${path}?${query}`, (event) => {
        version = event.type === 'ERROR' ? undefined : textAt(event.object, 'metadata', 'resourceVersion');
        if (event.type === 'ERROR') return;
        if (event.type !== 'BOOKMARK') runs.see(event);
      });
      if (watched !== 200) throw new Error(`The API server answered the watch of pods with ${watched}.`);
    } catch {
      version = undefined;
      if (!isClosed()) await pause(reconnectMs);
    }
  }
}
