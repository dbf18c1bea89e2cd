/**
 * What this project relies on in a Kubernetes API, as tests that run against the stand-in cluster and against a real API server
 * alike. The tests play the kubelet themselves (they write pod statuses), so none may be running.
 */

import { afterAll, beforeAll, describe } from 'vitest';
import { type ClusterClient, createClusterClient } from './cluster-client.ts';
import { type ClusterUnderTest, type Context, contextOf } from './cluster-context.ts';
import { deleteTests, jobTests } from './cluster-suite-lives.ts';
import { listTests, watchTests } from './cluster-suite-reads.ts';
import { createTests, patchTests, refusalTests } from './cluster-suite-writes.ts';

/** What a cluster may lack. */
export interface Capabilities {
  /** Jobs make pods, and what nobody owns any more is collected. */
  readonly hasControllers: boolean;
}

/** Declares the suite for one kind of cluster. Tests of what it lacks are skipped. */
export function describeCluster(
  name: string,
  start: () => Promise<ClusterUnderTest>,
  { hasControllers }: Capabilities = { hasControllers: true },
): void {
  describe(name, () => {
    const running: { cluster?: ClusterUnderTest; client?: ClusterClient } = {};
    beforeAll(async () => {
      running.cluster = await start();
      running.client = createClusterClient(running.cluster);
    });
    afterAll(async () => {
      running.client?.close();
      await running.cluster?.close();
    });
    const context = (): Context => {
      if (running.cluster === undefined || running.client === undefined) throw new Error('The cluster did not start.');
      return contextOf(running.cluster, running.client);
    };
    describe('create', () => createTests(context));
    describe('refusals', () => refusalTests(context));
    describe('list', () => listTests(context));
    describe('watch', () => watchTests(context));
    describe('patch', () => patchTests(context));
    describe.skipIf(!hasControllers)('delete', () => deleteTests(context));
    describe.skipIf(!hasControllers)('Jobs and their pods', () => jobTests(context));
  });
}
