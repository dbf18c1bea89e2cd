import { describeKubelet } from '../support/kubelet-suite.ts';
import { hasControllers, realCluster } from './support/real-cluster.ts';

describeKubelet(
  'the local kubelet on a real API server',
  async () => {
    const cluster = await realCluster('kubelet');
    return { ...cluster, kubeletToken: cluster.tokens.kubelet };
  },
  { hasControllers },
);
