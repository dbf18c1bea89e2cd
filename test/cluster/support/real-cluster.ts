// The real control plane as the suites want a cluster: its address, an identity, and a namespace of its own for each file,
// so that files can run side by side.
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type { Tokens } from '../../../local/control-plane/identities.ts';
import { createNamespace } from '../../../local/control-plane/namespace.ts';
import { createClusterApi } from '../../../local/kubelet/api.ts';

/** A namespace of the real cluster. */
export interface RealCluster {
  readonly url: string;
  readonly caPem: string;
  /** May do everything. */
  readonly token: string;
  readonly tokens: Tokens;
  readonly namespace: string;
  /** Deletes the namespace, without waiting for it. */
  close(): Promise<void>;
}

/** Whether Jobs live: false with envtest's programs, which have no controllers. */
export const hasControllers: boolean = inject('controlPlane').hasControllers;

/** Creates a namespace; `purpose` begins its name. */
export async function realCluster(purpose: string): Promise<RealCluster> {
  const { url, caPem, tokens } = inject('controlPlane');
  const namespace = `${purpose}-${randomBytes(4).toString('hex')}`;
  const api = createClusterApi({ server: url, caPem, token: tokens.admin });
  await createNamespace(api, namespace, hasControllers);
  return {
    url,
    caPem,
    token: tokens.admin,
    tokens,
    namespace,
    close: async () => {
      await api.delete(`/api/v1/namespaces/${namespace}`, {});
      api.close();
    },
  };
}
