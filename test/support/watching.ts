// The watch of a run of the reconciler, with its real client: what it rings for, and when.
import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { createSystemClock } from '../../lib/clients/system.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { createMirror } from '../../lib/flows/mirror.ts';
import { installationSelector } from '../../lib/flows/read-worlds.ts';
import { watchWorlds } from '../../lib/flows/watch-worlds.ts';
import type { ReconciledCluster } from '../../lib/ports.ts';
import { INSTALLATION } from './builders.ts';
import { createInMemoryLog } from './in-memory-log.ts';

/** Whom to watch. */
export interface Watched {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
  readonly namespace: string;
}

/** A watch that runs. */
export interface Watch {
  /** How many times all Jobs were listed. */
  lists(): number;
  stop(): void;
}

/** Watches until it is stopped. @param ring is told the name of each Job that looks different. */
export async function startWatching(
  { url, caPem, token, namespace }: Watched,
  ring: (jobName: string) => void,
): Promise<Watch> {
  const clock = createSystemClock();
  const address = { endpoint: url, caPem };
  const cluster = createKubernetesReconciler({
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => token, forget: () => undefined },
    namespace,
    now: clock.now,
  });
  const labelSelector = installationSelector(INSTALLATION);
  let lists = 0;
  const snapshotJobs: ReconciledCluster['snapshotJobs'] = (selector) => {
    lists += 1;
    return cluster.snapshotJobs(selector);
  };
  const [jobs, pods] = await Promise.all([snapshotJobs(labelSelector), cluster.snapshotPods(labelSelector)]);
  if (pods === 'forbidden') throw new Error('Pods may not be listed.');
  const mirror = createMirror(
    {
      ...{ jobs: jobs.items, pods: pods.items, events: [], terrakube: new Map(), unchangedSince: new Map() },
      now: clock.now(),
    },
    INSTALLATION,
  );
  const { stop } = watchWorlds(
    { cluster: { ...cluster, snapshotJobs }, clock, log: createInMemoryLog(), errorFields },
    {
      ...{ mirror, labelSelector, jobsVersion: jobs.resourceVersion, podsVersion: pods.resourceVersion },
      until: epochMs(clock.now() + 3_600_000),
      ring: ({ name }) => ring(name),
    },
  );
  return { lists: () => lists, stop };
}
