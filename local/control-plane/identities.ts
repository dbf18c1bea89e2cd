/**
 * Who may talk to the control plane: a bearer token for each, as kube-apiserver reads them from its static token file. The
 * groups are those that access entries give to the roles of template.yaml; what a group may do is RBAC's matter
 * (deploy/kubernetes).
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
 */

import { randomBytes } from 'node:crypto';

const role = (name: string): string => `arn:aws:sts::123456789012:assumed-role/${name}/local`;

/** Everybody that the control plane knows, but for service accounts. */
export type IdentityName = 'admin' | 'controllers' | 'kubelet' | 'dispatch' | 'observe' | 'reconcile' | 'stranger';

const identities: Readonly<Record<IdentityName, { readonly user: string; readonly groups: readonly string[] }>> = {
  /** May do everything. */
  admin: { user: 'local-admin', groups: ['system:masters'] },
  controllers: { user: 'system:kube-controller-manager', groups: [] },
  /** The local kubelet is a scheduler as well, so it needs more than the group of nodes; that one is for the audit log. */
  kubelet: { user: 'system:node:local', groups: ['system:nodes', 'system:masters'] },
  dispatch: { user: role('dispatch'), groups: ['terrakube-dispatch'] },
  observe: { user: role('job-status'), groups: ['terrakube-observe'] },
  reconcile: { user: role('reconcile'), groups: ['terrakube-reconcile'] },
  /** Known, and in no group. */
  stranger: { user: role('stranger'), groups: [] },
};

const names: readonly IdentityName[] = [
  'admin',
  'controllers',
  'kubelet',
  'dispatch',
  'observe',
  'reconcile',
  'stranger',
];

/** Bearer tokens by identity. */
export type Tokens = Readonly<Record<IdentityName, string>>;

/** Makes new tokens. */
export function makeTokens(): Tokens {
  const token = (): string => randomBytes(24).toString('base64url');
  return {
    admin: token(),
    controllers: token(),
    kubelet: token(),
    dispatch: token(),
    observe: token(),
    reconcile: token(),
    stranger: token(),
  };
}

/** The text of the static token file. */
export function tokenFile(tokens: Tokens): string {
  const line = (name: IdentityName): string => {
    const { user, groups } = identities[name];
    return `${tokens[name]},${user},${name},"${groups.join(',')}"\n`;
  };
  return names.map(line).join('');
}
