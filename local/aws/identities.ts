// Who may sign in to the local cluster: the sessions of the functions' roles, by the signature in the token of EKS, and
// one bearer token that may do everything.
import { LOCAL_ACCOUNT, ROLE_CREDENTIALS } from './credentials.ts';
import { type StsIdentity, verifyEksToken } from './verify-eks-token.ts';

/** The local kubelet's own bearer token, as a bootstrap token on a real node. */
const KUBELET_USER = 'system:node:local';

/** The sessions of the roles of template.yaml. */
export const IDENTITIES: readonly StsIdentity[] = Object.entries(ROLE_CREDENTIALS).map(([role, credentials]) => ({
  arn: `arn:aws:sts::${LOCAL_ACCOUNT}:assumed-role/${role}/local`,
  credentials,
}));

/** Gives the user behind a bearer token of this cluster, or undefined. */
export const createAuthenticator =
  (clusterName: string, kubeletToken: string) =>
  async (token: string): Promise<string | undefined> =>
    token === kubeletToken
      ? KUBELET_USER
      : (await verifyEksToken(token, { clusterName, identities: IDENTITIES, now: Date.now() }))?.arn;
