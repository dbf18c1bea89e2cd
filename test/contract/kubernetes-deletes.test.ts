// Nothing is deleted by its name alone: another object may have taken it since it was looked at.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKubernetesObserver } from '../../lib/clients/kubernetes-observer.ts';
import { epochMs, seconds } from '../../lib/domain/time.ts';
import type { ObservedCluster } from '../../lib/ports.ts';
import { type Certificates, makeCertificates } from '../../local/cluster/certificates.ts';
import { createCountedToken } from '../support/kubernetes-bench.ts';
import { recorded } from '../support/recorded.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type Reply, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

let certificates: Certificates;
let server: ScriptedServer;
let cluster: ObservedCluster;
beforeAll(async () => {
  certificates = await makeCertificates();
  server = await startScriptedServer(() => 'reset', certificates);
  const address = { endpoint: server.url, caPem: certificates.caPem };
  cluster = createKubernetesObserver({
    cluster: { get: async () => address, forget: () => false },
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => epochMs(1_000_000),
    timeoutMs: 2000,
  });
});
afterAll(() => server.close());

const status = (code: number, kind: string): Reply => ({
  status: code,
  body: { kind: 'Status', reason: 'x', details: { kind }, message: 'says the server' },
});
const forbidden = (): Reply => ({ status: 403, body: Object(recorded('403-rbac-get').response.body) });
const deleteJob = () => cluster.deleteJob('job-17', 'uid-1');
const deletePod = () => cluster.deletePod('job-17-abcde', 'uid-2', seconds(1));

test('a Job is deleted by its uid, and its pod after it', async () => {
  server.script(() => ({ status: 200, body: { kind: 'Status', status: 'Success' } }));
  await deleteJob();
  expect(server.seen.at(-1)).toMatchObject({
    method: 'DELETE',
    path: '/apis/batch/v1/namespaces/terrakube/jobs/job-17',
    body: '{"preconditions":{"uid":"uid-1"},"propagationPolicy":"Background"}',
  });
});

test('a pod is deleted by its uid, with the grace that it is given', async () => {
  server.script(() => ({ status: 200, body: { kind: 'Pod', metadata: {} } }));
  await deletePod();
  expect(server.seen.at(-1)).toMatchObject({
    method: 'DELETE',
    path: '/api/v1/namespaces/terrakube/pods/job-17-abcde',
    body: '{"preconditions":{"uid":"uid-2"},"gracePeriodSeconds":1}',
  });
});

describe('is no error', () => {
  test.each([
    ['a Job that is gone', deleteJob, () => status(404, 'jobs')],
    ['another Job of its name', deleteJob, () => status(409, 'jobs')],
    ['a pod that is gone', deletePod, () => status(404, 'pods')],
    ['another pod of its name', deletePod, () => status(409, 'pods')],
    ['a pod that our role may not delete', deletePod, forbidden],
  ])('%s', async (_, remove, reply) => {
    server.script(reply);
    await expect(remove()).resolves.toBeUndefined();
  });
});

describe('is an error', () => {
  test.each([
    ['a Job that our role may not delete', deleteJob, forbidden, 'clusterRefused'],
    ['a wrong path', deleteJob, () => status(404, 'namespaces'), 'clusterRefused'],
    ['no answer for a Job', deleteJob, (): Reply => 'reset', 'clusterUnavailable'],
    ['no answer for a pod', deletePod, (): Reply => 'reset', 'clusterUnavailable'],
  ])('%s', async (_, remove, reply, code) => {
    server.script(reply);
    expect(await refusedWith(remove())).toMatchObject({ code });
  });
});
