/** The manifests of deploy/kubernetes: read as kustomize would, and applied as kubectl would. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { isObject, type Json, type JsonObject, listAt, textAt } from '../json.ts';
import type { ClusterApi } from '../kubelet/api.ts';

const folder = new URL('../../deploy/kubernetes/', import.meta.url);

/** Where the collections of each kind are. */
const collections: Readonly<Record<string, (namespace: string) => string>> = {
  Namespace: () => '/api/v1/namespaces',
  ServiceAccount: (namespace) => `/api/v1/namespaces/${namespace}/serviceaccounts`,
  Role: (namespace) => `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles`,
  NetworkPolicy: (namespace) => `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
  RoleBinding: (namespace) => `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`,
};

/** The folder, for messages and tests. */
export const manifestFolder: string = fileURLToPath(folder);

/** Reads the objects of the files that kustomization.yaml lists, in its order. */
export async function readManifests(): Promise<readonly JsonObject[]> {
  const [kustomization = {}] = await readDocuments('kustomization.yaml');
  const files = listAt(kustomization, 'resources').map(String);
  return (await Promise.all(files.map(readDocuments))).flat();
}

/** Reads the objects of one file. */
export async function readDocuments(file: string): Promise<readonly JsonObject[]> {
  const text = await readFile(new URL(file, folder), 'utf8');
  const documents: Json[] = parseAllDocuments(text).map((document) => document.toJS());
  return documents.filter(isObject);
}

/**
 * Creates the objects, or makes those that exist look as wanted.
 *
 * @throws Error when the API server refuses.
 */
export async function applyManifests(api: ClusterApi, objects: readonly JsonObject[]): Promise<void> {
  for (const object of objects) {
    const kind = textAt(object, 'kind') ?? '';
    const collection = collections[kind]?.(textAt(object, 'metadata', 'namespace') ?? '');
    if (collection === undefined) throw new Error(`There is no path for a ${kind}.`);
    const name = textAt(object, 'metadata', 'name') ?? '';
    const created = await api.post(collection, object);
    const { status, body } = created.status === 409 ? await api.patch(`${collection}/${name}`, object) : created;
    if (status >= 300) throw new Error(`${kind} ${name}: ${status} ${String(body['message'])}`);
  }
}
