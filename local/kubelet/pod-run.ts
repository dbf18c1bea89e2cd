/**
 * The life of one pod on this kubelet: get ready what it needs, run its container, report every step, and delete the pod once
 * it is asked to go.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startContainer } from './container-process.ts';
import { planProcess, type Relocation } from './environment.ts';
import type { PodEvent } from './events.ts';
import { type Life, pathOf, persist, type RunContext, report } from './life.ts';
import { hasEnded, type Pod } from './pod.ts';
import { endedStatus, lostStatus, runningStatus, startFailure } from './pod-status.ts';
import { prepare } from './prepare.ts';
import type { Sources } from './sources.ts';
import { writeVolume } from './volumes.ts';

/** A pod that this kubelet has taken. */
export interface PodRun {
  /** A newer state of the pod was seen. */
  update(pod: Pod): void;
  /** The pod is gone from the API: its container has no right to live. */
  vanish(): void;
  /** Kills the container and reports nothing more. */
  abandon(): Promise<void>;
  /** Lets the container end, or else stops it, and reports that; a pod that has not started is left alone. */
  end(graceSeconds: number): Promise<void>;
}

/** A container that is about to end by itself does so within this time, and its pod has succeeded. */
const ownEndMs = 2000;

/** Takes a pod. */
export function runPod(first: Pod, context: RunContext): PodRun {
  const bound = first.nodeName !== undefined;
  const life: Life = { pod: first, container: undefined, bound, gone: false, over: false };
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
    end: async (graceSeconds) => {
      if (life.container === undefined) life.gone = true;
      const isOver = (limitMs: number): Promise<boolean> =>
        Promise.race([done.then(() => true), pause(limitMs, false, { ref: false })]);
      if (await isOver(ownEndMs)) return;
      life.container?.stop(graceSeconds);
      // An API server that does not answer any more is told nothing.
      await isOver(graceSeconds * 1000 + ownEndMs);
    },
  };
}

async function live(life: Life, context: RunContext): Promise<void> {
  const folder = join(context.root, life.pod.uid);
  try {
    const lost = life.pod.phase === 'Running';
    const sources = lost ? undefined : await prepare(life, context);
    // A pod that has never had a node is nobody's to report: the API server or a controller removes it.
    if (sources === undefined && !life.bound) return;
    if (sources === undefined) await report(life, context, lostStatus(life.pod));
    else await runContainer(life, context, { folder, sources });
    life.over = true;
    if (life.pod.deletionGraceSeconds !== undefined) await removePod(life, context);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
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
  const home = join(folder, 'home');
  const base = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: home, ...context.environment };
  const plan = planProcess(pod.container, { sources, relocations, entrypoint: context.entrypoint, base });
  const container = await startContainer({
    ...plan,
    cwd: home,
    onLine: (stream, text) => context.log({ pod: pod.name, stream, text }),
  });
  life.container = container;
  if (life.gone) container.kill();
  else if (life.pod.deletionGraceSeconds !== undefined) container.stop(life.pod.deletionGraceSeconds);
  const record = (type: PodEvent['type'], reason: string, message: string): void =>
    context.events.record(pod, { by: 'kubelet', aboutContainer: true, type, reason, message });
  if (container.started) {
    record('Normal', 'Created', 'Container created');
    record('Normal', 'Started', 'Container started');
    await report(life, context, runningStatus(pod, container.startedAtMs));
  }
  const end = await container.ended;
  if (end.fault !== undefined) record('Warning', 'Failed', `Error: ${startFailure(end.fault)}`);
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

async function removePod(life: Life, context: RunContext): Promise<void> {
  const preconditions = { uid: life.pod.uid };
  await persist(life, context, () => context.api.delete(pathOf(life.pod), { gracePeriodSeconds: 0, preconditions }));
  life.gone = true;
}

/** Whether a kubelet of this name has anything to do for the pod. */
export function isFor(pod: Pod, nodeName: string): boolean {
  return !hasEnded(pod) && (pod.nodeName === undefined || pod.nodeName === nodeName);
}
