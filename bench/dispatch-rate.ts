// How many steps a second one sandbox dispatches on a real API server, with one and with ten workers, and what a dispatch
// costs: CPU, requests, TLS handshakes. The baseline of the same run is a bare create of a Job and a Secret.
//   npm run bench:dispatch-rate -- [--json] [--runs N]
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createKubernetesJobs } from '../lib/clients/kubernetes-jobs.ts';
import type { DispatchIds } from '../lib/domain/dispatch-request.ts';
import { epochMs } from '../lib/domain/time.ts';
import type { JobStore } from '../lib/ports.ts';
import { buildControlPlane } from '../local/control-plane/build.ts';
import { startControlPlane } from '../local/control-plane/control-plane.ts';
import { executorSettings, ids, payload } from '../test/support/builders.ts';
import { createDispatchWorld } from '../test/support/dispatch-world.ts';
import { startMeddlingProxy } from '../test/support/meddling-proxy.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, runs: { type: 'string', default: '300' } },
});
const runs = Number(values.runs);

const controlPlane = await startControlPlane({ programs: await buildControlPlane() });
const proxy = await startMeddlingProxy(controlPlane.url, controlPlane.caPem);
try {
  const direct = storeAt(controlPlane);
  await measure(direct, 20, 10);
  const one = await measure(direct, runs, 1);
  const ten = await measure(direct, runs, 10);
  const bare = await measureBare(direct, runs);
  await measure(storeAt(proxy), 100, 10);
  const perDispatch = { requests: proxy.calls.length / 100, handshakes: proxy.connections / 100 };
  const result = { runs, one, ten, bare, perDispatch, cpuRatio: one.cpuMs / bare.cpuMs };
  if (values.json) console.log(JSON.stringify(result));
  else printTable(result);
} finally {
  await proxy.close();
  await controlPlane.stop();
}

interface Rate {
  readonly perSecond: number;
  /** CPU of this process for one dispatch. */
  readonly cpuMs: number;
}

function storeAt({ url, caPem }: { readonly url: string; readonly caPem: string }): JobStore {
  const address = { endpoint: url, caPem };
  return createKubernetesJobs({
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => controlPlane.tokens.admin, forget: () => undefined },
    namespace: 'terrakube',
    now: () => epochMs(Date.now()),
  });
}

function aStep(): DispatchIds {
  return ids({ jobId: String(randomInt(1, 2 ** 40)) });
}

async function measure(jobs: JobStore, count: number, workers: number): Promise<Rate> {
  return rateOf(count, workers, async () => {
    const of = aStep();
    const world = createDispatchWorld({ ids: of });
    const result = await world.deliver({ jobs, executor: executorSettings() }, { payload: payload(of) });
    if (result !== 'done') throw new Error(JSON.stringify(world.log.lines));
  });
}

/** The two creates alone, with objects that dispatch would make. */
async function measureBare(jobs: JobStore, count: number): Promise<Rate> {
  return rateOf(count, 1, async () => {
    const name = `bare-${randomInt(1, 2 ** 40)}`;
    const containers = [{ name: 'executor', image: 'example' }];
    await jobs.createJob({ metadata: { name }, spec: { template: { spec: { restartPolicy: 'Never', containers } } } });
    await jobs.createSecret({ metadata: { name }, data: { payload: Buffer.from(payload()).toString('base64') } });
  });
}

async function rateOf(count: number, workers: number, run: () => Promise<void>): Promise<Rate> {
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: workers }, work));
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / ((performance.now() - startedAt) / 1000), cpuMs: (user + system) / 1000 / count };
}

function printTable({
  one,
  ten,
  bare,
  perDispatch,
  cpuRatio,
}: {
  one: Rate;
  ten: Rate;
  bare: Rate;
  perDispatch: { requests: number; handshakes: number };
  cpuRatio: number;
}): void {
  const line = (what: string, { perSecond, cpuMs }: Rate): void =>
    console.log(`${what.padEnd(24)}${perSecond.toFixed(0).padStart(5)} a second  ${cpuMs.toFixed(2)} ms CPU each`);
  line('dispatch, 1 worker', one);
  line('dispatch, 10 workers', ten);
  line('bare create, 1 worker', bare);
  console.log(`CPU of a dispatch: ${cpuRatio.toFixed(2)} × a bare create of Job and Secret`);
  console.log(
    `for each dispatch: ${perDispatch.requests} requests to the cluster, ${perDispatch.handshakes} TLS handshakes`,
  );
}
