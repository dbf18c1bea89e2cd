// What the reconciler reads and watches, on a real API server.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { seconds } from '../../lib/domain/time.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { describeReconciledCluster } from '../support/reconciler-suite.ts';
import { createClusterWorld } from '../support/reconciler-worlds.ts';
import { applyRoles, NAMESPACE, reconcilerWith } from './support/dispatch-store.ts';
import { type RealCluster, realCluster } from './support/real-cluster.ts';

const { url, caPem, tokens } = inject('controlPlane');

beforeAll(applyRoles);

describeReconciledCluster("the reconciler's client on a real API server, with its own role", async () => {
  const client = createClusterClient({ url, caPem, token: tokens.admin });
  const close = async () => client.close();
  return { cluster: reconcilerWith(tokens.reconcile), world: createClusterWorld(client, NAMESPACE), close };
});

describe('a real API server', () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await realCluster('reconciler');
  });
  afterAll(() => cluster.close());
  const onChange = () => undefined;

  test('has forgotten the version of its first day', async () => {
    const reconciler = reconcilerWith(tokens.reconcile);
    const request = { labelSelector: 'a=b', resourceVersion: '1', timeout: seconds(10), onChange };
    expect(await reconciler.watchJobs(request).ended).toEqual({ kind: 'expired' });
    expect(await reconciler.watchPods(request).ended).toEqual({ kind: 'expired' });
  });

  test('gives 1,003 Jobs in pages of one moment', { timeout: 60_000 }, async () => {
    const client = createClusterClient({ ...cluster, token: tokens.admin });
    const world = createClusterWorld(client, cluster.namespace);
    const names = Array.from({ length: 1003 }, (_, index) => `job-${index}`);
    const waiting = [...names];
    const work = async (): Promise<void> => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
        await world.createJob(name, { app: 'pages' });
    };
    await Promise.all(Array.from({ length: 10 }, work));
    const { items, resourceVersion } = await reconcilerWith(tokens.admin, cluster.namespace).snapshotJobs('app=pages');
    client.close();
    expect(items.map(({ metadata }) => metadata?.name).toSorted()).toEqual(names.toSorted());
    expect(resourceVersion).toMatch(/^\d+$/);
    // What lies in memory of one Job.
    expect(JSON.stringify(items).length / items.length).toBeLessThan(1000);
  });

  test('says no to whoever may not watch', async () => {
    const stranger = reconcilerWith(tokens.stranger);
    const request = { labelSelector: 'a=b', resourceVersion: '1', timeout: seconds(10), onChange };
    const refused = { code: 'clusterRefused', status: 403 };
    await expect(stranger.watchJobs(request).ended).rejects.toMatchObject(refused);
    await expect(stranger.snapshotJobs('a=b')).rejects.toMatchObject(refused);
    expect([
      await stranger.snapshotPods('a=b'),
      await stranger.listWarnings(),
      await stranger.deletePayload('job', 'uid'),
    ]).toEqual(['forbidden', 'forbidden', 'forbidden']);
  });
});
