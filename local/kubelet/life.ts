/** One pod's life on this kubelet, as far as its parts share it: its state, and calls that are repeated until answered. */

import { setTimeout as pause } from 'node:timers/promises';
import type { JsonObject } from '../json.ts';
import type { ApiAnswer, ClusterApi } from './api.ts';
import type { ContainerProcess } from './container-process.ts';
import type { EventRecorder } from './events.ts';
import type { Node } from './node.ts';
import type { Pod } from './pod.ts';

/** A line of a container's output, or of the kubelet about the pod. */
export interface LogLine {
  readonly pod: string;
  readonly stream: 'stdout' | 'stderr' | 'kubelet';
  readonly text: string;
}

/** What the runs of all pods share. */
export interface RunContext {
  readonly api: ClusterApi;
  readonly node: Node;
  readonly events: EventRecorder;
  /** Images that cannot be pulled. */
  readonly unpullable: RegExp;
  /** What the image of every container would start. */
  readonly entrypoint: readonly string[];
  /** What every container has in its environment, unless its pod says otherwise. */
  readonly environment: Readonly<Record<string, string>>;
  /** The folder under which each pod has one. */
  readonly root: string;
  log(line: LogLine): void;
}

/** The mutable part of a run. */
export interface Life {
  pod: Pod;
  container: ContainerProcess | undefined;
  /** The pod is on the node: its end is this kubelet's to report. */
  bound: boolean;
  /** The pod is gone, or the kubelet closes: nothing is reported any more. */
  gone: boolean;
  /** The end has been reported. */
  over: boolean;
}

/** Between two tries of something that is not there yet. */
export const retryEveryMs = 100;

/** Whether the pod is still wanted. */
export function isWanted(life: Life): boolean {
  return !life.gone && life.pod.deletionGraceSeconds === undefined;
}

/** Writes the pod's status. */
export async function report(life: Life, context: RunContext, status: JsonObject): Promise<void> {
  await persist(life, context, () => context.api.patch(`${pathOf(life.pod)}/status`, { status }));
}

/**
 * Tries until the server has answered for good. A pod that is not there any more ends the run.
 *
 * @throws Error when the server refuses.
 */
export async function persist(life: Life, context: RunContext, call: () => Promise<ApiAnswer>): Promise<void> {
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
      if (status === 409 && message.includes(`already assigned to node "${context.node.name}"`)) return;
      throw new Error(`the API server answered ${status}: ${message}`);
    }
    await pause(retryEveryMs);
  }
}

/** The pod's path in the API. */
export function pathOf(pod: Pod): string {
  return `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
}
