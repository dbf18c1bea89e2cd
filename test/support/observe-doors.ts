// Several doors on one world: each observes through its own ports, so that a test can stop one of them between any two
// calls, or let them take turns. Beside them the job controller, which ends what was stopped.
import type { V1Job } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { type Observed, observeJob } from '../../lib/flows/observe-job.ts';
import { INSTALLATION, ids } from './builders.ts';
import type { StoredJob } from './in-memory-terrakube.ts';
import type { ObserveWorld } from './observe-world.ts';
import { type Around, tap } from './tap.ts';

/** The name of the Job of the first start. */
export const FIRST_JOB: string = jobName(ids(), INSTALLATION, 1);

/** Observes the world's Job through another door. All its calls, and its sleeps, pass through `around`. */
export function observeThrough(
  { deps }: ObserveWorld,
  around: Around,
  { final, name = FIRST_JOB }: { readonly final?: V1Job | undefined; readonly name?: string } = {},
): Promise<Observed> {
  const { cluster, terrakube, clock } = deps;
  const own = {
    ...deps,
    cluster: { ...tap(cluster, around), serverNow: cluster.serverNow },
    terrakube: tap(terrakube, around),
    clock: { ...tap(clock, around), now: clock.now },
  };
  return observeJob(own, name, final);
}

/** What the job controller does about Jobs whose clock was set to zero: their pods end, and they have failed. */
export function endStopped({ store, cluster, clock }: ObserveWorld): void {
  for (const job of store.allJobs()) {
    const isStopped = job.spec?.activeDeadlineSeconds === 1 && job.spec.suspend !== true;
    if (!isStopped || job.status?.conditions?.some(({ status }) => status === 'True')) continue;
    const lastTransitionTime = new Date(clock.now());
    store.put({
      ...job,
      status: { conditions: [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded', lastTransitionTime }] },
    });
    cluster.removePod('pod-1');
  }
}

/** Everything that is left at the end and that somebody could see. */
export interface EndState {
  readonly terrakube: StoredJob | undefined;
  readonly jobs: readonly unknown[];
}

/** The end state of a world. */
export const stateOf = ({ store, terrakube }: ObserveWorld, of: DispatchIds = ids()): EndState => ({
  terrakube: terrakube.job(of),
  jobs: store.allJobs().map(withoutTimes),
});

/** A Job without what differs between two runs of the same history: versions, and the time of a verdict. */
function withoutTimes(job: V1Job): unknown {
  const { annotations = {}, name } = job.metadata ?? {};
  const verdict = readVerdict(job);
  return {
    name,
    verdict: typeof verdict === 'object' ? { ...verdict, at: undefined } : verdict,
    said: annotations['terrakube.io/said'],
    conditions: (job.status?.conditions ?? []).map(({ type }) => type),
  };
}
