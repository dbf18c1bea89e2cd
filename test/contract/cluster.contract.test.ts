import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { type JsonObject, objectAt } from '../../local/json.ts';
import { type ClusterClient, createClusterClient } from '../support/cluster-client.ts';
import { describeCluster } from '../support/cluster-suite.ts';
import { recorded } from '../support/recorded.ts';

const token = 'known-token';
const jobs = '/apis/batch/v1/namespaces/terrakube/jobs';

function start(): Promise<StandInCluster> {
  const podCollectionMs = 100;
  return startCluster({ podCollectionMs, authenticate: async (given) => (given === token ? 'tester' : undefined) });
}

describeCluster('the stand-in cluster', async () => {
  const { url, caPem, close } = await start();
  return { url, caPem, token, namespace: 'terrakube', close };
});

describe('what only a stand-in can do', () => {
  const running: { cluster?: StandInCluster; client?: ClusterClient } = {};
  beforeAll(async () => {
    running.cluster = await start();
    running.client = createClusterClient({ ...running.cluster, token });
  });
  afterAll(async () => {
    running.client?.close();
    await running.cluster?.close();
  });
  const open = (): { cluster: StandInCluster; client: ClusterClient } => {
    if (running.cluster === undefined || running.client === undefined) throw new Error('The cluster did not start.');
    return { cluster: running.cluster, client: running.client };
  };
  const secret = (name: string): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
  });
  const secrets = '/api/v1/namespaces/terrakube/secrets';

  test.each(['429-too-many-requests', '403-quota-exceeded'])(
    'a recorded answer takes the place of a real one (%s)',
    async (file) => {
      const { cluster, client } = open();
      const { status, headers, body } = recorded(file).response;
      cluster.answerNext({
        method: 'POST',
        path: /\/secrets$/,
        status,
        headers,
        body: typeof body === 'string' ? body : objectAt(body),
      });
      const [refused, created] = [
        await client.send('POST', secrets, { body: secret(`s-${status}`) }),
        await client.send('POST', secrets, { body: secret(`s-${status}`) }),
      ];
      expect({ status: refused.status, body: refused.body, retryAfter: refused.headers['retry-after'] }).toEqual({
        status,
        body,
        retryAfter: headers['Retry-After'],
      });
      expect(created.status).toBe(201);
    },
  );

  test('a connection that breaks after the work leaves the object behind', async () => {
    const { cluster, client } = open();
    cluster.answerNext({ method: 'POST', path: /\/secrets$/, dropAfter: true });
    await expect(client.send('POST', secrets, { body: secret('after') })).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await client.send('GET', `${secrets}/after`)).status).toBe(200);
  });

  test('a connection that breaks before the work leaves nothing behind', async () => {
    const { cluster, client } = open();
    cluster.answerNext({ method: 'POST', path: /\/secrets$/, drop: true });
    await expect(client.send('POST', secrets, { body: secret('before') })).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await client.send('GET', `${secrets}/before`)).status).toBe(404);
  });

  test('requests and handshakes are counted, and one connection serves many requests', async () => {
    const { cluster } = open();
    const client = createClusterClient({ ...cluster, token });
    const [requests, handshakes] = [cluster.stats.requests.length, cluster.stats.handshakes];
    await client.send('GET', jobs);
    await client.send('GET', `${jobs}/nothere`);
    client.close();
    expect(cluster.stats.requests.slice(requests)).toEqual([
      { method: 'GET', path: jobs, status: 200 },
      { method: 'GET', path: `${jobs}/nothere`, status: 404 },
    ]);
    expect(cluster.stats.handshakes - handshakes).toBe(1);
  });
});
