// An executor that is just starting, with its kubelet and the job controller, under a virtual clock. It boots as the real one
// was recorded: an early SIGTERM ends it at once; a late one is not heard, and then it sets its job `running` without asking.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { isOpenStep } from '../../lib/domain/terrakube-job.ts';
import type { ReconciledCluster } from '../../lib/ports.ts';
import { INSTALLATION, kubernetesJob, NOON } from './builders.ts';
import { podOf, running, terminated } from './observe-world.ts';
import type { ReconcileWorld } from './reconcile-world.ts';

/** What the executor does, in milliseconds from the start of its container. */
export interface Boot {
  readonly of: DispatchIds;
  readonly bootMs: number;
  /** Until then SIGTERM ends it at once. */
  readonly heedsStopMs: number;
  /** From the end of its boot. */
  readonly workMs: number;
  /** Between two of its calls to Terrakube. */
  readonly callMs: number;
}

/** The executor, and what became of its work. */
export interface StartingExecutor {
  /** Whether its work, Terraform's in the real one, was done to the end. */
  hasWorked(): boolean;
  /** Whether its process is gone. */
  hasEnded(): boolean;
  /** The cluster as the reconciler reaches it: pods that are deleted get their grace. */
  readonly cluster: ReconciledCluster;
  /** What a user does. */
  cancel(): void;
}

const FAILED_AT_ONCE = 143;
const KILLED = 137;
/** After SIGTERM a working executor needs so long for its last words. */
const LAST_WORDS_MS = 2100;
const GRACE_MS = 60_000;

/** Starts the container of a Job, now. */
export function startExecutor(world: ReconcileWorld, boot: Boot): StartingExecutor {
  const { clock, terrakube, store } = world;
  const { of, bootMs, heedsStopMs, workMs, callMs } = boot;
  const name = jobName(of, INSTALLATION, 1);
  const startedAt = clock.now();
  const pod = podOf({ name: `${name}-x7k2p`, of, status: running(startedAt - NOON) });
  let isAlive = true;
  let isDeaf = false;
  let hasWorked = false;
  let killAt = Number.POSITIVE_INFINITY;
  store.put({ ...kubernetesJob({ of }), status: { active: 1, ready: 1 } });
  world.cluster.putPod(pod);

  const after = (ms: number, act: () => void): void => clock.at(ms, () => isAlive && act());
  const end = (exitCode: number): void => {
    if (!isAlive) return;
    isAlive = false;
    endPod(world, pod, exitCode);
    endJob(world, name, exitCode);
  };
  const stop = (graceMs: number): void => {
    const at = clock.now() + graceMs;
    if (!isAlive || at >= killAt) return;
    const isFirst = killAt === Number.POSITIVE_INFINITY;
    killAt = at;
    after(graceMs, () => end(KILLED));
    if (!isFirst) return;
    const bootedFor = clock.now() - startedAt;
    if (bootedFor < heedsStopMs) end(FAILED_AT_ONCE);
    else if (bootedFor < bootMs) isDeaf = true;
    else after(LAST_WORDS_MS, () => report('failed', () => end(FAILED_AT_ONCE)));
  };
  const report = (status: 'completed' | 'failed', then: () => void): void => {
    const before = terrakube.job(of)?.status;
    after(callMs, () => {
      terrakube.changeStep(of, { status });
      // Terrakube completes a job that is pending and has no step left.
      if (before !== 'cancelled') after(callMs, () => terrakube.changeJob(of, { status }));
      after(2 * callMs, then);
    });
  };
  // The real one reads the job first, and does not look at what it reads.
  after(bootMs + callMs, () => terrakube.changeJob(of, { status: 'running' }));
  after(bootMs + 2 * callMs, () => terrakube.changeStep(of, { status: 'running', output: 'https://log' }));
  after(bootMs + 2 * callMs + workMs, () => {
    hasWorked = true;
    report('completed', () => end(isDeaf ? FAILED_AT_ONCE : 0));
  });
  let isStopped = false;
  store.onJob(({ after: job }) => {
    if (isStopped || job?.spec?.activeDeadlineSeconds !== 1) return;
    isStopped = true;
    after(1000, () => stop(GRACE_MS));
  });
  return {
    hasWorked: () => hasWorked,
    hasEnded: () => !isAlive,
    cluster: {
      ...world.deps.cluster,
      async deletePod(_, uid, gracePeriodSeconds) {
        if (uid === pod.metadata?.uid) stop(gracePeriodSeconds * 1000);
      },
    },
    cancel() {
      const { steps = [] } = terrakube.job(of) ?? {};
      const closed = steps.map((step) => (isOpenStep(step) ? { ...step, status: 'cancelled' } : step));
      terrakube.changeJob(of, { status: 'cancelled', steps: closed });
    },
  };
}

function endPod({ cluster }: ReconcileWorld, pod: V1Pod, exitCode: number): void {
  cluster.putPod({ ...pod, status: terminated(exitCode === 0 ? 'Completed' : 'Error', exitCode) ?? {} });
}

/** The job controller follows its pod. */
function endJob({ store, clock }: ReconcileWorld, name: string, exitCode: number): void {
  const at = new Date(clock.now());
  const job = store.allJobs().find(({ metadata }) => metadata?.name === name);
  if (!job) return;
  const reason = job.spec?.activeDeadlineSeconds === 1 ? 'DeadlineExceeded' : 'BackoffLimitExceeded';
  const status: V1Job['status'] =
    exitCode === 0
      ? {
          succeeded: 1,
          completionTime: at,
          conditions: [{ type: 'Complete', status: 'True', reason: 'CompletionsReached', lastTransitionTime: at }],
        }
      : { failed: 1, conditions: [{ type: 'Failed', status: 'True', reason, lastTransitionTime: at }] };
  store.put({ ...job, status });
}
