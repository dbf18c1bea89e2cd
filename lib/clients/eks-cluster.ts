// Where the cluster's API is, and which certificate to trust: from the settings, or asked for once per sandbox.
import { DispatcherError } from '../domain/errors.ts';
import type { EpochMs } from '../domain/time.ts';
import type { CredentialSource } from './aws-credentials.ts';
import { faultName } from './aws-fault.ts';

/** Endpoint and certificate authority of a cluster. */
export interface ClusterAddress {
  /** `https://…` */
  readonly endpoint: string;
  /** PEM text. */
  readonly caPem: string;
}

/** Gives the address of the cluster. */
export interface EksCluster {
  /** @throws DispatcherError `clusterUnknown` */
  get(now: EpochMs): Promise<ClusterAddress>;
  /**
   * Forgets this address, because its certificate or its name was wrong; a newer one is kept. Says whether it can be asked
   * for again.
   */
  forget(address: ClusterAddress): boolean;
}

/** Options of {@link createEksCluster}. */
export interface EksClusterOptions {
  readonly clusterName: string;
  readonly region: string;
  readonly credentials: CredentialSource;
  /** The address, if the settings have it; nothing is asked for then. */
  readonly configured?: ClusterAddress;
}

/**
 * Creates the address source of one cluster. Concurrent callers share one call.
 *
 * IAM: `eks:DescribeCluster` on the cluster, unless the address is configured.
 */
export function createEksCluster({ clusterName, region, credentials, configured }: EksClusterOptions): EksCluster {
  if (configured) return { get: () => Promise.resolve(configured), forget: () => false };
  let address: Promise<ClusterAddress> | undefined;
  let known: ClusterAddress | undefined;
  const describe = async (now: EpochMs): Promise<ClusterAddress> => {
    // In a file of its own: sandboxes with a configured address never load the SDK.
    const { describeCluster } = await import('./aws/eks.ts');
    const input = { clusterName, region, credentials: await credentials(now) };
    const { endpoint, certificateAuthority, status } = await describeCluster(input);
    if (!endpoint || !certificateAuthority) {
      throw new DispatcherError('clusterUnknown', `Cluster ${clusterName} has no endpoint yet (${status}).`);
    }
    known = { endpoint, caPem: Buffer.from(certificateAuthority, 'base64').toString('utf8') };
    return known;
  };
  return {
    get(now) {
      address ??= describe(now).catch((error: unknown) => {
        address = undefined;
        if (error instanceof DispatcherError) throw error;
        const text = `Cluster ${clusterName} cannot be described (${faultName(error)}).`;
        throw new DispatcherError('clusterUnknown', text, { cause: error });
      });
      return address;
    },
    forget(wrong) {
      if (wrong === known) {
        address = undefined;
        known = undefined;
      }
      return true;
    },
  };
}
