// What the stack needs of a cluster, whether it is the stand-in, a real control plane or somebody's own cluster.
import type { StandInCluster } from './cluster/cluster.ts';

/** A running cluster. */
export type LocalCluster = Pick<StandInCluster, 'url' | 'caPem' | 'close'> & {
  /** Nodes of its own run its pods: no local kubelet is needed. */
  readonly hasNodes?: boolean;
};
