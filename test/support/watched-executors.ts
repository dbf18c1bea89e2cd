// Executors at work, and a reconciler that watches them.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { INSTALLATION, ids, kubernetesJob, step, terrakubeJob } from './builders.ts';
import { endedJob, running } from './observe-world.ts';
import { podFor, runJobController } from './reconcile-model.ts';
import { createReconcileWorld, type ReconcileOptions, type ReconcileWorld } from './reconcile-world.ts';

/** The ids of one of many steps. */
export const idsOf = (at: number): DispatchIds =>
  ids({ jobId: String(100 + at), stepId: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}` });
/** The name of its Job. */
export const nameOf = (at: number): string => jobName(idsOf(at), INSTALLATION, 1);
/** Its Terrakube job, once its executor has spoken. */
export const executing = (of: DispatchIds): TerrakubeJob =>
  terrakubeJob({ status: 'running', steps: [step({ id: of.stepId, status: 'running', output: 'https://log' })] });

/** A Job whose executor runs. */
export function runningJob(of: DispatchIds): V1Job {
  const job = kubernetesJob({ of });
  return {
    ...job,
    metadata: { ...job.metadata, uid: `uid-of-${of.jobId}` },
    status: { active: 1, ready: 1 },
  };
}
/** Its pod. */
export const executorPod = (of: DispatchIds, status: ReturnType<typeof running>): V1Pod =>
  podFor({ of, ...(status ? { status } : {}) }, `uid-of-${of.jobId}`);

/** Such a Job, once it has failed. */
export const failedJob = (of: DispatchIds): V1Job => {
  const { status = {} } = endedJob({ of, ended: 'Failed' }, 5000);
  return { ...runningJob(of), status };
};

/** So many executors at work. */
export function executors(count: number, options: ReconcileOptions = {}): ReconcileWorld {
  const all = Array.from({ length: count }, (_, at) => idsOf(at));
  const world = createReconcileWorld({
    jobs: all.map(runningJob),
    pods: all.map((of) => executorPod(of, running())),
    terrakube: all.map((of) => [of, executing(of)]),
    ...options,
  });
  world.clock.advance(20_000);
  runJobController(world);
  return world;
}

/** How often each Job was looked at, not counting its payload. */
export const looks = ({ log }: ReconcileWorld): Readonly<Record<string, number>> => {
  const seen = log.lines.filter(({ message, outcome }) => message === 'job observed' && outcome !== 'payload');
  const names = seen.map(({ jobName: name = '' }) => name);
  return Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((one) => one === name).length]));
};

/** Another status of an executor at work. */
export const changed = (of: DispatchIds, startTime: number): V1Job => ({
  ...runningJob(of),
  status: { active: 1, ready: 1, startTime: new Date(startTime) },
});
