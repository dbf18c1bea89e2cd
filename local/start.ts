// `npm start`: the whole product on one machine. It dispatches one plan and one apply through the front door, as Terrakube
// does it, and shows what happens to them. The timeline goes to standard output; progress and logs to standard error.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildFunctions } from '../tools/build.ts';
import { type ClusterOptions, startCluster } from './cluster/cluster.ts';
import { buildControlPlane } from './control-plane/build.ts';
import { startRealCluster } from './control-plane/real-cluster.ts';
import type { LocalCluster } from './local-cluster.ts';
import { prepareOwnDispatch } from './own-dispatch.ts';
import { reporter } from './report.ts';
import { type Stack, startStackOn } from './stack.ts';
import { createTimeline } from './timeline.ts';

const USAGE = `npm start [-- OPTIONS]
  --json      one JSON object a line on standard output
  --watch     keep running, and print what happens
  --port N    port of the front door (default: a free one)
  --verbose   also print the functions' log lines
  --control-plane  a real etcd, kube-apiserver and controllers instead of the stand-in (built once: 5 to 10 minutes, with Go)`;

/** How long the demo may take before it counts as stuck. */
const DEMO_LIMIT_MS = 120_000;
const CACHE = fileURLToPath(new URL('../.cache/start/', import.meta.url));

async function main(): Promise<number> {
  const options = readOptions();
  if (!options) return 2;
  if (options.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const report = reporter(options);
  const ended = createLatch();
  let isPreparing = false;
  const timeline = createTimeline(
    () => performance.now(),
    (entry) => {
      report.entry(entry);
      if (['completed', 'failed', 'cancelled'].includes(entry.moment)) ended.tell(entry.jobId, entry.moment);
    },
  );
  report.progress('Building the functions');
  await buildFunctions();
  const start = await clusterStarter(options['control-plane'], report);
  if (!start) return 1;
  const cluster = options['control-plane'] ? 'a Kubernetes control plane' : 'the cluster';
  report.progress(`Starting Terrakube, ${cluster}, SQS and Lambda (all on 127.0.0.1)`);
  const stack = await startStackOn(start, {
    ...(options.port === undefined ? {} : { port: options.port }),
    terrakube: {
      onEvent: (event) => {
        if (!isPreparing) timeline.terrakube(event);
      },
    },
    onClusterChange: (change) => timeline.cluster(change),
    onFunctionLog: ({ functionName, line }) => report.functionLog(functionName, line),
    onExecutorLog: (pod, text) => report.executorLog(pod, text),
  });
  try {
    const results = await runDemo(stack, report, ended);
    isPreparing = true;
    const own = await prepareOwnDispatch(stack, CACHE);
    isPreparing = false;
    report.ending(results, own);
    if (options.watch) await untilInterrupted(report);
    return results.every((result) => result === 'completed') ? 0 : 1;
  } finally {
    await stack.close();
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        watch: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        'control-plane': { type: 'boolean', default: false },
        port: { type: 'string' },
      },
    });
    const port = values.port === undefined ? undefined : Number(values.port);
    if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
      throw new TypeError('--port must be a number from 1 to 65535.');
    }
    return { ...values, port };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : 'bad usage'}\n\n${USAGE}\n`);
    return undefined;
  }
}

type ClusterStarter = (options: ClusterOptions) => Promise<LocalCluster>;

/** The stand-in's, or one of a real control plane, which is built first; undefined when that is not possible. */
async function clusterStarter(
  isReal: boolean,
  report: ReturnType<typeof reporter>,
): Promise<ClusterStarter | undefined> {
  if (!isReal) return startCluster;
  try {
    const programs = await buildControlPlane(report.progress);
    return async (options) => {
      const cluster = await startRealCluster(programs, options);
      report.progress(`The control plane is up: kubectl --kubeconfig ${cluster.kubeconfig} get jobs,pods -n terrakube`);
      return cluster;
    };
  } catch (error) {
    report.progress(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** One plan, then one apply: each is a Terrakube job of its own, with its own executor. */
async function runDemo(
  stack: Pick<Stack, 'terrakube'>,
  report: ReturnType<typeof reporter>,
  ended: Latch,
): Promise<readonly string[]> {
  const results: string[] = [];
  for (const type of ['terraformPlan', 'terraformApply']) {
    const { jobId } = stack.terrakube.createJob({
      steps: [{ type, name: type === 'terraformPlan' ? 'Plan' : 'Apply' }],
      variables: { region: 'eu-west-1' },
      environmentVariables: { workspaceName: 'demo', organizationName: 'simple', TF_IN_AUTOMATION: '1' },
    });
    report.job(jobId, type);
    results.push(await ended.wait(jobId, DEMO_LIMIT_MS));
  }
  return results;
}

/** Lets one part of the program wait for what another part learns. */
interface Latch {
  tell(key: string, value: string): void;
  /** Gives the value, or `timeout`. */
  wait(key: string, limitMs: number): Promise<string>;
}

function createLatch(): Latch {
  const known = new Map<string, string>();
  const waiting = new Map<string, (value: string) => void>();
  return {
    tell(key, value) {
      known.set(key, value);
      waiting.get(key)?.(value);
    },
    wait(key, limitMs) {
      return new Promise((resolve) => {
        const value = known.get(key);
        if (value !== undefined) return resolve(value);
        const timer = setTimeout(resolve, limitMs, 'timeout');
        waiting.set(key, (told) => {
          clearTimeout(timer);
          resolve(told);
        });
      });
    },
  };
}

async function untilInterrupted(report: ReturnType<typeof reporter>): Promise<void> {
  report.progress('Watching. Ctrl-C ends it.');
  await new Promise<void>((resolve) => {
    const keepAlive = setInterval(() => undefined, 60_000);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        clearInterval(keepAlive);
        resolve();
      });
    }
  });
}

process.exitCode = await main();
