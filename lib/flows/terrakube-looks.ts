// How often Terrakube is looked at while a run watches: a cancel is seen within two seconds as long as the executor has not
// begun, and a JVM boots for up to 44 s. No look waits for another, and one that fails ends nothing.

import type { V1Job } from '@kubernetes/client-node';
import { LABEL } from '../domain/job-name.ts';
import { hasEnded } from '../domain/next-start.ts';
import { terrakubeJobOf } from '../domain/reconcile-plan.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs } from '../domain/time.ts';
import type { Log, LogFields } from '../ports.ts';
import type { Mirror } from './mirror.ts';
import type { ReadDeps } from './read-worlds.ts';

/** What looking needs. */
export interface TerrakubeLookDeps extends ReadDeps {
  readonly log: Log;
  readonly errorFields: (error: unknown) => LogFields;
  /** How often Terrakube is looked at for steps that run already. */
  readonly cancelPoll: DurationMs;
}

/** The looks of a run. */
export interface TerrakubeLooks {
  /** Looks if it is time and no look of the kind is under way. */
  ifDue(): void;
}

const BEFORE_IT_RUNS: DurationMs = durationMs(2000);
/** Who asks comes every second, more or less: a look that is not due by a hair would come a second late. */
const SLACK_MS = 100;

/** Starts with the looks, the first of them in two seconds. @param seen called when the mirror shows what a look has seen. */
export function lookAtTerrakube(deps: TerrakubeLookDeps, mirror: Mirror, seen: () => void): TerrakubeLooks {
  const { clock } = deps;
  let lookedAt: EpochMs = clock.now();
  let lookedAtAllAt: EpochMs = clock.now();
  // By whether it is about all: an answer that is long in coming must not hide a cancel before an executor runs.
  const underWay = new Set<boolean>();
  const isDue = (at: EpochMs, every: DurationMs): boolean => elapsedMs(at, clock.now()) >= every - SLACK_MS;
  return {
    ifDue() {
      const isAll = !underWay.has(true) && isDue(lookedAtAllAt, deps.cancelPoll);
      if (underWay.has(isAll) || !(isAll || isDue(lookedAt, BEFORE_IT_RUNS))) return;
      lookedAt = clock.now();
      if (isAll) lookedAtAllAt = clock.now();
      underWay.add(isAll);
      void look(deps, mirror, isAll).then((isNews) => {
        underWay.delete(isAll);
        // An executor that starts may set a cancelled job running at any moment.
        if (isNews) seen();
      });
    },
  };
}

async function look(deps: TerrakubeLookDeps, mirror: Mirror, isAll: boolean): Promise<boolean> {
  const { log, errorFields, terrakubeJobs, memory, cluster } = deps;
  const unsettled = mirror.jobs().filter((job) => !memory.isSettled(job));
  const starting = unsettled.filter((job) => !hasEnded(job) && !isRunning(mirror, job));
  const jobIds = [...new Set((isAll ? unsettled : starting).map(terrakubeJobOf))];
  try {
    const jobs = jobIds.length === 0 ? new Map() : await terrakubeJobs.listJobs(jobIds);
    for (const jobId of jobIds) mirror.terrakube.set(jobId, jobs.get(jobId) ?? 'notFound');
    if (isAll && starting.length > 0) mirror.events = await cluster.listWarnings();
    return jobIds.length > 0;
  } catch (error) {
    log.warn('look failed', errorFields(error));
    return false;
  }
}

const isRunning = (mirror: Mirror, job: V1Job): boolean => {
  const terrakube = mirror.terrakube.get(terrakubeJobOf(job));
  const stepId = job.metadata?.labels?.[LABEL.step];
  return (
    typeof terrakube === 'object' && terrakube.steps.some(({ id, status }) => id === stepId && status === 'running')
  );
};
