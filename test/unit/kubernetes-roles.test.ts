import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { manifestFolder, readDocuments } from '../../local/control-plane/manifests.ts';
import { type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import { executorSettings, NOON, request } from '../support/builders.ts';

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

/** What a client says that it uses, itself or through the calls about Jobs that clients share. */
async function usesOf(...clients: readonly string[]): Promise<readonly string[]> {
  const files = [...clients, 'kubernetes-job-calls.ts'].map(
    (file) => new URL(`../../lib/clients/${file}`, import.meta.url),
  );
  const source = (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
  const used = [...source.matchAll(/^ +\/\/ RBAC: (\w+ \w+)$/gm)].map(([, use]) => use ?? '');
  return [...new Set(used)].toSorted();
}

async function grantsIn(file: string): Promise<readonly string[]> {
  const role = (await readDocuments(file)).find((object) => textAt(object, 'kind') === 'Role') ?? {};
  return grantsOf(role).toSorted();
}

test('the role of dispatch grants what its client says that it uses, and nothing else', async () => {
  expect(await grantsIn('dispatch.yaml')).toEqual(await usesOf('kubernetes-jobs.ts'));
});

test('the role of job-status grants what its client says that it uses, and to read one where it may list all', async () => {
  const used = await usesOf('kubernetes-observer.ts');
  expect(await grantsIn('observe.yaml')).toEqual([...used, 'get events', 'get pods'].toSorted());
});

test('the role of reconcile grants what its client says that it uses, and to read one where it may list all', async () => {
  const used = await usesOf('kubernetes-reconciler.ts', 'kubernetes-observer.ts');
  expect(await grantsIn('reconcile.yaml')).toEqual([...used, 'get events', 'get pods'].toSorted());
});
