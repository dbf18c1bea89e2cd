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

test('the role of dispatch grants what its client says that it uses, and nothing else', async () => {
  const source = await readFile(new URL('../../lib/clients/kubernetes-jobs.ts', import.meta.url), 'utf8');
  const used = [...source.matchAll(/^ +\/\/ RBAC: (\w+ \w+)$/gm)].map(([, use]) => use ?? '');
  const role = (await readDocuments('dispatch.yaml')).find((object) => textAt(object, 'kind') === 'Role') ?? {};
  expect(grantsOf(role).toSorted()).toEqual([...new Set(used)].toSorted());
});
