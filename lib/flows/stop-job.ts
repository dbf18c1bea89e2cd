// Stops a Job in place: its verdict is recorded and its clock set to zero in one compare-and-swap patch, so the Job ends
// as Failed, its pod is gone by then, and whoever looks next knows why. It needs only `patch` on jobs.
import { hasEnded } from '../domain/next-start.ts';
import { type RecordedVerdict, recordedVerdict } from '../domain/recorded-verdict.ts';
import { isoTime } from '../domain/time.ts';
import type { Clock, JobStore } from '../ports.ts';

/** What stopping needs. */
export interface StopDeps {
  readonly jobs: JobStore;
  readonly clock: Clock;
}

/** What came of it: stopped by this call, or nothing to stop any more, or it changed each time that we looked. */
export type StopResult = 'stopped' | 'alreadyStopped' | 'ended' | 'gone' | 'contended' | 'forbidden';

/** The kubelet and the job controller change a Job several times around a pod's start; three looks outlast that. */
const LOOKS = 3;

/** Stops the Job of this name with a verdict. @throws DispatcherError when the cluster cannot be read or patched. */
export async function stopJob(
  { jobs, clock }: StopDeps,
  name: string,
  verdict: Omit<RecordedVerdict, 'at'>,
): Promise<StopResult> {
  for (let look = 0; look < LOOKS; look += 1) {
    const job = await jobs.getJob(name);
    if (job === 'notFound') return 'gone';
    if (hasEnded(job)) return 'ended';
    if (recordedVerdict(job) !== undefined) return 'alreadyStopped';
    const resourceVersion = job.metadata?.resourceVersion ?? '';
    const patched = await jobs.stopJob(name, resourceVersion, { ...verdict, at: isoTime(clock.now()) });
    if (patched === 'forbidden') return 'forbidden';
    if (patched !== 'conflict') return patched === 'patched' ? 'stopped' : 'gone';
  }
  return 'contended';
}
