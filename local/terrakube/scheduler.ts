/**
 * Terrakube's scheduler: what happens to a job when one of its triggers fires. A trigger fires when the job is made, after every
 * PATCH that changes it, and on a clock of its own while the job waits. Ported from the recorded behaviour of 2.33.
 * @see https://github.com/terrakube-io/terrakube/blob/2.33.0-beta.12/api/src/main/java/io/terrakube/api/plugin/scheduler/ScheduleJob.java
 */
import type { DispatchVerdict } from './dispatch-verdict.ts';
import { commit, nextStep, openTransaction, type Transaction } from './transaction.ts';
import type { Command, Job, JobStatus, Step, World } from './world.ts';

/** What the scheduler needs. */
export interface SchedulerOptions {
  readonly world: World;
  /** Sends one dispatch; undefined when Terrakube died before the answer. */
  send(job: Job, step: Step, commands: readonly Command[] | null): Promise<DispatchVerdict | undefined>;
  /** The clock of a waiting job, in milliseconds. */
  readonly resendAfterMs: number;
}

/** The triggers of all jobs. */
export interface Scheduler {
  /** Fires a trigger of this job soon. */
  wake(job: Job): void;
  /** Ends the triggers of a cancelled job, its steps and its log stream. */
  cancel(job: Job): void;
  stop(): void;
}

interface Context extends Pick<SchedulerOptions, 'world' | 'send'> {
  wake(job: Job): void;
  startClock(job: Job): void;
  stopClock(job: Job): void;
  isStopped(): boolean;
}

/** Makes a scheduler with no triggers. */
export function createScheduler({ world, send, resendAfterMs }: SchedulerOptions): Scheduler {
  const clocks = new Map<number, NodeJS.Timeout>();
  let stopped = false;
  const context: Context = {
    world,
    send,
    wake: (job) => {
      setImmediate(() => void run(context, job));
    },
    startClock(job) {
      if (!clocks.has(job.id))
        clocks.set(
          job.id,
          setInterval(() => context.wake(job), resendAfterMs),
        );
    },
    stopClock(job) {
      clearInterval(clocks.get(job.id));
      clocks.delete(job.id);
    },
    isStopped: () => stopped,
  };
  return {
    wake: context.wake,
    cancel: (job) => finish(context, job, 'cancelled'),
    stop() {
      stopped = true;
      for (const clock of clocks.values()) clearInterval(clock);
    },
  };
}

async function run(context: Context, job: Job): Promise<void> {
  const { world } = context;
  if (context.isStopped() || job.deleted || job.lock !== undefined) return;
  if (job.row.status === 'pending' || job.row.status === 'approved') context.startClock(job);
  if (world.lockedWorkspaces.has(job.workspaceId) || world.isBehindInWorkspace(job)) return;
  switch (job.row.status) {
    case 'pending':
    case 'approved':
      return runWaiting(context, job);
    case 'rejected':
      return runRejected(context, job);
    case 'failed':
    case 'cancelled':
      return finish(context, job, 'failed');
    case 'completed':
      return finish(context, job, 'notExecuted');
    case 'waitingApproval':
    case 'queue':
    case 'running':
    case 'noChanges':
    case 'notExecuted':
    case 'unknown':
    case 'NeverExecuted':
      return;
  }
}

async function runWaiting(context: Context, job: Job): Promise<void> {
  const { world } = context;
  const transaction = openTransaction(job);
  const { row } = transaction;
  // A PATCH during the first POST wrote the row back as it was before, without a template: Terrakube's "yamlError".
  if (row.values.tcl === null) return conclude(context, job, { transaction, status: 'failed' });
  const step = nextStep(transaction.newSteps ?? job.steps);
  if (step === undefined) return conclude(context, job, { transaction, status: 'completed' });
  if (step.type === 'approval' && row.status === 'pending') {
    const values = { ...row.values, approvalTeam: 'TERRAKUBE_ADMIN' };
    return commit(world, job, { transaction: { ...transaction, row: { ...row, values } }, status: 'waitingApproval' });
  }
  if (world.isBehind(job)) return commit(world, job, { transaction, status: row.status });
  return dispatch(context, job, { transaction, step });
}

function conclude(context: Context, job: Job, end: { transaction: Transaction; status: 'failed' | 'completed' }): void {
  commit(context.world, job, end);
  finish(context, job, end.status === 'failed' ? 'failed' : 'notExecuted');
}

async function dispatch(context: Context, job: Job, what: { transaction: Transaction; step: Step }): Promise<void> {
  const { world } = context;
  const { transaction, step } = what;
  const unlock = world.lock(job);
  const verdict = await context.send(job, step, step.commands);
  if (context.isStopped() || verdict === undefined) return unlock();
  switch (verdict.kind) {
    case 'accepted':
      commit(world, job, { transaction, status: 'queue' });
      context.stopClock(job);
      world.dropLogs(job.id);
      wakeNext(context);
      break;
    case 'unavailable':
      commit(world, job, { transaction, status: transaction.row.status });
      if (verdict.resendAtOnce) context.wake(job);
      break;
    case 'failed':
      commit(world, job, { transaction, status: 'failed' });
      world.changeStep(job, step.stepId, { name: verdict.stepName, status: 'failed' });
      break;
  }
  unlock();
}

async function runRejected(context: Context, job: Job): Promise<void> {
  const step = nextStep(job.steps);
  if (step !== undefined && job.onReject.length > 0) {
    const unlock = context.world.lock(job);
    await context.send(job, { ...step, type: 'approval' }, job.onReject);
    unlock();
  }
  if (!context.isStopped()) finish(context, job, 'failed');
}

/** Terrakube's clean-up: open steps get this status, the clock stops, the log stream goes. */
function finish(context: Context, job: Job, status: JobStatus): void {
  context.world.closeSteps(job, status);
  context.stopClock(job);
  context.world.dropLogs(job.id);
}

/** After an accepted dispatch, and only then, Terrakube does not leave the next job to its clock. */
function wakeNext({ world, wake }: Context): void {
  const next = world.jobs().find((job) => {
    const isWaiting = job.row.status === 'pending' || job.row.status === 'approved';
    return isWaiting && !world.isBehindInWorkspace(job);
  });
  if (next !== undefined) wake(next);
}
