// Several Jobs side by side, a few at a time: a burst of events must not become a burst on the API server. Each is
// observed, whatever becomes of the others.
import type { Doorbell } from '../domain/doorbell.ts';
import { observedMetrics } from '../domain/observed-metrics.ts';
import { elapsedMs } from '../domain/time.ts';
import type { Log, LogFields, Metrics } from '../ports.ts';
import type { LookDeps } from './look-at-job.ts';
import { observeJob } from './observe-job.ts';

/** What observing several Jobs needs. */
export interface ObserveAllDeps extends LookDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
}

const SIDE_BY_SIDE = 10;

/** Observes every Job. @returns how many of them could not be observed. */
export async function observeAll(deps: ObserveAllDeps, doorbells: readonly Doorbell[]): Promise<number> {
  const waiting = [...doorbells];
  let failed = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) if (!(await observe(deps, next))) failed += 1;
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  return failed;
}

async function observe(deps: ObserveAllDeps, { jobName, final }: Doorbell): Promise<boolean> {
  const { log, metrics, clock, errorFields } = deps;
  const startedAt = clock.now();
  try {
    const done = await observeJob(deps, jobName, final);
    metrics.put(...observedMetrics(done));
    const { row, action, deed, told: _, ...fields } = done;
    const durationMs = elapsedMs(startedAt, clock.now());
    log.info('job observed', { jobName, ...fields, reason: `row ${row}: ${action}, ${deed}`, durationMs });
    return true;
  } catch (error) {
    log.error('job not observed', { jobName, ...errorFields(error) });
    return false;
  }
}
