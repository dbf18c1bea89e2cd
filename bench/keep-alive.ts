// A pod that waits four minutes for its node, under a Terrakube that fails each job whose row does not change for 60 s: the
// whole product in real time, with the schedule as its only eyes. It prints when the job was kept alive, and how it ended.
//   npm run bench:keep-alive -- [--seconds N]
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '../local/cluster/cluster.ts';
import { startKubelet } from '../local/kubelet/kubelet.ts';
import { NAMESPACE, startStackOn } from '../local/stack.ts';
import { buildFunctions } from '../tools/build.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '240' } } });
const waitMs = Number(values.seconds) * 1000;
/** As Terrakube 2.33.0 has it. */
const SWEEP = { graceMs: 60_000, everyMs: 30_000 };

await buildFunctions();
const startedAt = Date.now();
const say = (text: string): void =>
  console.log(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`);
// A cluster that is said to have nodes of its own gets no local kubelet: its pods wait.
const stack = await startStackOn(async (options) => ({ ...(await startCluster(options)), hasNodes: true }), {
  schedule: true,
  terrakube: { sweep: SWEEP },
});
const { terrakube, cluster, clusterToken } = stack;
let kubelet: Awaited<ReturnType<typeof startKubelet>> | undefined;
try {
  const { jobId } = terrakube.createJob({ steps: [{ type: 'terraformPlan' }] });
  let comments: string | null = null;
  let status = '';
  while (status !== 'completed' && status !== 'failed') {
    const job = terrakube.job(jobId);
    if (job.comments !== comments) say(`comments: ${job.comments}`);
    if (job.status !== status) say(`job ${job.status}`);
    ({ comments, status } = job);
    if (!kubelet && Date.now() - startedAt > waitMs) {
      say('a node comes');
      const executor = [process.execPath, path.join(import.meta.dirname, '..', 'local', 'executor.ts')];
      kubelet = await startKubelet({
        server: cluster.url,
        caPem: cluster.caPem,
        token: clusterToken,
        namespace: NAMESPACE,
        executor,
      });
    }
    await pause(200);
  }
  process.exitCode = status === 'completed' ? 0 : 1;
} finally {
  await kubelet?.close();
  await stack.close();
}
