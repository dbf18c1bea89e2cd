/**
 * Terrakube's heartbeat sweep: fails jobs that wait in `queue` for too long, without a word. Only an attribute of the *job* that
 * changes restarts its clock; the stand-in's executors are taken to send their heartbeats, so `running` jobs are left alone.
 */
import type { World } from './world.ts';

/** How long a job may stay in `queue`, and how often Terrakube looks. Milliseconds. */
export interface SweepOptions {
  readonly graceMs: number;
  readonly everyMs: number;
}

/** Starts the sweep; the answer ends it. */
export function startSweep(world: World, { graceMs, everyMs }: SweepOptions): () => void {
  const timer = setInterval(() => {
    for (const job of world.jobs()) {
      if (job.row.status !== 'queue' || Date.now() - job.row.updatedAtMs < graceMs) continue;
      world.writeRow(job, { ...job.row, status: 'failed' });
      world.closeSteps(job, 'failed');
    }
  }, everyMs);
  return () => clearInterval(timer);
}
