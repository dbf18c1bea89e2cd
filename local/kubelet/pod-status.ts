/** The pod statuses that a kubelet reports, as merge patches of `pods/status`. Pure. */

import { type JsonObject, textAt } from '../json.ts';
import type { ContainerEnd } from './container-process.ts';
import type { Pod } from './pod.ts';
import type { Waiting } from './sources.ts';

/** Bytes of output, and of a message file, that fit into a termination message. */
const maxLogMessageBytes = 2048;
const maxFileMessageBytes = 4096;

/** No node takes the pod. */
export function unscheduledStatus(message: string): JsonObject {
  const lastTransitionTime = timestamp(Date.now());
  const why = { reason: 'Unschedulable', message };
  return { conditions: [{ type: 'PodScheduled', status: 'False', lastProbeTime: null, lastTransitionTime, ...why }] };
}

/** The container waits. */
export function waitingStatus(pod: Pod, waiting: Waiting): JsonObject {
  return statusOf(pod, 'Pending', { waiting: { ...waiting } });
}

/** The container runs. */
export function runningStatus(pod: Pod, startedAtMs: number): JsonObject {
  return statusOf(pod, 'Running', { running: { startedAt: timestamp(startedAtMs) } });
}

/** The container has ended; `fileMessage` is what it wrote to its termination message file. */
export function endedStatus(pod: Pod, startedAtMs: number, end: ContainerEnd & { fileMessage: string }): JsonObject {
  const succeeded = end.exitCode === 0;
  const message = messageOf(pod, end);
  return statusOf(pod, succeeded ? 'Succeeded' : 'Failed', {
    terminated: {
      exitCode: end.exitCode,
      reason: end.started ? (succeeded ? 'Completed' : 'Error') : 'StartError',
      ...(message === '' ? {} : { message }),
      startedAt: end.started ? timestamp(startedAtMs) : '1970-01-01T00:00:00Z',
      finishedAt: timestamp(end.finishedAtMs),
    },
  });
}

/** The pod was deleted before its container was started, or an earlier kubelet took the container with it. */
export function lostStatus(pod: Pod): JsonObject {
  return statusOf(pod, 'Failed', {
    terminated: {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
      startedAt: null,
      finishedAt: null,
    },
  });
}

/** What is told about a command that cannot be started. */
export function startFailure(fault: string): string {
  return `failed to start container process: ${fault}`;
}

function statusOf(pod: Pod, phase: string, state: JsonObject): JsonObject {
  const { name, image } = pod.container;
  const ready = phase === 'Running';
  const ended = phase === 'Succeeded' || phase === 'Failed';
  const at = timestamp(Date.now());
  const why = phase === 'Pending' ? 'ContainersNotReady' : phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed';
  const condition = (type: string, isTrue: boolean): JsonObject => ({
    type,
    status: isTrue ? 'True' : 'False',
    lastTransitionTime: at,
    ...(isTrue ? {} : { reason: why }),
    ...(isTrue || ended ? {} : { message: `containers with unready status: [${name}]` }),
  });
  return {
    phase,
    conditions: [
      condition('Initialized', true),
      condition('Ready', ready),
      condition('ContainersReady', ready),
      condition('PodScheduled', true),
    ],
    hostIP: '127.0.0.1',
    podIP: '127.0.0.1',
    startTime: textAt(pod.object, 'status', 'startTime') ?? at,
    containerStatuses: [
      { name, image, imageID: '', state, lastState: {}, ready, started: ready && !ended, restartCount: 0 },
    ],
  };
}

function messageOf(pod: Pod, end: ContainerEnd & { fileMessage: string }): string {
  if (end.fault !== undefined) return startFailure(end.fault);
  if (end.fileMessage !== '') return tail(end.fileMessage, maxFileMessageBytes);
  if (end.exitCode === 0 || !pod.container.fallsBackToLogs || end.lastLines.length === 0) return '';
  return tail(`${end.lastLines.join('\n')}\n`, maxLogMessageBytes);
}

/** The last bytes of a text, without a broken character at their start. */
function tail(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  return bytes
    .subarray(Math.max(0, bytes.length - maxBytes))
    .toString('utf8')
    .replace(/^\uFFFD+/, '');
}

function timestamp(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
