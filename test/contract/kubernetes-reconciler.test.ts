import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { startCluster } from '../../local/cluster/cluster.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { createInMemoryClock } from '../support/in-memory-clock.ts';
import { createInMemoryJobStore } from '../support/in-memory-job-store.ts';
import { createInMemoryReconciler } from '../support/in-memory-reconciler.ts';
import { createCountedToken } from '../support/kubernetes-bench.ts';
import { describeReconciledCluster } from '../support/reconciler-suite.ts';
import { createClusterWorld, createInMemoryWorld } from '../support/reconciler-worlds.ts';

describeReconciledCluster('a reconciled cluster in memory', async () => {
  const [store, clock] = [createInMemoryJobStore(), createInMemoryClock()];
  const cluster = createInMemoryReconciler(store, clock);
  return { cluster, world: createInMemoryWorld(store, clock, cluster) };
});

describeReconciledCluster("the reconciler's client, on the stand-in cluster", async () => {
  const standIn = await startCluster({
    authenticate: async (token) => (token === 'token-1' ? 'reconcile' : undefined),
  });
  const client = createClusterClient({ ...standIn, token: 'token-1' });
  const cluster = createKubernetesReconciler({
    cluster: { get: async () => ({ endpoint: standIn.url, caPem: standIn.caPem }), forget: () => false },
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => epochMs(Date.now()),
  });
  const close = async () => {
    client.close();
    await standIn.close();
  };
  return { cluster, world: createClusterWorld(client, 'terrakube'), close };
});
