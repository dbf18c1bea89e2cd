// How long it takes from a Job's end on a real API server until its step is failed in Terrakube: through the audit log, its
// tail in the place of CloudWatch Logs (which itself takes seconds), and job-status; one Job at a time. The baseline of the
// same run is what nobody can do without: a bare read of the Job and a bare PATCH of a step.
//   npm run bench:status -- [--json] [--runs N]
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildControlPlane } from '../local/control-plane/build.ts';
import { startControlPlane } from '../local/control-plane/control-plane.ts';
import { listAt, textAt } from '../local/json.ts';
import { type ApiEvent, createClusterApi } from '../local/kubelet/api.ts';
import { type AuditedWorld, startAuditedWorld } from '../test/support/audited-world.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string', default: '50' } } });
const runs = Number(values.runs);
/** The first ones compile code and open connections. */
const WARM_UP = 5;
const namespace = 'terrakube';
const auditLog = 'audit.log';
/** As often as makes no difference here. */
const everyMs = 5;
const jobsPath = `/apis/batch/v1/namespaces/${namespace}/jobs`;

/** When each Job failed, by name, and each step was failed, by Terrakube job. */
const ended = new Map<string, number>();
const told = new Map<string, number>();

const controlPlane = await startControlPlane({ programs: await buildControlPlane(), auditLog });
const { url, caPem, tokens, dir } = controlPlane;
const watcher = createClusterApi({ server: url, caPem, token: tokens.admin });
try {
  void watcher.watch(`${jobsPath}?watch=1`, noteEnd).catch(() => undefined);
  const world = await startAuditedWorld(
    { url, caPem, tokens, namespace, auditLog: join(dir, auditLog) },
    {
      everyMs,
      onTerrakube: ({ kind, jobId, status }) => {
        if (kind === 'stepStatus' && status === 'failed') told.set(jobId, performance.now());
      },
    },
  );
  try {
    report(await measure(world));
  } finally {
    await world.close();
  }
} finally {
  watcher.close();
  await controlPlane.stop();
}

interface Measured {
  readonly product: readonly number[];
  readonly baseline: readonly number[];
}

async function measure(world: AuditedWorld): Promise<Measured> {
  const product: number[] = [];
  const baseline: number[] = [];
  const lasting = await world.dispatch();
  for (let run = -WARM_UP; run < runs; run += 1) {
    const { ids, jobName } = await world.dispatch({ script: 'process.exit(1)' });
    while (!told.has(ids.jobId) || !ended.has(jobName)) await pause(1);
    const startedAt = performance.now();
    await world.client.send('GET', `${jobsPath}/${lasting.jobName}`);
    await lasting.report({ output: `run ${run}` });
    const bareMs = performance.now() - startedAt;
    if (run < 0) continue;
    product.push((told.get(ids.jobId) ?? Number.NaN) - (ended.get(jobName) ?? Number.NaN));
    baseline.push(bareMs);
  }
  return { product, baseline };
}

function noteEnd({ object }: ApiEvent): void {
  const name = textAt(object, 'metadata', 'name') ?? '';
  const isFailed = listAt(object, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Failed' && textAt(condition, 'status') === 'True',
  );
  if (isFailed && !ended.has(name)) ended.set(name, performance.now());
}

function report({ product, baseline }: Measured): void {
  const result = {
    runs,
    failedToToldMs: { median: quantile(product, 0.5), worst: Math.max(...product) },
    bareMs: { median: quantile(baseline, 0.5), worst: Math.max(...baseline) },
    ratio: quantile(product, 0.5) / quantile(baseline, 0.5),
  };
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const line = (what: string, { median, worst }: { readonly median: number; readonly worst: number }): void =>
    console.log(`${what.padEnd(32)}median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms (${runs} runs)`);
  line('Job Failed → step failed', result.failedToToldMs);
  line('bare GET of a Job and PATCH', result.bareMs);
  console.log(`${'ratio'.padEnd(32)}${result.ratio.toFixed(1)}`);
}

function quantile(sample: readonly number[], q: number): number {
  const sorted = sample.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
