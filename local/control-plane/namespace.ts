/** Namespaces of a real API server. */

import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterApi } from '../kubelet/api.ts';

const limitMs = 60_000;
const lookAgainMs = 50;

/**
 * Creates a namespace in which pods can be created: that takes a service account, which a controller makes where there is one.
 *
 * @throws Error when it does not come into being.
 */
export async function createNamespace(api: ClusterApi, name: string, hasControllers: boolean): Promise<void> {
  const { status } = await api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  if (status !== 201 && status !== 409) throw new Error(`The API server answered ${status} to namespace ${name}.`);
  const accounts = `/api/v1/namespaces/${name}/serviceaccounts`;
  if (!hasControllers) {
    await api.post(accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } });
  }
  const endMs = Date.now() + limitMs;
  while ((await api.get(`${accounts}/default`)).status !== 200) {
    if (Date.now() > endMs) throw new Error(`Namespace ${name} got no service account.`);
    await pause(lookAgainMs);
  }
}
