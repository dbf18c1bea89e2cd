// What goes on by itself around a reconciler, under the virtual clock: the job controller ends what was stopped, Terrakube
// lets steps follow their jobs, sends a step again and sweeps its queue, and executors run.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName, startOf } from '../../lib/domain/job-name.ts';
import { hasEnded } from '../../lib/domain/next-start.ts';
import { isOpenStep } from '../../lib/domain/terrakube-job.ts';
import { INSTALLATION, ids, kubernetesJob, NOON } from './builders.ts';
import { type PodLook, podOf, running } from './observe-world.ts';
import type { ReconcileWorld } from './reconcile-world.ts';

/** A pod as the job controller names it. @param uid of its Job, when that is none of the builders' own. */
export function podFor(look: PodLook = {}, uid?: string): V1Pod {
  const { of = ids(), start = 1 } = look;
  const name = jobName(of, INSTALLATION, start);
  const pod = podOf({ name: `${name}-abcde`, ...look });
  if (uid === undefined) return pod;
  const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }];
  return { ...pod, metadata: { ...pod.metadata, ownerReferences } };
}

type Parts = Pick<ReconcileWorld, 'store' | 'cluster' | 'terrakube' | 'clock'>;

/** A stopped Job is `Failed` a second later, and its pod is gone. */
export function runJobController({ store, cluster, clock }: Parts): void {
  const end = (name: string, uid: string | undefined): void => {
    const job = store.allJobs().find(({ metadata }) => metadata?.name === name && metadata.uid === uid);
    if (!job || hasEnded(job)) return;
    const pods = cluster.allPods().filter(({ metadata }) => metadata?.ownerReferences?.some((own) => own.uid === uid));
    for (const { metadata } of pods) cluster.removePod(metadata?.name ?? '');
    const condition = { status: 'True', reason: 'DeadlineExceeded', lastTransitionTime: new Date(clock.now()) };
    store.put({ ...job, status: { failed: pods.length, conditions: [{ ...condition, type: 'Failed' }] } });
  };
  const stopped = new Set<string>();
  const see = (job: V1Job | undefined): void => {
    const { name = '', uid = '' } = job?.metadata ?? {};
    if (job?.spec?.activeDeadlineSeconds !== 1 || job.spec.suspend === true || hasEnded(job) || stopped.has(uid))
      return;
    stopped.add(uid);
    clock.at(1000, () => end(name, uid));
  };
  store.onJob(({ after }) => see(after));
  for (const job of store.allJobs()) see(job);
}

/** Calls back every so often, for as long as the virtual clock goes on. */
export function every(clock: ReconcileWorld['clock'], milliseconds: number, act: () => void): void {
  clock.at(milliseconds, () => {
    act();
    every(clock, milliseconds, act);
  });
}

/** The open steps of a job that has failed or was cancelled follow it within 3 s. */
export function letStepsFollow({ terrakube, clock }: Parts, jobs: readonly DispatchIds[]): void {
  every(clock, 3000, () => {
    for (const of of jobs) {
      const job = terrakube.job(of);
      if (job?.status !== 'failed' && job?.status !== 'cancelled') continue;
      for (const { id, status } of job.steps) {
        if (status === 'pending') terrakube.changeStep({ ...of, stepId: id }, { status: job.status });
      }
    }
  });
}

/** Terrakube fails a job that has not changed in its queue for 60 s; it looks every 30 s. */
export function sweepQueue({ terrakube, clock }: Parts, jobs: readonly DispatchIds[]): readonly string[] {
  const swept: string[] = [];
  const seen = new Map<string, { readonly comments: string | null; readonly since: number }>();
  const look = (of: DispatchIds): void => {
    const job = terrakube.job(of);
    const known = seen.get(of.jobId);
    if (job?.status !== 'queue') seen.delete(of.jobId);
    else if (known?.comments !== job.comments) seen.set(of.jobId, { comments: job.comments, since: clock.now() });
  };
  every(clock, 500, () => jobs.forEach(look));
  every(clock, 30_000, () => {
    for (const of of jobs) {
      const since = seen.get(of.jobId)?.since;
      if (since === undefined || clock.now() - since < 60_000) continue;
      swept.push(of.jobId);
      const steps = terrakube.job(of)?.steps ?? [];
      terrakube.changeJob(of, {
        status: 'failed',
        steps: steps.map((step) => (isOpenStep(step) ? { ...step, status: 'failed' } : step)),
      });
    }
  });
  return swept;
}

/** What Terrakube's scheduler and dispatch do with a job that reads `pending`. */
export interface Sending {
  /** Time until the next Job is made, beyond Terrakube's own two seconds. */
  readonly dispatchAfterMs?: number;
  /** What becomes of the executor of that Job. */
  readonly executor?: 'reports' | 'isRefused';
  /** Sends the step in place of the model, which makes no Job then. */
  readonly send?: (of: DispatchIds) => void;
}

/**
 * Terrakube sends the step of a job that reads `pending` again, and dispatch makes its next Job.
 *
 * @returns the names of the Jobs that were made, as it goes on.
 */
export function sendAgain(world: Parts, steps: readonly DispatchIds[], sending: Sending = {}): readonly string[] {
  const { store, terrakube, clock } = world;
  const names: string[] = [];
  const isStep = (of: DispatchIds): boolean =>
    terrakube.job(of)?.steps.find(({ status }) => status === 'pending' || status === 'running')?.id === of.stepId;
  const dispatch = (of: DispatchIds): void => {
    if (sending.send) {
      sending.send(of);
      return;
    }
    const first = jobName(of, INSTALLATION, 1);
    const start = 1 + store.allJobs().filter(({ metadata }) => metadata?.name?.startsWith(first)).length;
    names.push(jobName(of, INSTALLATION, start));
    if (sending.executor === 'isRefused') refusePod(world, of, start);
    else runExecutor(world, of, laterJob(of, start, clock.now()));
  };
  every(clock, 2000, () => {
    for (const of of steps) {
      const job = terrakube.job(of);
      if (job?.status !== 'pending' || !job.comments?.startsWith('fresh ') || !isStep(of)) continue;
      terrakube.changeJob(of, { status: 'queue' });
      clock.at(sending.dispatchAfterMs ?? 0, () => dispatch(of));
    }
  });
  return names;
}

/** A Job of a later start; all objects of one start have uids of their own. */
const laterJob = (of: DispatchIds, start: number, now: number): V1Job => {
  const made = kubernetesJob({ of, start });
  const uid = `uid-of-${made.metadata?.name}`;
  return { ...made, metadata: { ...made.metadata, uid, creationTimestamp: new Date(now) } };
};

/** The executor of a Job reports, runs for four seconds, and ends well. */
export function runExecutor({ store, cluster, terrakube, clock }: Parts, of: DispatchIds, job: V1Job): void {
  const start = startOf(job.metadata?.name ?? '', of, INSTALLATION) ?? 1;
  const pod = podFor({ of, start, status: running(clock.now() - NOON) }, job.metadata?.uid);
  store.put({ ...job, status: { active: 1, ready: 1 } });
  cluster.putPod(pod);
  clock.at(1000, () => {
    terrakube.changeStep(of, { status: 'running', output: 'https://log' });
    terrakube.changeJob(of, { status: 'running' });
  });
  clock.at(5000, () => {
    terrakube.changeStep(of, { status: 'completed' });
    terrakube.changeJob(of, { status: 'completed' });
    const ended = { type: 'Complete', status: 'True', lastTransitionTime: new Date(clock.now()) };
    store.put({ ...job, status: { succeeded: 1, conditions: [ended] } });
    cluster.removePod(pod.metadata?.name ?? '');
  });
}

/** Its pod is refused by the kubelet: another start may fare better. */
function refusePod({ store, cluster, clock }: Parts, of: DispatchIds, start: number): void {
  const job = laterJob(of, start, clock.now());
  const status = { phase: 'Failed', reason: 'OutOfcpu' };
  cluster.putPod(podFor({ of, start, nodeName: '', status }, job.metadata?.uid));
  const ended = { type: 'Failed', status: 'True', lastTransitionTime: new Date(clock.now()) };
  store.put({ ...job, status: { failed: 1, conditions: [{ ...ended, reason: 'BackoffLimitExceeded' }] } });
}
