import { expect, test } from 'vitest';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { describeKubelet } from '../support/kubelet-suite.ts';
import { aPod, type KubeletCluster, script, startWorld } from '../support/kubelet-world.ts';

const token = 'kubelet-token';

async function start(): Promise<KubeletCluster & Pick<StandInCluster, 'answerNext'>> {
  const { url, caPem, answerNext, close } = await startCluster({
    authenticate: async (given) => (given === token ? 'kubelet' : undefined),
  });
  return { url, caPem, token, kubeletToken: token, namespace: 'terrakube', answerNext, close };
}

describeKubelet('the local kubelet on the stand-in cluster', start);

test('a watch that is refused is opened again, and nothing is missed', async () => {
  const cluster = await start();
  const { pods, create, untilPhase, restartKubelet, close } = await startWorld(cluster);
  try {
    const expired = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410 };
    cluster.answerNext({ method: 'GET', path: /pods\?watch=1/, status: 410, body: expired });
    cluster.answerNext({ method: 'GET', path: /pods\?watch=1/, drop: true });
    await restartKubelet();
    await create(pods, aPod('again', script('')));
    expect(await untilPhase('again', 'Succeeded')).toBeDefined();
  } finally {
    await close();
  }
});
