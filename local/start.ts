// `npm start`: the whole product on one machine. It dispatches one plan and one apply through the front door, as Terrakube
// does it, and shows what happens to them; or it serves a Terrakube that runs already. The timeline goes to standard output;
// progress and logs to standard error.
import { buildFunctions } from '../tools/build.ts';
import { startCluster } from './cluster/cluster.ts';
import { contextStarter } from './context/context-cluster.ts';
import { buildControlPlane } from './control-plane/build.ts';
import { startRealCluster } from './control-plane/real-cluster.ts';
import { EXECUTOR_SECRET } from './executor-secret.ts';
import { type Reporter, reporter } from './report.ts';
import { loadScenarios } from './scenarios/scenario.ts';
import { type ClusterStarter, NAMESPACE, type StackOptions } from './stack.ts';
import { playDemo } from './start/demo.ts';
import { listenToSignals } from './start/interruption.ts';
import { parseStartOptions, type StartOptions, USAGE } from './start/options.ts';
import { StartRefusal } from './start/refusal.ts';
import { playScenario } from './start/scenario.ts';
import { serveTerrakube } from './start/serve.ts';

async function main(): Promise<number> {
  // npm runs scripts in the folder of the package; relative paths are the user's.
  const folder = process.env['INIT_CWD'] ?? process.cwd();
  const options = parseStartOptions(process.argv.slice(2), { env: process.env, folder });
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (options === 'scenarios' || options === 'scenariosAsJson') {
    process.stdout.write(`${scenarioLines(options === 'scenariosAsJson').join('\n')}\n`);
    return 0;
  }
  const report = reporter(options);
  const interruption = listenToSignals();
  const start = await clusterStarter(options, report);
  report.progress('Building the functions');
  await buildFunctions();
  report.progress(startLine(options));
  const stackOptions = stackOptionsOf(options, report);
  const { terrakube, watch, scenario } = options;
  if (scenario !== undefined) return playScenario({ scenario, stackOptions, report, interruption, watch });
  return terrakube === undefined
    ? playDemo({ start, stackOptions, report, interruption, watch })
    : serveTerrakube({ start, terrakube, stackOptions, report, interruption });
}

function scenarioLines(json: boolean): readonly string[] {
  const scenarios = loadScenarios();
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  return scenarios.map(({ name, description }) =>
    json ? JSON.stringify({ name, description }) : `${name.padEnd(width)}  ${description}`,
  );
}

function startLine({ cluster, terrakube }: StartOptions): string {
  const clusters = { standIn: 'the cluster', controlPlane: 'a Kubernetes control plane', context: undefined };
  const parts = [terrakube === undefined ? 'Terrakube' : undefined, clusters[cluster.kind], 'SQS'];
  return `Starting ${parts.filter((part) => part !== undefined).join(', ')} and Lambda (all on 127.0.0.1)`;
}

function stackOptionsOf(options: StartOptions, report: Reporter): StackOptions {
  const { cluster, terrakube, parameters, port, host, executor } = options;
  return {
    parameters,
    jobStatus: true,
    schedule: true,
    ...(cluster.kind === 'context' || terrakube !== undefined || executor !== undefined ? { stopSeconds: 60 } : {}),
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(executor === undefined ? {} : { executor }),
    onExecutorSecret: (outcome) => {
      if (outcome === 'created' && cluster.kind === 'context')
        report.progress(`Created Secret ${EXECUTOR_SECRET}, the environment of every executor`);
    },
    onFunctionLog: ({ functionName, line }) => report.functionLog(functionName, line),
    onExecutorLog: (pod, text) => report.executorLog(pod, text),
  };
}

/** The stand-in's, one of a real control plane, which is built first, or the one of a kube context. */
async function clusterStarter(options: StartOptions, report: Reporter): Promise<ClusterStarter> {
  const { cluster, terrakube, executor, parameters } = options;
  switch (cluster.kind) {
    case 'standIn':
      return startCluster;
    case 'context':
      return contextStarter({
        context: cluster.name,
        namespace: parameters['ExecutorEphemeralNamespace'] ?? NAMESPACE,
        ...(terrakube === undefined ? {} : { terrakube }),
        hasExecutor: executor !== undefined,
        report: report.progress,
      });
    case 'controlPlane':
      return controlPlaneStarter(report);
  }
}

async function controlPlaneStarter(report: Reporter): Promise<ClusterStarter> {
  const programs = await buildControlPlane(report.progress).catch((error: unknown) => {
    throw new StartRefusal(error instanceof Error ? error.message : String(error), 1);
  });
  return async (options) => {
    const cluster = await startRealCluster(programs, options);
    report.progress(`The control plane is up: kubectl --kubeconfig ${cluster.kubeconfig} get jobs,pods -n terrakube`);
    return cluster;
  };
}

/** What to say, where the command or something around it has to change. */
function refusalOf(error: unknown): StartRefusal | undefined {
  if (error instanceof StartRefusal) return error;
  const isListening = error instanceof Error && 'syscall' in error && error.syscall === 'listen';
  const code = isListening && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return new StartRefusal('The port is taken: choose another --port.', 1);
  if (code === 'EACCES') return new StartRefusal('The port needs more rights: choose another --port, above 1023.', 1);
  if (code === 'EADDRNOTAVAIL') return new StartRefusal('--host is no address of this machine: choose another.', 2);
  return undefined;
}

try {
  process.exitCode = await main();
} catch (error) {
  const refusal = refusalOf(error);
  if (refusal === undefined) throw error;
  process.stderr.write(
    `${refusal.message}\n${refusal.exitCode === 2 ? 'npm start -- --help lists the options.\n' : ''}`,
  );
  process.exitCode = refusal.exitCode;
}
