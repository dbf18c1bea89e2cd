import { describeCluster } from '../support/cluster-suite.ts';
import { hasControllers, realCluster } from './support/real-cluster.ts';

describeCluster('a real API server', () => realCluster('suite'), { hasControllers });
