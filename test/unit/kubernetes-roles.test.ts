import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { manifestFolder, readDocuments } from '../../local/control-plane/manifests.ts';
import { type JsonObject, listAt, textAt } from '../../local/json.ts';

/** The verbs of a Role, as `verb resource`. */
function grantsOf(role: JsonObject): readonly string[] {
  return listAt(role, 'rules').flatMap((rule) =>
    listAt(rule, 'resources').flatMap((resource) => listAt(rule, 'verbs').map((verb) => `${verb} ${resource}`)),
  );
}

test('kustomization.yaml lists every manifest, the namespace first', async () => {
  const [kustomization = {}] = await readDocuments('kustomization.yaml');
  const listed = listAt(kustomization, 'resources').map(String);
  const present = (await readdir(manifestFolder)).filter((name) => name !== 'kustomization.yaml');
  expect(listed.toSorted()).toEqual(present.toSorted());
  expect(listed[0]).toBe('namespace.yaml');
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
