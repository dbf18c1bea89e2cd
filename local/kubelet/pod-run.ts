/**
 * The life of one pod on this kubelet: bind it, wait for its Secrets, run its container, report every step, and delete the pod
 * once it is asked to go.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { JsonObject } from '../json.ts';
import type { ApiAnswer, ClusterApi } from './api.ts';
import { type ContainerProcess, startContainer } from './container-process.ts';
import { planProcess, type Relocation } from './environment.ts';
import { hasEnded, type Pod } from './pod.ts';
import { endedStatus, lostStatus, runningStatus, waitingStatus } from './pod-status.ts';
import { fetchSources, type Sources, type Waiting } from './sources.ts';
import { writeVolume } from './volumes.ts';

/** A line of a container's output, or of the kubelet about the pod. */
export interface LogLine {
  readonly pod: string;
  readonly stream: 'stdout' | 'stderr' | 'kubelet';
  readonly text: string;
}

/** What the runs of all pods share. */
export interface RunContext {
  readonly api: ClusterApi;
  readonly nodeName: string;
  /** What the image of every container would start. */
  readonly entrypoint: readonly string[];
  /** The folder under which each pod has one. */
  readonly root: string;
  log(line: LogLine): void;
}

/** A pod that this kubelet has taken. */
export interface PodRun {
  /** A newer state of the pod was seen. */
  update(pod: Pod): void;
  /** The pod is gone from the API: its container has no right to live. */
  vanish(): void;
  /** Kills the container and reports nothing more. */
  abandon(): Promise<void>;
}

/** Between two tries of something that is not there yet. */
const retryEveryMs = 100;

/** Takes a pod. */
export function runPod(first: Pod, context: RunContext): PodRun {
  const life: Life = { pod: first, container: undefined, gone: false, over: false };
  const done = live(life, context).catch((error: unknown) => {
    context.log({ pod: first.name, stream: 'kubelet', text: `gave up: ${String(error)}` });
  });
  return {
    update: (pod) => {
      life.pod = pod;
      if (pod.deletionGraceSeconds === undefined) return;
      if (life.over) void removePod(life, context).catch(() => undefined);
      else life.container?.stop(pod.deletionGraceSeconds);
    },
    vanish: () => {
      life.gone = true;
      life.container?.kill();
    },
    abandon: async () => {
      life.gone = true;
      life.container?.kill();
      await done;
    },
  };
}

/** The mutable part of a run. */
interface Life {
  pod: Pod;
  container: ContainerProcess | undefined;
  /** The pod is gone, or the kubelet closes: nothing is reported any more. */
  gone: boolean;
  /** The end has been reported. */
  over: boolean;
}

async function live(life: Life, context: RunContext): Promise<void> {
  const folder = join(context.root, life.pod.uid);
  try {
    const lost = life.pod.phase === 'Running';
    const sources = lost ? undefined : await prepare(life, context);
    if (sources === undefined) await report(life, context, lostStatus(life.pod));
    else await runContainer(life, context, { folder, sources });
    life.over = true;
    if (life.pod.deletionGraceSeconds !== undefined) await removePod(life, context);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Binds the pod and waits for its sources; undefined when the pod is to go before it has started. */
async function prepare(life: Life, context: RunContext): Promise<Sources | undefined> {
  let told: Waiting | undefined;
  const tell = async (waiting: Waiting): Promise<void> => {
    if (told?.reason === waiting.reason && told.message === waiting.message) return;
    told = waiting;
    await report(life, context, waitingStatus(life.pod, waiting));
  };
  if (life.pod.nodeName === undefined) await bind(life, context);
  await tell({ reason: 'ContainerCreating' });
  while (!life.gone && life.pod.deletionGraceSeconds === undefined) {
    const fetched = await fetchSources(context.api, life.pod).catch(() => undefined);
    if (fetched !== undefined && 'sources' in fetched) return fetched.sources;
    if (fetched !== undefined) await tell(fetched.waiting);
    await pause(retryEveryMs);
  }
  return undefined;
}

async function bind(life: Life, context: RunContext): Promise<void> {
  await persist(life, context, () =>
    context.api.post(`${pathOf(life.pod)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: life.pod.name, namespace: life.pod.namespace },
      target: { apiVersion: 'v1', kind: 'Node', name: context.nodeName },
    }),
  );
}

async function runContainer(
  life: Life,
  context: RunContext,
  given: { folder: string; sources: Sources },
): Promise<void> {
  const { pod } = life;
  const { folder, sources } = given;
  const messageFile = join(folder, 'termination-log');
  const relocations = await writeFiles(pod, folder, sources);
  const base = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: join(folder, 'home') };
  const plan = planProcess(pod.container, { sources, relocations, entrypoint: context.entrypoint, base });
  const container = await startContainer({
    ...plan,
    cwd: base.HOME,
    onLine: (stream, text) => context.log({ pod: pod.name, stream, text }),
  });
  life.container = container;
  if (life.gone) container.kill();
  else if (life.pod.deletionGraceSeconds !== undefined) container.stop(life.pod.deletionGraceSeconds);
  if (container.started) await report(life, context, runningStatus(pod, container.startedAtMs));
  const end = await container.ended;
  const fileMessage = await readFile(messageFile, 'utf8').catch(() => '');
  await report(life, context, endedStatus(pod, container.startedAtMs, { ...end, fileMessage }));
}

/** Makes the pod's folders, and tells which of the container's paths they stand in for. */
async function writeFiles(pod: Pod, folder: string, sources: Sources): Promise<readonly Relocation[]> {
  await mkdir(join(folder, 'home'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'termination-log'), '');
  for (const [name, files] of sources.volumes) await writeVolume(join(folder, 'volumes', name), files, Date.now());
  const mounts = pod.container.mounts.map(({ name, path }) => ({ from: path, to: join(folder, 'volumes', name) }));
  return [...mounts, { from: pod.container.terminationMessagePath, to: join(folder, 'termination-log') }];
}

async function report(life: Life, context: RunContext, status: JsonObject): Promise<void> {
  await persist(life, context, () => context.api.patch(`${pathOf(life.pod)}/status`, { status }));
}

async function removePod(life: Life, context: RunContext): Promise<void> {
  const preconditions = { uid: life.pod.uid };
  await persist(life, context, () => context.api.delete(pathOf(life.pod), { gracePeriodSeconds: 0, preconditions }));
  life.gone = true;
}

/**
 * Tries until the server has answered for good. A pod that is not there any more ends the run.
 *
 * @throws Error when the server refuses.
 */
async function persist(life: Life, context: RunContext, call: () => Promise<ApiAnswer>): Promise<void> {
  while (!life.gone) {
    const answer = await call().catch(() => undefined);
    const status = answer?.status ?? 503;
    if (status < 300) return;
    if (status === 404) {
      life.gone = true;
      life.container?.kill();
      return;
    }
    if (status < 500 && status !== 429) {
      const message = String(answer?.body['message'] ?? '');
      if (status === 409 && message.includes(`already assigned to node "${context.nodeName}"`)) return;
      throw new Error(`the API server answered ${status}: ${message}`);
    }
    await pause(retryEveryMs);
  }
}

function pathOf(pod: Pod): string {
  return `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
}

/** Whether a kubelet of this name has anything to do for the pod. */
export function isFor(pod: Pod, nodeName: string): boolean {
  return !hasEnded(pod) && (pod.nodeName === undefined || pod.nodeName === nodeName);
}
