// Everything that a function needs to sign in to its cluster, from its settings.

import { createAssumedRole } from './assumed-role.ts';
import type { AwsCredentials } from './aws-credentials.ts';
import { type ClusterAddress, createEksCluster, type EksCluster } from './eks-cluster.ts';
import { createEksToken, type EksToken } from './eks-token.ts';

/** Where the cluster is, and as whom to sign in. */
export interface EksSignInOptions {
  readonly aws: { readonly region: string; readonly credentials: AwsCredentials };
  readonly cluster: {
    readonly name: string;
    readonly region: string;
    /** Role to assume for a cluster in another account. */
    readonly roleArn?: string;
    /** The address, if the settings have it. */
    readonly address?: ClusterAddress;
  };
}

/** Creates the address and the token of a cluster. IAM: what createEksCluster and createAssumedRole need. */
export function createEksSignIn({ aws, cluster }: EksSignInOptions): {
  readonly cluster: EksCluster;
  readonly token: EksToken;
} {
  const { name: clusterName, region, roleArn, address } = cluster;
  const own = (): Promise<AwsCredentials> => Promise.resolve(aws.credentials);
  const credentials =
    roleArn === undefined ? own : createAssumedRole({ roleArn, region: aws.region, credentials: own });
  const options = { clusterName, region, credentials };
  return {
    cluster: createEksCluster({ ...options, ...(address === undefined ? {} : { configured: address }) }),
    token: createEksToken(options),
  };
}
