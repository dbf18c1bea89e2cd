// Job, Pods and Events as far as an outcome depends on them. Documents come from a client, from an event or from a file
// that somebody saved, so nothing in them is taken for granted: what is missing or of another kind is empty here.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { EXECUTOR_CONTAINER } from './job-manifest.ts';
import { LABEL } from './job-name.ts';
import { recordedVerdict } from './recorded-verdict.ts';
import { type EpochMs, timeOf } from './time.ts';

/** A condition of a Job or Pod that is, or is not, the case. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly since: EpochMs | undefined;
}

/** A container that has ended. */
export interface Terminated {
  readonly reason: string;
  readonly message: string;
  readonly exitCode: number | undefined;
  /** Undefined for a time that cannot be: the kubelet writes 1970-01-01 for a container that never started. */
  readonly startedAt: EpochMs | undefined;
  readonly finishedAt: EpochMs | undefined;
}

/** One container, by its status and its part of the pod's spec. */
export interface ContainerSight {
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly hasStatus: boolean;
  readonly waiting: { readonly reason: string; readonly message: string } | undefined;
  readonly running: { readonly startedAt: EpochMs | undefined } | undefined;
  readonly terminated: Terminated | undefined;
  /** It runs or has run, by anything in its status. */
  readonly hasRun: boolean;
  readonly memoryLimit: string;
  /** Longest variable with its name, in characters. */
  readonly longestEnv: number;
}

/** What was said about a Job or Pod. */
export interface EventSight {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** `spec.containers{executor}`, or empty for the whole object. */
  readonly fieldPath: string;
  readonly aboutUid: string;
  readonly at: EpochMs | undefined;
}

/** One pod of the Job. */
export interface PodSight {
  readonly name: string;
  readonly uid: string;
  /** Empty until the scheduler has chosen one. */
  readonly node: string;
  readonly createdAt: EpochMs | undefined;
  readonly startedAt: EpochMs | undefined;
  readonly isBeingDeleted: boolean;
  readonly deadlineSeconds: number | undefined;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly conditions: readonly Condition[];
  readonly executor: ContainerSight | undefined;
  /** All containers but the init containers. */
  readonly containers: readonly ContainerSight[];
  readonly initContainers: readonly ContainerSight[];
  /** The newest first. */
  readonly events: readonly EventSight[];
}

/** The Job with all that belongs to it. */
export interface JobSight {
  readonly name: string;
  readonly namespace: string;
  readonly type: string;
  /** How often the spec was written, our own stop not counted. */
  readonly generation: number;
  readonly createdAt: EpochMs | undefined;
  readonly isBeingDeleted: boolean;
  readonly deletedAt: EpochMs | undefined;
  readonly startedAt: EpochMs | undefined;
  readonly completedAt: EpochMs | undefined;
  readonly isSuspended: boolean;
  readonly deadlineSeconds: number | undefined;
  readonly graceSeconds: number | undefined;
  readonly conditions: readonly Condition[];
  readonly active: number;
  readonly ready: number;
  /** Pods that have ended, whether they are already counted or not. */
  readonly ended: number;
  /** Undefined when our role may not read them. The newest first. */
  readonly pods: readonly PodSight[] | undefined;
  /** About the Job itself. The newest first. */
  readonly events: readonly EventSight[];
}

/** Reads a Job, the Pods that it owns and the Events about it and them; all others are not looked at. */
export function jobSight(job: V1Job, pods: readonly V1Pod[] | undefined, events: readonly CoreV1Event[]): JobSight {
  const uid = text(at(job, 'metadata', 'uid'));
  const seen = list(events).map(eventSight).sort(newestFirst(eventKey));
  const about = (of: string): readonly EventSight[] =>
    of === '' ? [] : seen.filter(({ aboutUid }) => aboutUid === of);
  const own = pods && list(pods).filter((pod) => uid !== '' && ownersOf(pod).includes(uid));
  const uncounted = at(job, 'status', 'uncountedTerminatedPods');
  return {
    name: text(at(job, 'metadata', 'name')),
    namespace: text(at(job, 'metadata', 'namespace')),
    type: text(at(job, 'metadata', 'labels', LABEL.type)),
    // A stop sets the clock of the Job in the same patch that records its verdict.
    generation: count(at(job, 'metadata', 'generation')) - (recordedVerdict(job) === undefined ? 0 : 1),
    createdAt: timeOf(at(job, 'metadata', 'creationTimestamp')),
    isBeingDeleted: isSomething(at(job, 'metadata', 'deletionTimestamp')),
    deletedAt: timeOf(at(job, 'metadata', 'deletionTimestamp')),
    startedAt: timeOf(at(job, 'status', 'startTime')),
    completedAt: timeOf(at(job, 'status', 'completionTime')),
    isSuspended: at(job, 'spec', 'suspend') === true,
    deadlineSeconds: amount(at(job, 'spec', 'activeDeadlineSeconds')),
    graceSeconds: amount(at(job, 'spec', 'template', 'spec', 'terminationGracePeriodSeconds')),
    conditions: conditionsOf(job),
    active: count(at(job, 'status', 'active')),
    ready: count(at(job, 'status', 'ready')),
    ended:
      count(at(job, 'status', 'failed')) +
      count(at(job, 'status', 'succeeded')) +
      list(at(uncounted, 'failed')).length +
      list(at(uncounted, 'succeeded')).length,
    pods: own?.map((pod) => podSight(pod, about(text(at(pod, 'metadata', 'uid'))))).sort(newestFirst(podKey)),
    events: about(uid),
  };
}

/** The condition of this type, if it is True: only then does it say anything. */
export const trueCondition = (conditions: readonly Condition[], type: string): Condition | undefined =>
  conditions.find((condition) => condition.type === type && condition.status === 'True');

function podSight(pod: unknown, events: readonly EventSight[]): PodSight {
  const containers = containersOf(pod, 'containers', 'containerStatuses');
  return {
    name: text(at(pod, 'metadata', 'name')),
    uid: text(at(pod, 'metadata', 'uid')),
    node: text(at(pod, 'spec', 'nodeName')),
    createdAt: timeOf(at(pod, 'metadata', 'creationTimestamp')),
    startedAt: timeOf(at(pod, 'status', 'startTime')),
    isBeingDeleted: isSomething(at(pod, 'metadata', 'deletionTimestamp')),
    deadlineSeconds: amount(at(pod, 'spec', 'activeDeadlineSeconds')),
    phase: text(at(pod, 'status', 'phase')),
    reason: text(at(pod, 'status', 'reason')),
    message: text(at(pod, 'status', 'message')),
    conditions: conditionsOf(pod),
    executor:
      containers.find(({ name }) => name === EXECUTOR_CONTAINER) ??
      (containers.length === 1 ? containers[0] : undefined),
    containers,
    initContainers: containersOf(pod, 'initContainers', 'initContainerStatuses'),
    events,
  };
}

/** Containers of the spec, then those that only have a status. */
function containersOf(pod: unknown, specKey: string, statusKey: string): readonly ContainerSight[] {
  const specs = list(at(pod, 'spec', specKey));
  const statuses = list(at(pod, 'status', statusKey));
  const nameOf = (part: unknown): string => text(at(part, 'name'));
  const names = [...new Set([...specs, ...statuses].map(nameOf))];
  return names.map((name) =>
    containerSight(
      name,
      specs.find((spec) => nameOf(spec) === name),
      statuses.find((status) => nameOf(status) === name),
    ),
  );
}

function containerSight(name: string, spec: unknown, status: unknown): ContainerSight {
  const states = [at(status, 'state'), at(status, 'lastState')];
  const [running, wasRunning] = states.map((state) => at(state, 'running'));
  const [terminated, wasTerminated] = states.map((state) => terminatedOf(at(state, 'terminated')));
  const waiting = at(status, 'state', 'waiting');
  return {
    name,
    image: text(at(spec, 'image')) || text(at(status, 'image')),
    imageId: text(at(status, 'imageID')),
    hasStatus: isSomething(status),
    waiting: isSomething(waiting)
      ? { reason: text(at(waiting, 'reason')), message: text(at(waiting, 'message')) }
      : undefined,
    running: isSomething(running) ? { startedAt: realTime(at(running, 'startedAt')) } : undefined,
    terminated,
    hasRun:
      isSomething(running) ||
      isSomething(wasRunning) ||
      at(status, 'started') === true ||
      terminated?.startedAt !== undefined ||
      wasTerminated?.startedAt !== undefined,
    memoryLimit: text(at(spec, 'resources', 'limits', 'memory')),
    longestEnv: list(at(spec, 'env'))
      .map((variable) => `${text(at(variable, 'name'))}=${text(at(variable, 'value'))}`.length)
      .reduce((longest, length) => Math.max(longest, length), 0),
  };
}

function terminatedOf(state: unknown): Terminated | undefined {
  if (typeof state !== 'object' || state === null) return undefined;
  return {
    reason: text(at(state, 'reason')),
    message: text(at(state, 'message')),
    exitCode: amount(at(state, 'exitCode')),
    startedAt: realTime(at(state, 'startedAt')),
    finishedAt: realTime(at(state, 'finishedAt')),
  };
}

function realTime(value: unknown): EpochMs | undefined {
  const time = timeOf(value);
  return time !== undefined && time > 0 ? time : undefined;
}

const conditionsOf = (object: unknown): readonly Condition[] =>
  list(at(object, 'status', 'conditions')).map((condition) => ({
    type: text(at(condition, 'type')),
    status: text(at(condition, 'status')),
    reason: text(at(condition, 'reason')),
    message: text(at(condition, 'message')),
    since: timeOf(at(condition, 'lastTransitionTime')),
  }));

/** The scheduler dates its Events by `eventTime` alone, the kubelet by the other two. */
function eventSight(event: unknown): EventSight {
  const times = [at(event, 'series', 'lastObservedTime'), at(event, 'lastTimestamp'), at(event, 'eventTime')];
  return {
    type: text(at(event, 'type')),
    reason: text(at(event, 'reason')),
    message: text(at(event, 'message')),
    fieldPath: text(at(event, 'involvedObject', 'fieldPath')),
    aboutUid: text(at(event, 'involvedObject', 'uid')),
    at: times.map(timeOf).find((time) => time !== undefined) ?? timeOf(at(event, 'metadata', 'creationTimestamp')),
  };
}

const ownersOf = (pod: unknown): readonly string[] =>
  list(at(pod, 'metadata', 'ownerReferences')).map((owner) => text(at(owner, 'uid')));

type Key = readonly [time: number, ...texts: string[]];
const podKey = ({ createdAt, name, uid }: PodSight): Key => [createdAt ?? 0, name, uid];
const eventKey = ({ at: time, reason, message, fieldPath, type }: EventSight): Key => [
  time ?? 0,
  reason,
  message,
  fieldPath,
  type,
];

/** The order must not depend on that of a list, so of two equal times the texts decide. */
const newestFirst =
  <T>(keyOf: (value: T) => Key) =>
  (one: T, other: T): number => {
    const [[time, ...texts], [otherTime, ...otherTexts]] = [keyOf(one), keyOf(other)];
    const [a, b] = [texts.join('\0'), otherTexts.join('\0')];
    return otherTime - time || (a < b ? -1 : Number(a > b));
  };

function at(value: unknown, ...path: readonly string[]): unknown {
  let part = value;
  for (const key of path) part = typeof part === 'object' && part !== null ? Reflect.get(part, key) : undefined;
  return part;
}

/** A part that is there: an object, or a time as text. */
const isSomething = (value: unknown): boolean =>
  (typeof value === 'object' && value !== null) || (typeof value === 'string' && value !== '');

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const amount = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

const count = (value: unknown): number => Math.max(0, amount(value) ?? 0);
