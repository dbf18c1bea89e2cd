// Both worlds, in an order in which nothing that is made meanwhile looks like an orphan: Terrakube's live jobs first, then
// the cluster's Jobs, and last the Terrakube jobs of those Jobs that the first list did not have. Nothing is written on the
// word of a list alone.
import type { V1Job } from '@kubernetes/client-node';
import { type Installation, LABEL, MANAGED_BY } from '../domain/job-name.ts';
import { hasEnded, isOurs } from '../domain/next-start.ts';
import type { Worlds } from '../domain/plan-types.ts';
import { terrakubeJobOf } from '../domain/reconcile-plan.ts';
import type { ListedTerrakubeJob } from '../domain/terrakube-job.ts';
import { type EpochMs, epochMs } from '../domain/time.ts';
import type { Clock, ReconciledCluster, TerrakubeJobs } from '../ports.ts';
import type { ReconcileMemory } from './reconcile-memory.ts';
import { sideBySide } from './side-by-side.ts';

/** What reading needs. */
export interface ReadDeps {
  readonly cluster: ReconciledCluster;
  readonly terrakubeJobs: TerrakubeJobs;
  readonly clock: Clock;
  readonly installation: Installation;
  readonly memory: ReconcileMemory;
}

/** Both worlds, and from where the cluster can be watched. */
export interface ReadWorlds extends Worlds {
  readonly jobsVersion: string;
  /** Undefined where pods may not be read. */
  readonly podsVersion: string | undefined;
}

/** The label selector of all Jobs and pods of an installation. */
export const installationSelector = (installation: Installation): string =>
  `${LABEL.managedBy}=${MANAGED_BY},${LABEL.installation}=${installation}`;

/** Reads both worlds. @throws DispatcherError when one of them cannot be read. */
export async function readWorlds(deps: ReadDeps): Promise<ReadWorlds> {
  const { cluster, terrakubeJobs, installation, memory } = deps;
  const selector = installationSelector(installation);
  const live = await terrakubeJobs.listLiveJobs();
  // One after the other: a page of each at the same time would be twice the memory.
  const jobs = await cluster.snapshotJobs(selector);
  const pods = await cluster.snapshotPods(selector);
  for (const job of jobs.items) if (live.has(terrakubeJobOf(job))) memory.unsettle(job);
  const owned = jobs.items.filter((job) => isOurs(job, installation) && !memory.isSettled(job));
  const known = new Set(owned.map(terrakubeJobOf));
  const unlisted = [...known].filter((jobId) => !live.has(jobId));
  const [others, events] = await Promise.all([
    unlisted.length === 0 ? new Map<string, ListedTerrakubeJob>() : terrakubeJobs.listJobs(unlisted),
    owned.every(hasEnded) ? [] : cluster.listWarnings(),
  ]);
  const terrakube = new Map<string, ListedTerrakubeJob | 'notFound'>(live);
  for (const jobId of unlisted) terrakube.set(jobId, others.get(jobId) ?? 'notFound');
  memory.keepOnly(jobs.items, new Set(terrakube.keys()));
  return {
    jobs: owned,
    jobsVersion: jobs.resourceVersion,
    pods: pods === 'forbidden' ? pods : pods.items,
    podsVersion: pods === 'forbidden' ? undefined : pods.resourceVersion,
    events,
    terrakube,
    unchangedSince: sinceOf(deps, terrakube),
    now: cluster.serverNow(),
  };
}

/** Since when each job has looked as it does, by the API server's clock as far as the plan is concerned. */
export function sinceOf(
  { memory, clock, cluster }: Pick<ReadDeps, 'memory' | 'clock' | 'cluster'>,
  terrakube: Worlds['terrakube'],
): ReadonlyMap<string, EpochMs> {
  const skew = cluster.serverNow() - clock.now();
  const since = new Map<string, EpochMs>();
  for (const [jobId, job] of terrakube) {
    if (job === 'notFound') continue;
    since.set(jobId, shifted(memory.unchangedSince(jobId, job, clock.now()), skew));
  }
  return since;
}

const shifted = (at: EpochMs, byMs: number): EpochMs => epochMs(at + byMs);

/** The live pods of ended Jobs are none: those of Jobs that a plan wants to speak about are read one by one. */
export async function readEndedPods(
  { cluster }: Pick<ReadDeps, 'cluster'>,
  worlds: ReadWorlds,
  names: readonly string[],
): Promise<ReadWorlds> {
  if (worlds.pods === 'forbidden') return worlds;
  const read = [...worlds.pods];
  await sideBySide(names, async (name) => {
    const pods = await cluster.listPods(name);
    if (pods !== 'forbidden') read.push(...pods);
  });
  return { ...worlds, pods: read };
}

/** Jobs that have not ended. */
export const unfinishedJobs = ({ jobs }: Pick<Worlds, 'jobs'>): readonly V1Job[] =>
  jobs.filter((job) => !hasEnded(job));
