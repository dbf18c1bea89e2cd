// How long it takes from Terrakube's POST until the Kubernetes Job exists, on the local stack: warm functions, one job at a
// time. The baseline, measured in the same run, is a bare client that creates such a Job on the same cluster.
//   npm run bench:post-to-job -- [--json] [--runs N]
import { parseArgs } from 'node:util';
import { clusterApis } from '../local/executor-secret.ts';
import { textAt } from '../local/json.ts';
import { startStack } from '../local/stack.ts';
import { buildFunctions } from '../tools/build.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string', default: '100' } } });
const runs = Number(values.runs);
/** The first ones start sandboxes. */
const WARM_UP = 5;

await buildFunctions();
const created = new Map<string, number>();
const posted = new Map<string, number>();
const stack = await startStack({
  executor: [process.execPath, '-e', ''],
  terrakube: {
    onEvent: ({ kind, jobId }) => {
      if (kind === 'posted') posted.set(jobId, performance.now());
    },
  },
  onClusterChange: ({ type, object }) => {
    const jobId = textAt(object, 'metadata', 'labels', 'terrakube.io/job');
    if (type === 'ADDED' && object['kind'] === 'Job' && jobId !== undefined) created.set(jobId, performance.now());
  },
});
try {
  const product: number[] = [];
  const baseline: number[] = [];
  const { batch } = clusterApis({ cluster: stack.cluster, token: stack.clusterToken });
  for (let run = -WARM_UP; run < runs; run += 1) {
    const { jobId } = stack.terrakube.createJob({ steps: [{ type: 'terraformPlan' }] });
    while (!created.has(jobId)) await new Promise((resolve) => setTimeout(resolve, 1));
    const startedAt = performance.now();
    await batch.createNamespacedJob({ namespace: 'terrakube', body: bareJob(`bare-${run + WARM_UP}`) });
    const bareMs = performance.now() - startedAt;
    if (run < 0) continue;
    product.push((created.get(jobId) ?? Number.NaN) - (posted.get(jobId) ?? Number.NaN));
    baseline.push(bareMs);
  }
  report(product, baseline);
} finally {
  await stack.close();
}

function bareJob(name: string) {
  const containers = [{ name: 'executor', image: 'example', command: ['true'] }];
  return { metadata: { name }, spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers } } } };
}

function report(product: readonly number[], baseline: readonly number[]): void {
  const result = {
    runs,
    postToJobMs: { median: quantile(product, 0.5), p99: quantile(product, 0.99) },
    bareCreateMs: { median: quantile(baseline, 0.5), p99: quantile(baseline, 0.99) },
    ratio: quantile(product, 0.5) / quantile(baseline, 0.5),
  };
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  console.log(
    `POST → Job created   median ${result.postToJobMs.median.toFixed(1)} ms, p99 ${result.postToJobMs.p99.toFixed(1)} ms (${runs} runs)`,
  );
  console.log(
    `bare create          median ${result.bareCreateMs.median.toFixed(1)} ms, p99 ${result.bareCreateMs.p99.toFixed(1)} ms`,
  );
  console.log(`ratio                ${result.ratio.toFixed(1)}`);
}

function quantile(sample: readonly number[], q: number): number {
  const sorted = sample.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
