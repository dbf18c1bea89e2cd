// A cluster as EKS has it: an API server that knows its callers from the server of aws-iam-authenticator, which asks STS
// about their tokens. STS is a stand-in; it knows the sessions of the functions' roles.
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../../../local/aws/credentials.ts';
import type { StsIdentity } from '../../../local/aws/verify-eks-token.ts';
import { buildControlPlane } from '../../../local/control-plane/build.ts';
import { startControlPlane } from '../../../local/control-plane/control-plane.ts';
import { applyManifests, readManifests } from '../../../local/control-plane/manifests.ts';
import { createClusterApi } from '../../../local/kubelet/api.ts';
import { startAuthenticator } from './authenticator.ts';
import { startStandInSts } from './stand-in-sts.ts';

/** A running cluster, with deploy/kubernetes applied. */
export interface EksTestCluster {
  readonly url: string;
  readonly caPem: string;
  /** Why the authenticator has refused callers so far. */
  refusals(): Promise<readonly string[]>;
  /** How often it has asked STS so far. */
  stsRequests(): number;
  close(): Promise<void>;
}

/** What a cluster is made of. */
export interface EksTestClusterOptions {
  /** The authenticator's file. */
  readonly binary: string;
  readonly clusterName: string;
  readonly identities: readonly StsIdentity[];
  /** Groups by the name of a role; a role without one has no access entry. */
  readonly groups: Readonly<Record<string, string>>;
}

/** Starts all of it. */
export async function startEksCluster(options: EksTestClusterOptions): Promise<EksTestCluster> {
  const { binary, clusterName, identities, groups } = options;
  const started: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const one of started.splice(0).reverse()) await one.close();
  };
  try {
    const sts = await startStandInSts(LOCAL_REGION, identities);
    started.push(sts);
    const roles = Object.entries(groups).map(([role, group]) => ({
      rolearn: `arn:aws:iam::${LOCAL_ACCOUNT}:role/${role}`,
      // The user name that EKS gives a role when its access entry has none.
      username: `arn:aws:sts::{{AccountID}}:assumed-role/${role}/{{SessionName}}`,
      groups: [group],
    }));
    const authenticator = await startAuthenticator({ binary, clusterName, sts, roles });
    started.push(authenticator);
    const flags = [`--authentication-token-webhook-config-file=${authenticator.webhookConfig}`];
    const { url, caPem, tokens, stop } = await startControlPlane({ programs: await buildControlPlane(), flags });
    started.push({ close: stop });
    const api = createClusterApi({ server: url, caPem, token: tokens.admin });
    await applyManifests(api, await readManifests()).finally(() => api.close());
    return { url, caPem, refusals: authenticator.refusals, stsRequests: sts.requests, close };
  } catch (error) {
    await close();
    throw error;
  }
}
