// Whether the executor's container ever ran. A step that never ran may be started again; one that may have run never is,
// so a `no` needs a proof, and the kubelet's status alone is a poor one: it is overwritten when a pod ends, and it stays
// as it was when a node is lost.
import type { EverStarted } from './finding.ts';
import { type JobSight, type PodSight, trueCondition } from './job-sight.ts';
import { isUnreachableTaint } from './kubernetes-words.ts';

/** Says whether the executor ever ran, by all pods of the Job. */
export function everStarted(job: JobSight): EverStarted {
  const { pods } = job;
  if (pods === undefined) return 'unknown';
  const each = pods.map(podStarted);
  if (each.includes('yes')) return 'yes';
  if (pods.length === 0) return neverHadPod(job) ? 'no' : 'unknown';
  // Of a pod that is gone nothing is known.
  if (each.includes('unknown') || job.active + job.ended > pods.length) return 'unknown';
  return 'no';
}

/** No pod was ever created: nothing was counted, and the job controller says that it could not. */
function neverHadPod(job: JobSight): boolean {
  if (job.active + job.ready + job.ended > 0 || hasEvent(job, 'SuccessfulCreate')) return false;
  // A Job that was created suspended and never changed since has no pod either.
  return hasEvent(job, 'FailedCreate') || (job.isSuspended && job.generation === 1);
}

/** The node of a pod does not answer: what the kubelet said last may be out of date. */
export function isOnLostNode({ conditions, reason, events }: PodSight): boolean {
  const disruption = trueCondition(conditions, 'DisruptionTarget');
  if (reason === 'NodeLost' || isUnreachableTaint(disruption?.message ?? '')) return true;
  return events.some((event) => event.reason === 'NodeNotReady');
}

/** The kubelet refused the pod before it had containers. */
export const isRejected = ({ phase, reason, containers }: PodSight): boolean =>
  phase === 'Failed' &&
  (reason.startsWith('OutOf') || reason === 'NodeAffinity' || reason === 'UnexpectedAdmissionError') &&
  !containers.some(({ hasStatus }) => hasStatus);

/** What the kubelet says of a container that it cannot make: the image or something that it is configured with is missing. */
export const PULL_REASONS: readonly string[] = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
];
/** @see PULL_REASONS */
export const CONFIG_ERROR = 'CreateContainerConfigError';

/** Says whether the executor ran in this pod. */
export function podStarted(pod: PodSight): EverStarted {
  const { executor } = pod;
  if (executor?.hasRun || hasStartedEvent(pod) || isRunWithoutStatus(pod)) return 'yes';
  // Another container has run, so the pod was more than a plan.
  if (pod.containers.some(({ hasRun }) => hasRun)) return 'unknown';
  if (pod.node === '' || isRejected(pod) || executor?.terminated?.reason === 'StartError') return 'no';
  if (isOnLostNode(pod) || isLeftByItsNode(pod)) return 'unknown';
  const waiting = executor?.waiting?.reason ?? '';
  if (PULL_REASONS.includes(waiting) || waiting === CONFIG_ERROR) return 'no';
  const wasOverwritten = executor?.terminated?.reason === 'ContainerStatusUnknown';
  return wasOverwritten && executor.imageId === '' ? 'no' : 'unknown';
}

/** The control plane took the pod away without the kubelet's word. */
function isLeftByItsNode({ conditions }: PodSight): boolean {
  const reason = trueCondition(conditions, 'DisruptionTarget')?.reason;
  return reason === 'DeletionByTaintManager' || reason === 'DeletionByPodGC';
}

/** An Event outlives a status that was overwritten, for an hour. */
const hasStartedEvent = ({ events, executor }: PodSight): boolean =>
  events.some(
    ({ reason, fieldPath }) =>
      reason === 'Started' && (fieldPath === '' || fieldPath === `spec.containers{${executor?.name ?? ''}}`),
  );

const isRunWithoutStatus = ({ phase, executor }: PodSight): boolean =>
  !executor?.hasStatus && (phase === 'Running' || phase === 'Succeeded');

const hasEvent = ({ events }: JobSight, reason: string): boolean => events.some((event) => event.reason === reason);
