/** Namespaces of a real API server. */

import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterApi } from '../kubelet/api.ts';

const limitMs = 60_000;
const lookAgainMs = 50;

/**
 * Creates a namespace and waits until pods can be created in it: where there are controllers, that takes a service account.
 *
 * @throws Error when it does not come into being.
 */
export async function createNamespace(api: ClusterApi, name: string, hasControllers: boolean): Promise<void> {
  const { status } = await api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  if (status !== 201 && status !== 409) throw new Error(`The API server answered ${status} to namespace ${name}.`);
  const path = `/api/v1/namespaces/${name}${hasControllers ? '/serviceaccounts/default' : ''}`;
  const endMs = Date.now() + limitMs;
  while ((await api.get(path)).status !== 200) {
    if (Date.now() > endMs) throw new Error(`${path} did not come into being.`);
    await pause(lookAgainMs);
  }
}
