// The product's own client on the real API server, as one of the identities, with the roles of deploy/kubernetes applied.
import { inject } from 'vitest';
import type { KubernetesApiOptions } from '../../../lib/clients/kubernetes-api.ts';
import { createKubernetesJobs } from '../../../lib/clients/kubernetes-jobs.ts';
import { createKubernetesObserver } from '../../../lib/clients/kubernetes-observer.ts';
import { createKubernetesReconciler } from '../../../lib/clients/kubernetes-reconciler.ts';
import { epochMs } from '../../../lib/domain/time.ts';
import type { JobStore, ObservedCluster, ReconciledCluster } from '../../../lib/ports.ts';
import { applyManifests, readManifests } from '../../../local/control-plane/manifests.ts';
import { createClusterApi } from '../../../local/kubelet/api.ts';

/** The namespace of the manifests. No kubelet runs in it. */
export const NAMESPACE = 'terrakube';

/** Applies deploy/kubernetes. */
export async function applyRoles(): Promise<void> {
  const { url, caPem, tokens } = inject('controlPlane');
  const api = createClusterApi({ server: url, caPem, token: tokens.admin });
  try {
    await applyManifests(api, await readManifests());
  } finally {
    api.close();
  }
}

/** Creates a store that signs in with this token. */
export function storeWith(token: string, namespace: string = NAMESPACE): JobStore {
  return createKubernetesJobs(optionsWith(token, namespace));
}

/** Creates an observer that signs in with this token. */
export function observerWith(token: string, namespace: string = NAMESPACE): ObservedCluster {
  return createKubernetesObserver(optionsWith(token, namespace));
}

/** Creates the reconciler's client, which signs in with this token. */
export function reconcilerWith(token: string, namespace: string = NAMESPACE): ReconciledCluster {
  return createKubernetesReconciler(optionsWith(token, namespace));
}

function optionsWith(token: string, namespace: string): KubernetesApiOptions {
  const { url, caPem } = inject('controlPlane');
  const address = { endpoint: url, caPem };
  return {
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => token, forget: () => undefined },
    namespace,
    now: () => epochMs(Date.now()),
  };
}
