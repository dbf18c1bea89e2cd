// job-status with no more rights than Terrakube's own Role gives: Jobs, neither pods nor Events.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { textAt } from '../../local/json.ts';
import { type AuditedWorld, applyRoles, startAuditedWorld } from '../support/audited-world.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { untilTold } from './support/audited-cluster.ts';
import { hasControllers, type RealCluster, realCluster } from './support/real-cluster.ts';

describe.runIf(hasControllers)("with Terrakube's own Role, job-status tells", () => {
  let cluster: RealCluster;
  let world: AuditedWorld;
  beforeAll(async () => {
    cluster = await realCluster('terrakube-role');
    const audited = { ...cluster, auditLog: inject('controlPlane').auditLog };
    await applyRoles(audited);
    world = await startAuditedWorld(audited, { observer: await tokenOf('terrakube-api-service-account') });
  });
  afterAll(async () => {
    await world?.close();
    await cluster.close();
  });
  const tokenOf = async (account: string): Promise<string> => {
    const client = createClusterClient(cluster);
    const path = `/api/v1/namespaces/${cluster.namespace}/serviceaccounts/${account}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const answer = await client.send('POST', path, { body });
    client.close();
    return textAt(answer.body, 'status', 'token') ?? '';
  };

  test('a Job that has failed, in the words of Kubernetes', async () => {
    const step = await world.dispatch({ script: 'process.exit(3)' });

    expect(await untilTold(step)).toMatchObject({
      job: 'failed',
      step: 'failed',
      name: expect.stringMatching(/^Step: Kubernetes says: BackoffLimitExceeded/),
      text: expect.stringContaining('Its pod cannot be seen'),
    });
  });
});
