// What keeps a Job from starting: its pod cannot be created, has no node, or has one whose kubelet cannot make its
// container. Most of it passes by itself, so each cause has its grace.
import type { Cause } from './causes.ts';
import { CONFIG_ERROR, isOnLostNode, PULL_REASONS } from './ever-started.ts';
import { type Blocker, type Finding, finding } from './finding.ts';
import type { JobSight, PodSight } from './job-sight.ts';
import {
  isPullFailure,
  type MissingObject,
  missingObject,
  pullProblem,
  pullWords,
  refusedPod,
} from './kubernetes-words.ts';
import { quote } from './quote.ts';
import { type DurationMs, durationMs } from './time.ts';

/** How long a cause may last. A missing payload is created by a second delivery; a quota or a node comes free. */
const GRACE: Readonly<Partial<Record<Cause, DurationMs | 'payloadAge'>>> = {
  imagePull: durationMs(120_000),
  configMissing: durationMs(120_000),
  payloadMissing: durationMs(240_000),
  serviceAccountMissing: durationMs(60_000),
  podRefused: durationMs(60_000),
  quota: 'payloadAge',
  unschedulable: 'payloadAge',
};
const UNKNOWN_GRACE = durationMs(900_000);
const NO_GRACE = durationMs(0);

/** Finds what keeps a Job from starting; undefined while everything looks as it should. */
export function blockerOf(job: JobSight): Blocker | undefined {
  const [pod] = job.pods ?? [];
  return pod ? podBlocker(job, pod) : withoutPod(job);
}

/** Finds what keeps, or kept, one pod from starting. */
export function podBlocker(job: JobSight, pod: PodSight): Blocker | undefined {
  if (pod.node === '') return unscheduled(pod);
  const container = [...pod.initContainers, ...pod.containers].find(({ waiting }) => isTelling(waiting?.reason));
  const { reason = '', message = '' } = container?.waiting ?? {};
  if (container && PULL_REASONS.includes(reason)) return imagePull(pod, container.image, reason, message);
  if (reason === CONFIG_ERROR) return configError(job, pod, reason, message);
  if (isOnLostNode(pod)) return lost(pod);
  if (container) return unknown(reason, message, place(pod));
  return fromEvents(job, pod);
}

/** `Pod x on node y`, as all evidence names it. */
export const place = ({ name, node }: PodSight): string => `Pod ${name}${node === '' ? '' : ` on node ${node}`}`;

/** A pod whose node does not answer. */
export const lostNode = (pod: PodSight): Finding =>
  finding('nodeLost', {
    title: `node ${quote(pod.node) || 'of the pod'} does not answer`,
    evidence: `${place(pod)} is not heard of any more.`,
    restartable: pod.node === '',
  });

/** The normal ones, that every pod goes through. */
const isTelling = (reason: string | undefined): boolean =>
  reason !== undefined && !['', 'ContainerCreating', 'PodInitializing'].includes(reason);

const lost = (pod: PodSight): Blocker => ({ ...lostNode(pod), grace: UNKNOWN_GRACE });

const blocker = (cause: Cause, title: string, evidence: string, more: Partial<Blocker> = {}): Blocker => ({
  ...finding(cause, { title, evidence, ...more }),
  grace: more.grace ?? GRACE[cause] ?? UNKNOWN_GRACE,
});

const unknown = (reason: string, message: string, where: string): Blocker =>
  blocker(
    'unknown',
    `Kubernetes says: ${quote(sayings(reason, message))}`,
    `${where}: ${quote(sayings(reason, message))}`,
  );

const sayings = (reason: string, message: string): string => (message === '' ? reason : `${reason}: ${message}`);

function withoutPod(job: JobSight): Blocker | undefined {
  const refused = job.events.find(({ reason }) => reason === 'FailedCreate');
  const isCounted = job.active + job.ended > 0;
  if (refused && !isCounted && !isCreatedSince(job, refused.at)) {
    const { cause, title, words } = refusedPod(refused.message, job.namespace);
    return blocker(cause, title, `Job ${job.name} cannot create its pod: ${words}`);
  }
  if (job.active === 0) return undefined;
  const evidence = `Job ${job.name} has an active pod that is not ready; ${
    job.pods === undefined ? 'the dispatcher may not read pods, so the cause is not known' : 'the pod is not to be seen'
  }.`;
  return blocker('unknown', 'the pod has not started; its cause cannot be seen', evidence);
}

const isCreatedSince = ({ events }: JobSight, refusedAt: number | undefined): boolean =>
  events.some(({ reason, at }) => reason === 'SuccessfulCreate' && (at ?? 0) >= (refusedAt ?? 0));

function unscheduled(pod: PodSight): Blocker | undefined {
  const condition = pod.conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  const event = pod.events.find(({ reason }) => reason === 'FailedScheduling');
  const { message } = condition?.message ? condition : (event ?? { message: '' });
  if (!condition && !event) return undefined;
  const missing = missingObject(message);
  const evidence = `${place(pod)} has no node: ${quote(message)}`;
  if (missing) return blocker('configMissing', missingTitle(missing), evidence);
  if (condition && condition.reason !== 'Unschedulable') return unknown(condition.reason, message, place(pod));
  return blocker('unschedulable', `no node fits: ${quote(message)}`, evidence);
}

function imagePull(pod: PodSight, image: string, reason: string, message: string): Blocker {
  // Before 1.31 a back-off did not say what for; the Event before it does.
  const failure = pod.events.find((event) => event.reason === 'Failed' && isPullFailure(event.message));
  const isBare = /^Back-off pulling image "[^"]*"$/.test(message) || message === '';
  const said = isBare && failure ? failure.message : message;
  const { short, isFinal, isPassing } = pullProblem(said);
  const cannot = ` cannot be pulled: ${short || reason}`;
  const words = pullWords(said);
  return blocker(
    'imagePull',
    `image ${shortImage(image, cannot.length)}${cannot}`,
    `${place(pod)}: ${sayings(reason, words)}`,
    {
      restartable: isPassing,
      ...(isFinal ? { grace: NO_GRACE } : {}),
    },
  );
}

/** Room for an image's name next to the least that is said about it. */
const TITLE_ROOM = 84;
const LEAST_IMAGE = 24;

/** The end of an image's name is what tells images apart. */
function shortImage(image: string, taken: number): string {
  const room = Math.max(LEAST_IMAGE, TITLE_ROOM - taken);
  return image.length <= room ? image : `…${image.slice(image.length - room + 1)}`;
}

const missingTitle = ({ kind, name, key }: MissingObject): string =>
  key === undefined ? `${kind} "${name}" not found` : `${kind} "${name}" has no key "${key}"`;

/** The payload Secret has the name of its Job. */
function missingFinding(job: JobSight, missing: MissingObject, evidence: string): Blocker {
  const isPayload = missing.kind === 'Secret' && missing.name === job.name && missing.key === undefined;
  return isPayload
    ? blocker('payloadMissing', 'the payload Secret was not created', evidence)
    : blocker('configMissing', missingTitle(missing), evidence);
}

function configError(job: JobSight, pod: PodSight, reason: string, message: string): Blocker {
  const missing = missingObject(message);
  const evidence = `${place(pod)}: ${quote(sayings(reason, message))}`;
  if (missing) return missingFinding(job, missing, evidence);
  return blocker('configMissing', `the container cannot be configured: ${quote(message)}`, evidence);
}

/** Written by the kubelet once all volumes are there. */
const VOLUMES_ARE_MOUNTED = ['Pulling', 'Pulled', 'Created', 'Started'];

/** What the status no longer says, or not yet: a volume that cannot be mounted, and what kept a pod that has ended. */
function fromEvents(job: JobSight, pod: PodSight): Blocker | undefined {
  const has = (...reasons: readonly string[]): boolean => pod.events.some(({ reason }) => reasons.includes(reason));
  const failed = pod.events.filter(({ reason }) => reason === 'Failed');
  const pull = failed.find(({ message }) => isPullFailure(message));
  if (pull && !has('Pulled')) return imagePull(pod, pod.executor?.image ?? '', 'ErrImagePull', pull.message);
  const never = pod.events.find(({ reason }) => reason === 'ErrImageNeverPull');
  if (never) return imagePull(pod, pod.executor?.image ?? '', never.reason, never.message);
  const config = failed.find(({ message }) => missingObject(message));
  if (config && !has('Created')) return configError(job, pod, CONFIG_ERROR, config.message.replace(/^Error: /, ''));
  if (has(...VOLUMES_ARE_MOUNTED)) return undefined;
  const warnings = pod.events.filter(({ type, reason }) => type === 'Warning' && reason !== 'FailedScheduling');
  const telling = warnings.find(({ message }) => missingObject(message)) ?? warnings[0];
  if (!telling) return undefined;
  const missing = missingObject(telling.message);
  const said = quote(sayings(telling.reason, telling.message));
  return missing
    ? missingFinding(job, missing, `${place(pod)}: ${said}`)
    : unknown(telling.reason, telling.message, place(pod));
}
