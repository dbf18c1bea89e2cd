/**
 * Everything before a pod's container can start, in the order of a real node: a place, the volumes, the image, the environment.
 * What is missing is waited for and reported: in the pod's status, and as an Event.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { PodEvent } from './events.ts';
import { pullDelays, pullFailure } from './image.ts';
import { isWanted, type Life, pathOf, persist, type RunContext, report, retryEveryMs } from './life.ts';
import { unscheduledStatus, waitingStatus } from './pod-status.ts';
import { whyUnschedulable } from './schedule.ts';
import { type Fetched, fetchEnvironment, fetchVolumes, type Sources, type Waiting } from './sources.ts';

/** Puts the pod on the node and gets what its container needs; undefined when the pod is to go before it has started. */
export async function prepare(life: Life, context: RunContext): Promise<Sources | undefined> {
  if (!life.bound) await schedule(life, context);
  if (!isWanted(life)) return undefined;
  const tell = createTeller(life, context);
  await tell({ reason: 'ContainerCreating' });
  const volumes = await obtain(life, { context, tell }, () => fetchVolumes(context.api, life.pod));
  if (volumes !== undefined) await pull(life, context, tell);
  const env = await obtain(life, { context, tell }, () => fetchEnvironment(context.api, life.pod));
  return volumes === undefined || env === undefined ? undefined : { volumes, env };
}

/** Binds the pod to the node as soon as it fits there. */
async function schedule(life: Life, context: RunContext): Promise<void> {
  const { api, node, events } = context;
  let told: string | undefined;
  while (isWanted(life)) {
    const message = whyUnschedulable(life.pod, node);
    if (message === undefined) break;
    if (told !== message) {
      told = message;
      await report(life, context, unscheduledStatus(message));
      events.record(life.pod, { by: 'scheduler', type: 'Warning', reason: 'FailedScheduling', message });
    }
    await pause(retryEveryMs);
  }
  if (!isWanted(life)) return;
  const { name, namespace } = life.pod;
  await persist(life, context, () =>
    api.post(`${pathOf(life.pod)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace },
      target: { apiVersion: 'v1', kind: 'Node', name: node.name },
    }),
  );
  life.bound = true;
  const message = `Successfully assigned ${namespace}/${name} to ${node.name}`;
  events.record(life.pod, { by: 'scheduler', type: 'Normal', reason: 'Scheduled', message });
}

type Teller = (waiting: Waiting) => Promise<void>;

/** Reports why the container waits. The same reason is reported once. */
function createTeller(life: Life, context: RunContext): Teller {
  let told: Waiting | undefined;
  return async (waiting) => {
    if (told?.reason === waiting.reason && told.message === waiting.message) return;
    told = waiting;
    await report(life, context, waitingStatus(life.pod, waiting));
  };
}

/** Fetches until everything is there; undefined when the pod is to go before that. */
async function obtain<T>(
  life: Life,
  { context, tell }: { readonly context: RunContext; readonly tell: Teller },
  fetch: () => Promise<Fetched<T>>,
): Promise<T | undefined> {
  let recorded: string | undefined;
  while (isWanted(life)) {
    const fetched = await fetch().catch(() => undefined);
    if (fetched !== undefined && 'found' in fetched) return fetched.found;
    if (fetched !== undefined) {
      await tell(fetched.waiting);
      if (recorded !== fetched.event.message) context.events.record(life.pod, fetched.event);
      recorded = fetched.event.message;
    }
    await pause(retryEveryMs);
  }
  return undefined;
}

/** Returns at once, but for an image that cannot be pulled: then when the pod is to go. */
async function pull(life: Life, context: RunContext, tell: Teller): Promise<void> {
  const { image } = life.pod.container;
  const record = (type: PodEvent['type'], reason: string, message: string): void =>
    context.events.record(life.pod, { by: 'kubelet', aboutContainer: true, type, reason, message });
  if (!context.unpullable.test(image)) {
    return record('Normal', 'Pulled', `Container image "${image}" already present on machine`);
  }
  const failure = pullFailure(image);
  const backOff = `Back-off pulling image "${image}"`;
  for (let backOffMs = pullDelays.firstMs; isWanted(life); backOffMs = Math.min(backOffMs * 2, pullDelays.longestMs)) {
    await tell({ reason: 'ErrImagePull', message: failure });
    record('Normal', 'Pulling', `Pulling image "${image}"`);
    record('Warning', 'Failed', `Failed to pull image "${image}": ${failure}`);
    record('Warning', 'Failed', 'Error: ErrImagePull');
    await pauseWhileWanted(life, pullDelays.reportMs);
    await tell({ reason: 'ImagePullBackOff', message: `${backOff}: ErrImagePull: ${failure}` });
    record('Normal', 'BackOff', backOff);
    record('Warning', 'Failed', 'Error: ImagePullBackOff');
    await pauseWhileWanted(life, backOffMs);
  }
}

async function pauseWhileWanted(life: Life, ms: number): Promise<void> {
  const endMs = Date.now() + ms;
  while (isWanted(life) && Date.now() < endMs) await pause(retryEveryMs);
}
