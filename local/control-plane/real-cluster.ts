/**
 * A real control plane as the cluster of the local stack: it asks the stack whose a bearer token is, gives roles their groups as
 * access entries of EKS do, has the RBAC of deploy/kubernetes, and tells of changes.
 *
 * @see https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
 */

import type { ClusterOptions } from '../cluster/cluster.ts';
import { followChanges } from '../cluster-changes.ts';
import { createClusterApi } from '../kubelet/api.ts';
import type { LocalCluster } from '../local-cluster.ts';
import type { ControlPlanePrograms } from './build.ts';
import { type ControlPlaneOptions, startControlPlane } from './control-plane.ts';
import { applyManifests, readManifests } from './manifests.ts';

/** Groups by the name of an IAM role. */
const accessEntries: Readonly<Record<string, string>> = {
  dispatch: 'terrakube-dispatch',
  'job-status': 'terrakube-observe',
  reconcile: 'terrakube-reconcile',
};

const watchedPaths = ['/apis/batch/v1/jobs', '/api/v1/pods', '/api/v1/events'];

/**
 * Starts the control plane and applies deploy/kubernetes.
 *
 * @throws Error when it does not come up, or has no controllers.
 */
export async function startRealCluster(
  programs: ControlPlanePrograms,
  { namespaces, authenticate, onChange }: ClusterOptions,
  more: Pick<ControlPlaneOptions, 'auditLog'> = {},
): Promise<LocalCluster & { readonly kubeconfig: string }> {
  const controlPlane = await startControlPlane({
    ...more,
    programs,
    ...(namespaces === undefined ? {} : { namespaces }),
    authenticate: async (token) => {
      const username = await authenticate(token);
      return username === undefined ? undefined : { username, groups: groupsOf(username) };
    },
  });
  const { url, caPem, tokens, kubeconfig, hasControllers } = controlPlane;
  const api = createClusterApi({ server: url, caPem, token: tokens.admin });
  const state = { closed: false };
  const close = async (): Promise<void> => {
    state.closed = true;
    api.close();
    await controlPlane.stop();
  };
  try {
    if (!hasControllers) throw new Error('KUBEBUILDER_ASSETS has no kube-controller-manager: no Job would start.');
    await applyManifests(api, await readManifests());
  } catch (error) {
    await close();
    throw error;
  }
  if (onChange !== undefined) followChanges(api, watchedPaths, { isClosed: () => state.closed, onChange });
  return { url, caPem, kubeconfig, close };
}

/** The kubelet of the stack is a scheduler as well. */
function groupsOf(username: string): readonly string[] {
  if (username.startsWith('system:node:')) return ['system:nodes', 'system:masters'];
  const [, role = ''] = /:assumed-role\/([^/]+)\//.exec(username) ?? [];
  const group = accessEntries[role];
  return group === undefined ? [] : [group];
}
