// DescribeCluster. Only sandboxes without a configured endpoint load this file.
import { DescribeClusterCommand, EKSClient } from '@aws-sdk/client-eks';
import { DispatcherError } from '../../domain/errors.ts';
import type { AwsCredentials } from '../aws-credentials.ts';
import type { ClusterAddress } from '../eks-cluster.ts';
import { CALL_LIMITS, faultName } from './calls.ts';

/** Asks EKS for the address of a cluster. IAM: `eks:DescribeCluster`. @throws DispatcherError `clusterUnavailable` */
export async function describeCluster(input: {
  readonly clusterName: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}): Promise<ClusterAddress> {
  const { clusterName, region, credentials } = input;
  const client = new EKSClient({ region, credentials, ...CALL_LIMITS });
  try {
    const { cluster } = await client.send(new DescribeClusterCommand({ name: clusterName }));
    const ca = cluster?.certificateAuthority?.data;
    if (!cluster?.endpoint || !ca) {
      throw new DispatcherError(
        'clusterUnavailable',
        `Cluster ${clusterName} has no endpoint yet (${cluster?.status}).`,
      );
    }
    return { endpoint: cluster.endpoint, caPem: Buffer.from(ca, 'base64').toString('utf8') };
  } catch (error) {
    if (error instanceof DispatcherError) throw error;
    throw new DispatcherError(
      'clusterUnavailable',
      `Cluster ${clusterName} cannot be described (${faultName(error)}).`,
      { cause: error },
    );
  } finally {
    client.destroy();
  }
}
