// DescribeCluster. Only sandboxes without a configured endpoint load this file.
import { DescribeClusterCommand, EKSClient } from '@aws-sdk/client-eks';
import type { AwsCredentials } from '../aws-credentials.ts';
import { CALL_LIMITS } from './call-limits.ts';

/** What EKS says of a cluster. One that is being created has neither endpoint nor authority. */
export interface DescribedCluster {
  readonly endpoint: string | undefined;
  /** Base64 of PEM text. */
  readonly certificateAuthority: string | undefined;
  readonly status: string | undefined;
}

/** Asks EKS for a cluster. IAM: `eks:DescribeCluster`. @throws the SDK's errors */
export async function describeCluster(input: {
  readonly clusterName: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}): Promise<DescribedCluster> {
  const { clusterName, region, credentials } = input;
  const client = new EKSClient({ region, credentials, ...CALL_LIMITS });
  try {
    const { cluster } = await client.send(new DescribeClusterCommand({ name: clusterName }));
    return {
      endpoint: cluster?.endpoint,
      certificateAuthority: cluster?.certificateAuthority?.data,
      status: cluster?.status,
    };
  } finally {
    client.destroy();
  }
}
