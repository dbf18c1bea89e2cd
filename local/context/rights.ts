// What the run does in a cluster, verb by verb, and whether the API server lets it.
import { at, textAt } from '../json.ts';
import type { ClusterApi } from '../kubelet/api.ts';
import { StartRefusal } from '../start/refusal.ts';

/** Verbs on one resource, as RBAC names them: `pods/binding` is a subresource, `jobs.batch` has a group. */
export interface Right {
  readonly verbs: readonly string[];
  readonly resource: string;
  /** The resource belongs to the cluster as a whole. */
  readonly isClusterWide?: boolean;
}

/** What dispatch does, and watching it. */
export const dispatchRights: readonly Right[] = [
  { resource: 'jobs.batch', verbs: ['create', 'get', 'list', 'patch', 'watch'] },
  { resource: 'secrets', verbs: ['create', 'get'] },
  { resource: 'pods', verbs: ['list', 'watch'] },
];

/** What the local kubelet does besides. */
export const kubeletRights: readonly Right[] = [
  { resource: 'pods', verbs: ['delete'] },
  { resource: 'pods/binding', verbs: ['create'] },
  { resource: 'pods/status', verbs: ['patch'] },
  { resource: 'configmaps', verbs: ['get'] },
  { resource: 'events', verbs: ['create', 'patch'] },
  { resource: 'nodes', verbs: ['create', 'patch', 'delete'], isClusterWide: true },
  { resource: 'nodes/status', verbs: ['patch'], isClusterWide: true },
];

/** What a demo takes away at its end. */
export const demoRights: readonly Right[] = [
  { resource: 'jobs.batch', verbs: ['delete'] },
  { resource: 'secrets', verbs: ['delete'] },
];

const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

/**
 * Asks for each right.
 *
 * @throws StartRefusal that names every verb that is missing.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 */
export async function requireRights(
  api: ClusterApi,
  rights: readonly Right[],
  { context, namespace }: { readonly context: string; readonly namespace: string },
): Promise<void> {
  const asked = rights.flatMap(({ verbs, ...right }) => verbs.map((verb) => ({ ...right, verb })));
  const answers = await Promise.all(asked.map(async (right) => ({ ...right, may: await may(api, right, namespace) })));
  const missing = answers.filter(({ may }) => !may);
  if (missing.length === 0) return;
  const where = (isClusterWide = false): string => (isClusterWide ? 'in the cluster' : `in namespace ${namespace}`);
  const lines = missing.map(({ verb, resource, isClusterWide }) => `  ${verb} ${resource} ${where(isClusterWide)}`);
  throw new StartRefusal(`Context ${context} has no right to:\n${lines.join('\n')}`, 1);
}

async function may(
  api: ClusterApi,
  right: { readonly verb: string; readonly resource: string; readonly isClusterWide?: boolean },
  namespace: string,
): Promise<boolean> {
  const [, resource = '', subresource = '', group = ''] =
    /^([^/.]+)(?:\/([^.]+))?(?:\.(.+))?$/.exec(right.resource) ?? [];
  const resourceAttributes = {
    ...{ verb: right.verb, group, resource, subresource },
    namespace: right.isClusterWide === true ? '' : namespace,
  };
  const { status, body } = await api.post(reviews, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  });
  if (status !== 201) {
    throw new StartRefusal(
      `The cluster answered ${status} to "may I …?": ${textAt(body, 'message') ?? 'no reason'}`,
      1,
    );
  }
  return at(body, 'status', 'allowed') === true;
}
