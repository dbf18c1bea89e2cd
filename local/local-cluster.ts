// What the stack needs of a cluster, whether it is the stand-in or a real control plane.
import type { StandInCluster } from './cluster/cluster.ts';

/** A running cluster. */
export type LocalCluster = Pick<StandInCluster, 'url' | 'caPem' | 'close'>;
