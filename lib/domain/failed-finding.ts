// Why a Job has failed. The Job itself says no more than that its pod did; the cause is in the pod's last status, and in
// the order in which a cause hides another: a container that is killed for memory also ends with a code.
import { blockerOf, lostNode, place, podBlocker } from './blocker.ts';
import { isOnLostNode, isRejected } from './ever-started.ts';
import { type EverStarted, type Finding, finding } from './finding.ts';
import { type ContainerSight, type JobSight, type PodSight, trueCondition } from './job-sight.ts';
import { evictedFor, isEnvTooLarge, startFailure } from './kubernetes-words.ts';
import { lastWords, quote } from './quote.ts';

/** Finds why a Job has failed. Never without an answer: what is not known is quoted. */
export function failedFinding(job: JobSight, started: EverStarted): Finding {
  const [pod] = job.pods ?? [];
  const deadline = deadlineOf(job, pod);
  if (!pod) return deadline === undefined ? withoutPod(job) : deadlineExceeded(job, undefined, deadline, started);
  return (
    outOfMemory(pod) ??
    takenAway(pod) ??
    (deadline === undefined ? undefined : deadlineExceeded(job, pod, deadline, started)) ??
    initFailed(pod) ??
    (pod.executor && containerFailed(pod, pod.executor)) ??
    otherContainer(pod) ??
    (pod.isBeingDeleted ? podDeleted(`${place(pod)} was deleted before it ran.`) : unknown(job, pod))
  );
}

function withoutPod(job: JobSight): Finding {
  const failed = trueCondition(job.conditions, 'Failed');
  if (job.pods !== undefined)
    return podDeleted(`Job ${job.name} has failed (${failed?.reason ?? ''}) and its pod is gone.`);
  const said = quote(`${failed?.reason ?? ''}: ${failed?.message ?? ''}`);
  return finding('unknown', {
    title: `Kubernetes says: ${said}`,
    evidence: `Job ${job.name}: ${said}. Its pod cannot be seen, so the cause is not known.`,
  });
}

const podDeleted = (evidence: string): Finding => finding('podDeleted', { title: 'the pod was deleted', evidence });

/** Only the process that was too large may be dead, with the container ending in any way; the kubelet says it all the same. */
function outOfMemory(pod: PodSight): Finding | undefined {
  const killed = pod.containers.find(({ terminated }) => terminated?.reason === 'OOMKilled');
  if (!killed) return undefined;
  const limit = killed.memoryLimit === '' ? 'no limit is set' : `limit ${quote(killed.memoryLimit)}`;
  return finding('outOfMemory', { title: `out of memory (${limit})`, evidence: ended(pod, killed) });
}

/** What was done to the whole pod, by kubelet or control plane. */
function takenAway(pod: PodSight): Finding | undefined {
  if (pod.reason === 'Evicted') {
    return finding('evicted', {
      title: `evicted: ${evictedFor(pod.message)}`,
      evidence: `${place(pod)} was evicted: ${quote(pod.message)}`,
    });
  }
  const disruption = trueCondition(pod.conditions, 'DisruptionTarget');
  if (pod.reason === 'NodeLost' || (disruption && isOnLostNode(pod))) return lostNode(pod);
  if (disruption) {
    const { reason, message } = disruption;
    const what = DISRUPTIONS[reason] ?? 'evicted from its node';
    const evidence = `${place(pod)}: condition DisruptionTarget, ${quote(`${reason}: ${message}`)}`;
    return finding('disrupted', { title: `the pod was ${what} (${quote(reason)})`, evidence });
  }
  if (!isRejected(pod)) return undefined;
  const evidence = `${place(pod)}: ${quote(`${pod.reason}: ${pod.message}`)}`;
  return finding('nodeRejected', { title: `node refused the pod (${quote(pod.reason)})`, evidence });
}

const DISRUPTIONS: Readonly<Record<string, string>> = {
  PreemptionByScheduler: 'preempted',
  DeletionByTaintManager: 'evicted by a taint of its node',
  DeletionByPodGC: 'removed because its node is gone',
};

/** The time limit that was exceeded, in seconds; NaN for one that is not to be seen. */
function deadlineOf(job: JobSight, pod: PodSight | undefined): number | undefined {
  if (trueCondition(job.conditions, 'Failed')?.reason === 'DeadlineExceeded') return job.deadlineSeconds ?? Number.NaN;
  return pod?.reason === 'DeadlineExceeded' ? (pod.deadlineSeconds ?? Number.NaN) : undefined;
}

function deadlineExceeded(job: JobSight, pod: PodSight | undefined, limit: number, started: EverStarted): Finding {
  const title = `time limit${Number.isNaN(limit) ? '' : ` of ${limit} s`} exceeded`;
  const where = pod ? place(pod) : `Job ${job.name}`;
  const blocker = started === 'yes' ? undefined : pod ? podBlocker(job, pod) : blockerOf(job);
  if (!blocker) return finding('deadline', { title, evidence: `${where} was stopped by activeDeadlineSeconds.` });
  return finding('deadline', { title: `${title}; ${blocker.title}`, evidence: `It never ran. ${blocker.evidence}` });
}

function initFailed(pod: PodSight): Finding | undefined {
  const failed = pod.initContainers.find(({ terminated }) => (terminated?.exitCode ?? 0) !== 0);
  return (
    failed &&
    finding('initFailed', { title: `init container ${quote(failed.name)} failed`, evidence: ended(pod, failed) })
  );
}

/** Linux: 128 KiB for one variable, with the zero byte at its end. */
const LONGEST_ENV = 131_072 - 1;
/** Ended by SIGTERM, or by SIGKILL when that took too long. */
const STOPPED = [143, 137];

function containerFailed(pod: PodSight, container: ContainerSight): Finding | undefined {
  const { terminated, longestEnv } = container;
  if (!terminated || terminated.reason === 'ContainerStatusUnknown') return undefined;
  const { reason, message, exitCode = 0, startedAt } = terminated;
  const evidence = ended(pod, container);
  if (isEnvTooLarge(message) || (exitCode === 1 && message === '' && longestEnv > LONGEST_ENV)) {
    const size = longestEnv > LONGEST_ENV ? ` The longest variable has ${longestEnv} characters.` : '';
    const title = 'payload too large for an environment variable';
    return finding('envTooLarge', { title, evidence: `${evidence}${size}` });
  }
  // Also a program may end with 128 (git does), but that one has run.
  if (reason === 'StartError' || reason === 'ContainerCannotRun' || (exitCode === 128 && startedAt === undefined)) {
    const words = startFailure(message);
    return finding('startError', {
      title: `container could not start: ${words}`,
      evidence: ended(pod, container, words),
    });
  }
  if (pod.isBeingDeleted && STOPPED.includes(exitCode)) return podDeleted(evidence);
  return exitCode === 0 ? undefined : finding('exit', { title: `executor ended with exit code ${exitCode}`, evidence });
}

function otherContainer(pod: PodSight): Finding | undefined {
  const other = pod.containers.find(({ terminated }) => {
    const isMadeUp = terminated?.reason === 'ContainerStatusUnknown';
    return !isMadeUp && (terminated?.exitCode ?? 0) !== 0;
  });
  if (!other) return undefined;
  const title = `container ${quote(other.name)} ended with exit code ${other.terminated?.exitCode}`;
  return finding('exit', { title, evidence: ended(pod, other) });
}

function unknown(job: JobSight, pod: PodSight): Finding {
  const failed = trueCondition(job.conditions, 'Failed');
  const { reason, message } =
    pod.reason === '' ? (pod.executor?.terminated ?? failed ?? { reason: pod.phase, message: '' }) : pod;
  const said = quote(message === '' ? reason : `${reason}: ${message}`);
  return finding('unknown', { title: `Kubernetes says: ${said}`, evidence: `${place(pod)}: ${said}` });
}

/** How a container ended, and its last words. */
function ended(pod: PodSight, { name, terminated, memoryLimit }: ContainerSight, said?: string): string {
  const { reason = '', message = '', exitCode = '?', startedAt, finishedAt } = terminated ?? {};
  const facts = [
    reason === '' ? [] : [quote(reason)],
    startedAt === undefined || finishedAt === undefined
      ? []
      : [`after ${Math.round((finishedAt - startedAt) / 1000)} s`],
    memoryLimit === '' ? [] : [`memory limit ${quote(memoryLimit)}`],
  ].flat();
  const about = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  const words = said ?? lastWords(message);
  const last = words === '' ? '' : ` It said: ${words}`;
  return `${place(pod)}: container ${quote(name)} ended with exit code ${exitCode}${about}.${last}`;
}
