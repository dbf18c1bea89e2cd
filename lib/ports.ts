// The doorways between the flows and the outside. Interfaces only: a client fills each one for production, an in-memory
// one for tests, and both pass the same contract suite.
import type { CoreV1Event, V1Job, V1Pod, V1Secret } from '@kubernetes/client-node';
import type { ApiRefusal } from './domain/create-answer.ts';
import type { DispatchIds } from './domain/dispatch-request.ts';
import type { MetricValues } from './domain/metric-names.ts';
import type { RecordedVerdict } from './domain/recorded-verdict.ts';
import type { ListedTerrakubeJob, TerrakubeJob } from './domain/terrakube-job.ts';
import type { DurationMs, EpochMs, Seconds } from './domain/time.ts';

/** Answer of the Kubernetes API: the object, the refusal, or `noAnswer` when it may or may not have been done. */
export type ApiAnswer<T> =
  | { readonly kind: 'ok'; readonly object: T }
  | { readonly kind: 'refused'; readonly refusal: ApiRefusal }
  | { readonly kind: 'noAnswer' };

/** Answer to a compare-and-swap; `conflict`: somebody changed the object since it was read. */
export type PatchAnswer = 'patched' | 'conflict' | 'notFound' | 'forbidden';

/** Jobs and payload Secrets in the executors' namespace. Reads throw a DispatcherError when they cannot be done. */
export interface JobStore {
  listJobs(labelSelector: string): Promise<readonly V1Job[]>;
  getJob(name: string): Promise<V1Job | 'notFound'>;
  createJob(job: V1Job): Promise<ApiAnswer<V1Job>>;
  /** What is answered is who the Secret is: its data does not travel back. */
  createSecret(secret: V1Secret): Promise<ApiAnswer<Pick<V1Secret, 'metadata'>>>;
  /** The uids of the Secret's owners; its data is not looked at. `forbidden` when our role may not read Secrets. */
  getSecretOwners(name: string): Promise<readonly string[] | 'notFound' | 'forbidden'>;
  /** Lets a suspended Job start, if it is still at this resourceVersion. */
  resumeJob(name: string, resourceVersion: string): Promise<PatchAnswer>;
  /** Records a verdict and sets the Job's clock to one second, if the Job is still at this resourceVersion. */
  stopJob(name: string, resourceVersion: string, verdict: RecordedVerdict): Promise<PatchAnswer>;
}

/** What is observed of the cluster, and what a verdict does there. Reads throw a DispatcherError when they cannot be done. */
export interface ObservedCluster {
  /** The API server's clock, as of its last answer. */
  serverNow(): EpochMs;
  getJob(name: string): Promise<V1Job | 'notFound'>;
  listJobs(labelSelector: string): Promise<readonly V1Job[]>;
  listPods(jobName: string): Promise<readonly V1Pod[] | 'forbidden'>;
  /** Events about one object, whatever its kind. */
  listEvents(objectName: string): Promise<readonly CoreV1Event[] | 'forbidden'>;
  /** Records a verdict and sets the Job's clock to one second, if the Job is still at this resourceVersion. */
  stopJob(name: string, resourceVersion: string, verdict: RecordedVerdict): Promise<PatchAnswer>;
  /** Sets annotations, if the Job is still at this resourceVersion. */
  annotateJob(
    name: string,
    resourceVersion: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<PatchAnswer>;
  /** Deletes the Job of this uid, with its pods and Secrets; one that is gone is fine. */
  deleteJob(name: string, uid: string): Promise<void>;
  /** Deletes the pod of this uid; one that is gone, or that we may not delete, is fine. */
  deletePod(name: string, uid: string, gracePeriodSeconds: Seconds): Promise<void>;
}

/** A list, and the version of the cluster that it shows: what is watched from there on misses nothing. */
export interface Snapshot<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** What is watched. */
export interface WatchRequest<T> {
  readonly labelSelector: string;
  /** The version after which changes are wanted. */
  readonly resourceVersion: string;
  /** The stream is closed after this time, by the API server and, when that says nothing, by us. */
  readonly timeout: Seconds;
  /** One change; `deleted` brings the object's last document. */
  onChange(change: { readonly kind: 'changed' | 'deleted'; readonly object: T }): void;
}

/**
 * How a watch ended: `closed`, to be opened again from this version, or `expired`, when the server does not know the
 * version any more and only a new list helps.
 */
export type WatchEnd = { readonly kind: 'closed'; readonly resourceVersion: string } | { readonly kind: 'expired' };

/** A watch that is open. */
export interface OpenWatch {
  /** Rejects with a DispatcherError when the watch is refused, or cannot be opened. */
  readonly ended: Promise<WatchEnd>;
  /** Closes it; `ended` is then settled. */
  close(): void;
}

/** The whole of the executors' namespace, as the reconciler reads it. Reads throw a DispatcherError when they cannot be done. */
export interface ReconciledCluster extends ObservedCluster {
  /** All Jobs with these labels, without what nobody here reads of them. */
  snapshotJobs(labelSelector: string): Promise<Snapshot<V1Job>>;
  /** The pods with these labels that have not ended. */
  snapshotPods(labelSelector: string): Promise<Snapshot<V1Pod> | 'forbidden'>;
  /** All warning Events of the namespace. */
  listWarnings(): Promise<readonly CoreV1Event[] | 'forbidden'>;
  watchJobs(request: WatchRequest<V1Job>): OpenWatch;
  /** Pods that end leave the watch as `deleted`, as they leave the snapshot. */
  watchPods(request: WatchRequest<V1Pod>): OpenWatch;
  /** Deletes the payload Secret of this name if this Job owns it; one that is gone is fine. */
  deletePayload(name: string, jobUid: string): Promise<'deleted' | 'notOurs' | 'forbidden'>;
}

/** What may be changed on a job or step; an absent field stays as it is. */
export interface TerrakubeChange {
  readonly status?: string;
  readonly comments?: string;
  readonly name?: string;
  readonly output?: string;
}

/** Terrakube's JSON:API and its log stream. Every method throws a DispatcherError when Terrakube does not do it. */
export interface Terrakube {
  getJob(ids: DispatchIds): Promise<TerrakubeJob | 'notFound'>;
  patchJob(ids: DispatchIds, change: TerrakubeChange): Promise<void>;
  patchStep(ids: DispatchIds, change: TerrakubeChange): Promise<void>;
  appendLog(ids: DispatchIds, lines: readonly string[]): Promise<void>;
  /** The run's log as a user sees it while the step waits; empty once the step has failed. */
  readLog(ids: DispatchIds): Promise<string>;
}

/** Jobs of all organizations at once. Every method throws a DispatcherError when Terrakube does not answer. */
export interface TerrakubeJobs {
  /** The jobs that are live and have steps, by their ids. A list is never evidence that a job is gone. */
  listLiveJobs(): Promise<ReadonlyMap<string, ListedTerrakubeJob>>;
  /** These jobs, whatever their status; one that Terrakube does not have is absent. */
  listJobs(jobIds: readonly string[]): Promise<ReadonlyMap<string, ListedTerrakubeJob>>;
}

/** A message for the job queue. */
export interface QueueMessage {
  readonly body: string;
  /** String attributes; they count towards the message's size. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Fair queues keep one organization's backlog from delaying the others. */
  readonly groupId: string;
}

/** Answer of the queue to a message. Throws `queueUnavailable` when nothing can be stored at all. */
export type SendAnswer = 'sent' | 'contentRefused' | 'tooLarge';

/** Where intake puts accepted payloads. */
export interface JobQueue {
  send(message: QueueMessage): Promise<SendAnswer>;
}

/** What dispatch does with the messages that it received. */
export interface MessageHandling {
  /** Makes a message visible again after this time, so that it is delivered once more. */
  setDelay(receiptHandle: string, delay: Seconds): Promise<void>;
  /** Puts a copy on the job queue, to be delivered after this time, 15 minutes at most. */
  sendAgain(message: QueueMessage, delay: Seconds): Promise<void>;
  /** Puts a copy on the dead-letter queue. */
  sendDeadLetter(message: Omit<QueueMessage, 'groupId'>): Promise<void>;
}

/** A message that was moved aside: delivered too often, or unreadable. */
export interface DeadLetter {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  /** Names and values of the string attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly sentAt: EpochMs;
}

/** The dead-letter queue. Every method throws `queueUnavailable` when SQS does not do it. */
export interface DeadLetters {
  /** Up to ten dead letters, hidden from other readers for two minutes; none when there are none. */
  receive(): Promise<readonly DeadLetter[]>;
  remove(receiptHandle: string): Promise<void>;
}

/** Numbers over time: one line of CloudWatch's embedded metric format for each call. */
export interface Metrics {
  /**
   * Puts the values of one moment; a count of 0 is worth putting where an alarm waits for it.
   *
   * @param reason puts them by reason, too. One of a known set, never free text: each value is a metric that is paid for.
   */
  put(values: MetricValues, reason?: string): void;
}

/** Verifies the bearer token of a dispatch POST. */
export interface TokenVerifier {
  /** @returns whether the token was signed with the InternalSecret and is in date. @throws `secretUnavailable`, `secretInvalid` */
  verify(token: string, now: EpochMs): Promise<boolean>;
}

/** A secret value that may be rotated while we run. */
export interface SecretSource {
  /** @throws `secretUnavailable` */
  get(now: EpochMs): Promise<string>;
  /** Reads it again, but at most once a minute; returns undefined when it is too early for that or nothing has changed. */
  refresh(now: EpochMs): Promise<string | undefined>;
}

/** The clock, and waiting. */
export interface Clock {
  now(): EpochMs;
  sleep(duration: DurationMs): Promise<void>;
}

/** Facts that may stand in a log line: ids, names and numbers, never payload, token, header, environment or manifest. */
export interface LogFields {
  readonly terrakubeJobId?: string;
  readonly stepId?: string;
  readonly jobName?: string;
  readonly messageId?: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly status?: number;
  readonly durationMs?: number;
  readonly delaySeconds?: number;
  readonly bytes?: number;
  readonly count?: number;
  /** Places in the code, without messages. */
  readonly stack?: string;
}

/** One JSON object a line: a constant, lower-case message and fields. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
