import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { manifestFolder, readDocuments } from '../../local/control-plane/manifests.ts';
import { type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import { parseTemplate } from '../../local/lambda/cloudformation.ts';
import { executorSettings, NOON, request } from '../support/builders.ts';
import { reachedFrom } from '../support/reached-files.ts';
import { items, resourcesOfType, targetOf } from '../support/template-parts.ts';

/** The verbs of a Role, as `verb resource`. */
function grantsOf(role: JsonObject): readonly string[] {
  return listAt(role, 'rules').flatMap((rule) =>
    listAt(rule, 'resources').flatMap((resource) => listAt(rule, 'verbs').map((verb) => `${verb} ${resource}`)),
  );
}

test.each([
  ['deploy/kubernetes', '', 'Namespace'],
  ['deploy/kubernetes/optional', 'optional/', 'PriorityLevelConfiguration'],
])('kustomization.yaml of %s lists every manifest, what the others need first', async (_, folder, first) => {
  const [kustomization = {}] = await readDocuments(`${folder}kustomization.yaml`);
  const listed = listAt(kustomization, 'resources').map(String);
  const present = (await readdir(path.join(manifestFolder, folder))).filter((name) => name.endsWith('.yaml'));
  expect(['kustomization.yaml', ...listed].toSorted()).toEqual(present.toSorted());
  const [object = {}] = await readDocuments(`${folder}${listed[0]}`);
  expect(textAt(object, 'kind')).toBe(first);
});

test('no executor reaches the credentials of its node, and nobody reaches an executor', async () => {
  const [policy = {}] = await readDocuments('network-policy.yaml');
  const pod = buildJob({ request: request(), settings: executorSettings(), installation: 'x', start: 1, now: NOON });
  expect(pod.spec?.template.metadata?.labels).toMatchObject(objectAt(policy, 'spec', 'podSelector', 'matchLabels'));
  expect(policy['spec']).toMatchObject({
    policyTypes: ['Ingress', 'Egress'],
    ingress: [],
    egress: [
      {
        to: [
          { ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } },
          { ipBlock: { cidr: '::/0', except: ['fd00:ec2::254/128'] } },
        ],
      },
    ],
  });
});

/** What the clients that a door reaches say that they use. */
function usesOf(door: string): readonly string[] {
  const used = reachedFrom(door).flatMap(({ text }) => [...text.matchAll(/^ +\/\/ RBAC: (\w+ \w+)$/gm)]);
  return [...new Set(used.map(([, use]) => use ?? ''))].toSorted();
}

/** The groups that the access entries of the template put a function's role into. */
function groupsOf(functionId: string): readonly string[] {
  const entries = resourcesOfType(template, 'AWS::EKS::AccessEntry').map(([, entry]) => entry);
  const own = entries.filter((entry) => targetOf(entry['PrincipalArn']) === `${functionId}Role`);
  return own.flatMap((entry) => items(entry['KubernetesGroups']).map(String));
}

/** Of a manifest, what its Role grants, and the groups that it is bound to. */
async function roleIn(
  file: string,
): Promise<{ readonly grants: readonly string[]; readonly groups: readonly string[] }> {
  const objects = await readDocuments(file);
  const [role = {}, ...roles] = objects.filter((object) => textAt(object, 'kind') === 'Role');
  const bindings = objects.filter((object) => textAt(object, 'kind') === 'RoleBinding');
  expect([roles.length, bindings.map((binding) => textAt(binding, 'roleRef', 'name'))]).toEqual([
    0,
    [textAt(role, 'metadata', 'name')],
  ]);
  const groups = bindings.flatMap((binding) =>
    listAt(binding, 'subjects').map((subject) => textAt(subject, 'name') ?? ''),
  );
  return { grants: grantsOf(role).toSorted(), groups };
}

const template = parseTemplate(readFileSync(new URL('../../template.yaml', import.meta.url), 'utf8'));

/** Not used: who may list them all sees nothing more by it. */
const READ_ONE = ['get events', 'get pods'];

test.each([
  ['dispatch', 'Dispatch', 'dispatch.yaml', []],
  ['job-status', 'JobStatus', 'observe.yaml', READ_ONE],
  ['reconcile', 'Reconcile', 'reconcile.yaml', READ_ONE],
])('the role of %s grants what the clients in its door say that they use, and nothing else', async (...row) => {
  const [door, functionId, file, more] = row;
  const used = usesOf(door);
  const { grants, groups } = await roleIn(file);

  expect(used.length).toBeGreaterThan(3);
  expect(grants).toEqual([...used, ...more].toSorted());
  expect(groups).toEqual(groupsOf(functionId));
});

test('intake has nothing to do in the cluster', () => {
  expect([usesOf('intake'), groupsOf('Intake')]).toEqual([[], []]);
});
