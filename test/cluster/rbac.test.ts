// The roles of deploy/kubernetes, from the very files, on an API server that enforces them.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import type { ExecutorSettings } from '../../lib/domain/executor-settings.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { stepSelector } from '../../lib/domain/job-name.ts';
import { buildPayloadSecret } from '../../lib/domain/payload-secret.ts';
import { seconds } from '../../lib/domain/time.ts';
import { type Json, type JsonObject, listAt, textAt } from '../../local/json.ts';
import { executorSettings, ids, NOON, payload, recordedVerdict, request } from '../support/builders.ts';
import { type ClusterClient, createClusterClient } from '../support/cluster-client.ts';
import { aJob, aSecret, fresh } from '../support/cluster-context.ts';
import { applyRoles, NAMESPACE, observerWith, storeWith } from './support/dispatch-store.ts';

const { url, caPem, tokens } = inject('controlPlane');
const jobs = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;
const client: ClusterClient = createClusterClient({ url, caPem, token: tokens.admin });

beforeAll(applyRoles);
afterAll(() => client.close());

/** What the API server itself says that this token may do in a namespace, without what everybody may. */
async function rightsOf(token: string, namespace = NAMESPACE): Promise<readonly string[]> {
  const { body } = await client.send('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
    token,
    body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } },
  });
  const rules = listAt(body, 'status', 'resourceRules').filter(isNotEverybodys);
  return rules.flatMap((rule) =>
    listAt(rule, 'resources').flatMap((resource) => listAt(rule, 'verbs').map((verb) => `${verb} ${resource}`)),
  );
}

/** Whoever is known may ask about his own rights, and every service account may read public certificates. */
function isNotEverybodys(rule: Json): boolean {
  return !listAt(rule, 'resources').some((resource) => /^self|^clustertrustbundles$/.test(String(resource)));
}

async function serviceAccountToken(name: string): Promise<string> {
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${name}/token`;
  const { body } = await client.send('POST', path, {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  return textAt(body, 'status', 'token') ?? '';
}

function aStep(transport: ExecutorSettings['transport'] = 'file'): {
  job: ReturnType<typeof buildJob>;
  of: ReturnType<typeof ids>;
} {
  const of = ids({ jobId: String(randomInt(1, 2 ** 40)) });
  const settings = executorSettings({ namespace: NAMESPACE, transport });
  return { of, job: buildJob({ request: request({ ids: of }), settings, installation: 'rbac', start: 1, now: NOON }) };
}

async function expectForbidden(token: string, method: string, path: string, body?: JsonObject): Promise<void> {
  const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const answer = await client.send(method, path, { token, body, contentType });
  expect(answer).toMatchObject({ status: 403, body: { reason: 'Forbidden' } });
  expect(textAt(answer.body, 'message')).toMatch(/ is forbidden: User "arn:aws:sts::.*" cannot /);
}

describe('the role of the dispatch function', () => {
  test('is what the client needs, in one namespace', async () => {
    expect(await rightsOf(tokens.dispatch)).toEqual([
      'create jobs',
      'get jobs',
      'list jobs',
      'patch jobs',
      'create secrets',
      'get secrets',
    ]);
    expect(await rightsOf(tokens.dispatch, 'default')).toEqual([]);
  });

  test('is enough for a dispatch from its first read to a verdict', async () => {
    const store = storeWith(tokens.dispatch);
    const { job, of } = aStep();
    const name = job.metadata?.name ?? '';

    const before = await store.listJobs(stepSelector(of, 'rbac'));
    const created = await store.createJob(job);
    const found = await store.getJob(name);
    const { uid = '', resourceVersion = '' } = found === 'notFound' ? {} : (found.metadata ?? {});
    const secret = await store.createSecret(buildPayloadSecret(job, { name, uid }, payload(of)));
    const owners = await store.getSecretOwners(name);
    const stopped = await store.stopJob(name, resourceVersion, recordedVerdict());

    expect([before, created.kind, secret.kind, owners]).toEqual([[], 'ok', 'ok', [uid]]);
    // The job controller may have written the status in between.
    expect(['patched', 'conflict']).toContain(stopped);
  });

  test.each<[string, string, string, JsonObject?]>([
    ['delete a Job', 'DELETE', `${jobs}/some`],
    ['replace a Job', 'PUT', `${jobs}/some`, aJob('some')],
    ['write the status of a Job', 'PATCH', `${jobs}/some/status`, {}],
    ['watch Jobs', 'GET', `${jobs}?watch=1&timeoutSeconds=1`],
    ['delete all Jobs', 'DELETE', jobs],
    ['list Secrets', 'GET', secrets],
    ['change a Secret', 'PATCH', `${secrets}/some`, {}],
    ['delete a Secret', 'DELETE', `${secrets}/some`],
    ['list pods', 'GET', pods],
    ['read the log of a pod', 'GET', `${pods}/some/log`],
    ['list Events', 'GET', `/api/v1/namespaces/${NAMESPACE}/events`],
    ['read a ConfigMap', 'GET', `/api/v1/namespaces/${NAMESPACE}/configmaps/kube-root-ca.crt`],
    ['list Jobs of all namespaces', 'GET', '/apis/batch/v1/jobs'],
    ['create a Job in another namespace', 'POST', '/apis/batch/v1/namespaces/default/jobs', aJob('some')],
    ['create a Secret in another namespace', 'POST', '/api/v1/namespaces/kube-system/secrets', aSecret('some')],
    ['list nodes', 'GET', '/api/v1/nodes'],
  ])('does not allow to %s', async (_, method, path, body) => {
    await expectForbidden(tokens.dispatch, method, path, body);
  });
});

describe('the role of the job-status function', () => {
  test('is to look at Jobs, pods and Events, and to stop, in one namespace', async () => {
    expect(await rightsOf(tokens.observe)).toEqual([
      'get jobs',
      'list jobs',
      'patch jobs',
      'delete jobs',
      'get pods',
      'list pods',
      'delete pods',
      'get events',
      'list events',
    ]);
    expect(await rightsOf(tokens.observe, 'default')).toEqual([]);
  });

  test('is enough for an observer from its first read to the end of a Job', async () => {
    // A suspended one, so that nothing happens to it meanwhile.
    const { job, of } = aStep('secretEnv');
    const name = job.metadata?.name ?? '';
    await storeWith(tokens.dispatch).createJob(job);
    const observer = observerWith(tokens.observe);

    const found = await observer.getJob(name);
    const listed = await observer.listJobs(stepSelector(of, 'rbac'));
    const [podsOfIt, events] = [await observer.listPods(name), await observer.listEvents(name)];
    const { uid = '', resourceVersion = '' } = found === 'notFound' ? {} : (found.metadata ?? {});
    const stopped = await observer.stopJob(name, resourceVersion, recordedVerdict());
    await observer.deletePod(`${name}-abcde`, 'nobody', seconds(1));
    await observer.deleteJob(name, uid);

    expect(listed.map(({ metadata }) => metadata?.uid)).toEqual([uid]);
    expect([podsOfIt, Array.isArray(events)]).toEqual([[], true]);
    // The job controller may have written the status in between.
    expect(['patched', 'conflict']).toContain(stopped);
    expect(await observer.getJob(name)).toBe('notFound');
  });

  test.each<[string, string, string, JsonObject?]>([
    ['create a Job', 'POST', jobs, aJob('some')],
    ['replace a Job', 'PUT', `${jobs}/some`, aJob('some')],
    ['write the status of a Job', 'PATCH', `${jobs}/some/status`, {}],
    ['watch Jobs', 'GET', `${jobs}?watch=1&timeoutSeconds=1`],
    ['delete all Jobs', 'DELETE', jobs],
    ['read a Secret', 'GET', `${secrets}/some`],
    ['list Secrets', 'GET', secrets],
    ['create a Secret', 'POST', secrets, aSecret('some')],
    ['delete a Secret', 'DELETE', `${secrets}/some`],
    ['change a pod', 'PATCH', `${pods}/some`, {}],
    ['delete all pods', 'DELETE', pods],
    ['read the log of a pod', 'GET', `${pods}/some/log`],
    ['run a command in a pod', 'POST', `${pods}/some/exec?command=sh`],
    ['write an Event', 'POST', `/api/v1/namespaces/${NAMESPACE}/events`, {}],
    ['list Jobs of all namespaces', 'GET', '/apis/batch/v1/jobs'],
    ['delete a Job in another namespace', 'DELETE', '/apis/batch/v1/namespaces/default/jobs/some'],
    ['list nodes', 'GET', '/api/v1/nodes'],
  ])('does not allow to %s', async (_, method, path, body) => {
    await expectForbidden(tokens.observe, method, path, body);
  });
});

describe('the role of the reconcile function', () => {
  test('is to look at Jobs, pods and Events all the time, to stop, and to clean up, in one namespace', async () => {
    expect(await rightsOf(tokens.reconcile)).toEqual([
      'get jobs',
      'list jobs',
      'watch jobs',
      'patch jobs',
      'delete jobs',
      'get pods',
      'list pods',
      'watch pods',
      'delete pods',
      'get events',
      'list events',
      'get secrets',
      'delete secrets',
    ]);
    expect(await rightsOf(tokens.reconcile, 'default')).toEqual([]);
  });

  test.each<[string, string, string, number, JsonObject?]>([
    ['list Jobs', 'GET', `${jobs}?limit=500`, 200],
    ['watch Jobs', 'GET', `${jobs}?watch=1&timeoutSeconds=1&labelSelector=none%3Dof-these`, 200],
    ['list pods', 'GET', `${pods}?limit=500`, 200],
    ['watch pods', 'GET', `${pods}?watch=1&timeoutSeconds=1&labelSelector=none%3Dof-these`, 200],
    ['list Events', 'GET', `/api/v1/namespaces/${NAMESPACE}/events?fieldSelector=type%3DWarning`, 200],
    ['patch a Job', 'PATCH', `${jobs}/none`, 404, {}],
    ['delete a Job', 'DELETE', `${jobs}/none`, 404],
    ['delete a pod', 'DELETE', `${pods}/none`, 404],
    ['ask whose a payload is', 'GET', `${secrets}/none`, 404],
    ['delete a payload', 'DELETE', `${secrets}/none`, 404],
  ])('allows to %s', async (_, method, path, status, body) => {
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    expect((await client.send(method, path, { token: tokens.reconcile, body, contentType })).status).toBe(status);
  });

  test.each<[string, string, string, JsonObject?]>([
    ['create a Job', 'POST', jobs, aJob('some')],
    ['replace a Job', 'PUT', `${jobs}/some`, aJob('some')],
    ['write the status of a Job', 'PATCH', `${jobs}/some/status`, {}],
    ['delete all Jobs', 'DELETE', jobs],
    ['list Secrets', 'GET', secrets],
    ['watch Secrets', 'GET', `${secrets}?watch=1&timeoutSeconds=1`],
    ['create a Secret', 'POST', secrets, aSecret('some')],
    ['change a Secret', 'PATCH', `${secrets}/some`, {}],
    ['delete all Secrets', 'DELETE', secrets],
    ['change a pod', 'PATCH', `${pods}/some`, {}],
    ['delete all pods', 'DELETE', pods],
    ['read the log of a pod', 'GET', `${pods}/some/log`],
    ['run a command in a pod', 'POST', `${pods}/some/exec?command=sh`],
    ['write an Event', 'POST', `/api/v1/namespaces/${NAMESPACE}/events`, {}],
    ['watch Jobs of all namespaces', 'GET', '/apis/batch/v1/jobs?watch=1&timeoutSeconds=1'],
    ['delete a Secret in another namespace', 'DELETE', '/api/v1/namespaces/kube-system/secrets/some'],
    ['list nodes', 'GET', '/api/v1/nodes'],
  ])('does not allow to %s', async (_, method, path, body) => {
    await expectForbidden(tokens.reconcile, method, path, body);
  });
});

describe('the role that Terrakube documents', () => {
  test('is Jobs with all verbs for its service account, and nothing else', async () => {
    const token = await serviceAccountToken('terrakube-api-service-account');
    const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'];
    expect(await rightsOf(token)).toEqual(verbs.map((verb) => `${verb} jobs`));
  });

  test('lets the client create Jobs, and says that Secrets are forbidden', async () => {
    const store = storeWith(await serviceAccountToken('terrakube-api-service-account'));
    const { job, of } = aStep();
    const created = await store.createJob(job);
    const secret = await store.createSecret(buildPayloadSecret(job, { name: 'x', uid: 'x' }, payload(of)));
    expect(created.kind).toBe('ok');
    expect(secret).toMatchObject({ kind: 'refused', refusal: { status: 403, reason: 'Forbidden' } });
  });
});

describe('somebody whom the cluster knows, without a role', () => {
  test('is refused by name, not taken for an unknown token', async () => {
    const store = storeWith(tokens.stranger);
    const { job } = aStep();
    expect(await store.createJob(job)).toMatchObject({ kind: 'refused', refusal: { status: 403 } });
    const read = store.getJob(fresh());
    await expect(read).rejects.toBeInstanceOf(DispatcherError);
    await expect(read).rejects.toMatchObject({ code: 'clusterRefused' });
  });

  test('an unknown token is unauthorized', async () => {
    await expect(storeWith('nobody').getJob(fresh())).rejects.toMatchObject({ code: 'clusterUnauthorized' });
  });
});
