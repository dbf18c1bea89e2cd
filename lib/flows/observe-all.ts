// Several Jobs side by side. Each is observed, whatever becomes of the others.
import type { Doorbell } from '../domain/doorbell.ts';
import { observedMetrics } from '../domain/observed-metrics.ts';
import { elapsedMs } from '../domain/time.ts';
import type { Log, LogFields, Metrics } from '../ports.ts';
import { type LookDeps, UNREAD } from './look-at-job.ts';
import { observeJob } from './observe-job.ts';
import { sayNotObserved } from './say-not-observed.ts';
import { sideBySide } from './side-by-side.ts';

/** What observing several Jobs needs. */
export interface ObserveAllDeps extends LookDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
  /** What our role may not list, as far as it was said; what lasts from one event to the next is said once. */
  readonly unread?: Set<string>;
}

/** Observes every Job. @returns how many of them could not be observed. */
export async function observeAll(deps: ObserveAllDeps, doorbells: readonly Doorbell[]): Promise<number> {
  let failed = 0;
  const { log, unread = new Set() } = deps;
  const onUnread = (what: string): void => {
    if (!unread.has(what)) log.warn(UNREAD, { reason: what });
    unread.add(what);
  };
  await sideBySide(doorbells, async (doorbell) => {
    if (!(await observe({ ...deps, onUnread }, doorbell))) failed += 1;
  });
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
    sayNotObserved(log, jobName, errorFields(error));
    return false;
  }
}
