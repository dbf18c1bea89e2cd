// The files of deploy/kubernetes on a real API server, which knows every field and every bound.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readDocuments } from '../../local/control-plane/manifests.ts';
import { type Json, type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import { type ClusterAnswer, createClusterClient } from '../support/cluster-client.ts';
import { applyRoles, NAMESPACE } from './support/dispatch-store.ts';

const { url, caPem, tokens } = inject('controlPlane');
const client = createClusterClient({ url, caPem, token: tokens.admin });
const namespaced = (api: string, resource: string): string => `/${api}/namespaces/${NAMESPACE}/${resource}`;

const COLLECTIONS: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  ServiceAccount: namespaced('api/v1', 'serviceaccounts'),
  ResourceQuota: namespaced('api/v1', 'resourcequotas'),
  Role: namespaced('apis/rbac.authorization.k8s.io/v1', 'roles'),
  RoleBinding: namespaced('apis/rbac.authorization.k8s.io/v1', 'rolebindings'),
  NetworkPolicy: namespaced('apis/networking.k8s.io/v1', 'networkpolicies'),
  FlowSchema: '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas',
  PriorityLevelConfiguration: '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations',
};

const FILES = [
  'namespace.yaml',
  'terrakube-api.yaml',
  'dispatch.yaml',
  'observe.yaml',
  'reconcile.yaml',
  'network-policy.yaml',
  'optional/flow-schema.yaml',
  'optional/resource-quota.yaml',
];

beforeAll(applyRoles);
afterAll(() => client.close());

/** Applies as `kubectl apply --server-side --validate=strict` does. */
function apply(object: JsonObject, more = ''): Promise<ClusterAnswer> {
  const path = `${COLLECTIONS[textAt(object, 'kind') ?? '']}/${textAt(object, 'metadata', 'name')}`;
  const query = `fieldManager=manifests-test&force=true&fieldValidation=Strict${more}`;
  return client.send('PATCH', `${path}?${query}`, { body: object, contentType: 'application/apply-patch+yaml' });
}

/** Tries it, and changes nothing. */
const dryRun = (object: JsonObject): Promise<ClusterAnswer> => apply(object, '&dryRun=All');

const isTaken = (status: number): boolean => status === 200 || status === 201;

test('the files are those that the two kustomizations list', async () => {
  const [needed = {}] = await readDocuments('kustomization.yaml');
  const [optional = {}] = await readDocuments('optional/kustomization.yaml');
  const inOptional = listAt(optional, 'resources').map((file) => `optional/${file}`);
  expect(FILES).toEqual([...listAt(needed, 'resources'), ...inOptional]);
});

test.each(FILES)('the API server takes %s', async (file) => {
  const objects = await readDocuments(file);
  expect(objects.length).toBeGreaterThan(0);
  for (const object of objects) {
    const { status, body } = await dryRun(object);
    expect(isTaken(status), `${textAt(object, 'kind')}: ${textAt(body, 'message')}`).toBe(true);
  }
});

test('the API server refuses a field that is misspelt, and a value that cannot be', async () => {
  const [policy = {}] = await readDocuments('network-policy.yaml');
  const misspelt = await dryRun({ ...policy, spec: { ...objectAt(policy, 'spec'), policyType: ['Egress'] } });
  const [quota = {}] = await readDocuments('optional/resource-quota.yaml');
  const impossible = await dryRun({ ...quota, spec: { hard: { pods: '-1' } } });
  expect(textAt(misspelt.body, 'message')).toContain('.spec.policyType: field not declared in schema');
  expect(impossible.status).toBe(422);
});

describe('the optional share of the API server', () => {
  const schemaOf = ({ headers }: ClusterAnswer): Json => String(headers['x-kubernetes-pf-flowschema-uid']);
  const jobs = namespaced('apis/batch/v1', 'jobs');

  test('is what each function gets, and nobody else', async () => {
    const [level = {}, schema = {}] = await readDocuments('optional/flow-schema.yaml');
    try {
      const made = [await apply(level), await apply(schema)];
      expect(made.map(({ status }) => isTaken(status))).toEqual([true, true]);
      const uid = textAt(made[1]?.body ?? null, 'metadata', 'uid') ?? '';
      const functions = [tokens.dispatch, tokens.observe, tokens.reconcile];

      await expect.poll(() => schemasSeen(functions), { timeout: 30_000 }).toEqual([uid, uid, uid]);
      expect(await schemasSeen([tokens.admin])).not.toContain(uid);
    } finally {
      for (const object of [schema, level]) {
        await client.send(
          'DELETE',
          `${COLLECTIONS[textAt(object, 'kind') ?? '']}/${textAt(object, 'metadata', 'name')}`,
        );
      }
    }
  });

  async function schemasSeen(as: readonly string[]): Promise<readonly Json[]> {
    return Promise.all(as.map(async (token) => schemaOf(await client.send('GET', jobs, { token }))));
  }

  test('has a rank that no other schema of the API server has', async () => {
    const { body } = await client.send('GET', COLLECTIONS['FlowSchema'] ?? '');
    const [, schema = {}] = await readDocuments('optional/flow-schema.yaml');
    const ranks = listAt(body, 'items').filter((item) => textAt(item, 'metadata', 'name') !== 'terrakube-dispatcher');
    expect(ranks.length).toBeGreaterThan(5);
    expect(ranks.map((item) => objectAt(item, 'spec')['matchingPrecedence'])).not.toContain(
      objectAt(schema, 'spec')['matchingPrecedence'],
    );
  });
});
