// The whole product on a real control plane: the built functions sign in with an EKS token, under the role of deploy/kubernetes.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { startRealCluster } from '../../local/control-plane/real-cluster.ts';
import { type Json, type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import type { LocalCluster } from '../../local/local-cluster.ts';
import { type Stack, startStackOn } from '../../local/stack.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { until } from '../support/running-stack.ts';

const programs = await buildControlPlane();
const hasControllers = programs.kind === 'module' || programs.controllers !== undefined;
const secret = 'a-variable-that-only-the-executor-may-see';

describe.skipIf(!hasControllers)('the product on a real control plane', () => {
  const running: { stack?: Stack<LocalCluster>; folder?: string } = {};
  beforeAll(async () => {
    running.folder = await mkdtemp(join(tmpdir(), 'stack-'));
    const auditLog = join(running.folder, 'audit.log');
    running.stack = await startStackOn((options) => startRealCluster(programs, options, { auditLog }));
  });
  afterAll(async () => {
    await running.stack?.close();
    await rm(running.folder ?? '', { recursive: true, force: true });
  });
  const stackNow = (): Stack<LocalCluster> => {
    if (running.stack === undefined) throw new Error('The stack did not start.');
    return running.stack;
  };
  /** What the API server has noted since its start. */
  const auditEvents = async (): Promise<readonly JsonObject[]> => {
    const lines = (await readFile(join(running.folder ?? '', 'audit.log'), 'utf8')).trimEnd().split('\n');
    return lines.map((line): Json => JSON.parse(line)).map((event) => objectAt(event));
  };

  test('a job with a plan and an apply completes', async () => {
    const { terrakube } = stackNow();
    const { jobId } = terrakube.createJob({
      steps: [{ type: 'terraformPlan' }, { type: 'terraformApply' }],
      variables: { password: secret },
    });
    await until('the job to complete', () => terrakube.job(jobId).status === 'completed');
    expect(terrakube.job(jobId).steps.map(({ status }) => status)).toEqual(['completed', 'completed']);
  });

  test('the functions came as their role, in its group, and were refused nothing', async () => {
    const events = (await auditEvents()).filter((event) =>
      textAt(event, 'user', 'username')?.startsWith('arn:aws:sts'),
    );
    const seen = events.map((event) => ({
      groups: listAt(event, 'user', 'groups'),
      request: `${textAt(event, 'verb')} ${textAt(event, 'objectRef', 'resource')}`,
      code: objectAt(event, 'responseStatus')['code'],
    }));
    expect(new Set(seen.map(({ request }) => request))).toEqual(
      new Set(['list jobs', 'create jobs', 'create secrets']),
    );
    expect(new Set(seen.flatMap(({ groups }) => groups))).toEqual(
      new Set(['terrakube-dispatch', 'system:authenticated']),
    );
    expect(seen.filter(({ code }) => Number(code) >= 400)).toEqual([]);
  });

  test('the audit log shows the whole Job at each change of its status', async () => {
    const completions = async (): Promise<readonly JsonObject[]> =>
      (await auditEvents()).filter((event) =>
        listAt(event, 'responseObject', 'status', 'conditions').some((one) => textAt(one, 'type') === 'Complete'),
      );
    // The job controller gathers what happens for about a second, and may come to the later Job first.
    const types = async (): Promise<readonly unknown[]> =>
      (await completions()).map((event) => textAt(event, 'responseObject', 'metadata', 'labels', 'terrakube.io/type'));
    await until('both Jobs to complete', async () => new Set(await types()).size === 2);
    expect(new Set(await types())).toEqual(new Set(['terraformPlan', 'terraformApply']));
    for (const completion of await completions()) {
      expect(completion).toMatchObject({
        level: 'RequestResponse',
        objectRef: { resource: 'jobs', subresource: 'status' },
        user: { username: 'system:serviceaccount:kube-system:job-controller' },
      });
    }
  });

  test('the audit log holds a Secret only by name', async () => {
    const events = (await auditEvents()).filter((event) => textAt(event, 'objectRef', 'resource') === 'secrets');
    const created = events.filter((event) => textAt(event, 'verb') === 'create');
    expect(created.length).toBeGreaterThanOrEqual(2);
    expect(events.filter((event) => 'requestObject' in event || 'responseObject' in event)).toEqual([]);
    expect(JSON.stringify(await auditEvents())).not.toContain(secret);
  });

  test('a token that nobody has signed is refused', async () => {
    const { cluster } = stackNow();
    const client = createClusterClient({ ...cluster, token: 'k8s-aws-v1.aHR0cHM6Ly9zdHMuZXhhbXBsZQ' });
    const answer = await client.send('GET', '/apis/batch/v1/namespaces/terrakube/jobs');
    client.close();
    expect(answer.status).toBe(401);
  });
});
