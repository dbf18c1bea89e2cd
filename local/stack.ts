// The whole product on one machine: the built bundles in Lambda's own runtime client, SQS, a front door, and stand-ins for
// Terrakube, the cluster and the AWS APIs. The functions see nothing but the settings that template.yaml gives them.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DISPATCH_PATH } from '../lib/domain/http.ts';
import { type AwsApis, startAwsApis } from './aws/aws-apis.ts';
import { createAuthenticator, IDENTITIES } from './aws/identities.ts';
import { type LocalQueues, startQueues } from './aws/sqs.ts';
import { type ClusterChange, type ClusterOptions, type StandInCluster, startCluster } from './cluster/cluster.ts';
import { EXECUTOR_SECRET, seedExecutorSecret } from './executor-secret.ts';
import { startJobStatusFeed } from './job-status-feed.ts';
import { type KubeletOptions, startKubelet } from './kubelet/kubelet.ts';
import { startFrontDoor } from './lambda/front-door.ts';
import { localFunction } from './lambda/local-function.ts';
import { startPollers } from './lambda/pollers.ts';
import { type FunctionSpec, loadTemplate, readFunctions, readQueues } from './lambda/read-template.ts';
import { createLambdaRuntime, type LambdaRuntime } from './lambda/runtime.ts';
import type { LogLine } from './lambda/sandbox.ts';
import { startSchedules } from './lambda/schedule.ts';
import type { UsageReport } from './lambda/usage.ts';
import type { LocalCluster } from './local-cluster.ts';
import { createPlayer, type PlayerOptions } from './scenarios/player.ts';
import { type StandInTerrakube, startTerrakube, type TerrakubeOptions } from './terrakube/terrakube.ts';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const CLUSTER_NAME = 'local';
/** The namespace of executors, unless a parameter says otherwise: the default of template.yaml. */
export const NAMESPACE = 'terrakube';
/** The function whose role may look at more than dispatch may; nothing in template.yaml invokes it by itself. */
const JOB_STATUS = 'job-status';
const INTERNAL_SECRET_NAME = 'terrakube-internal-secret';
/** No setting of the local run needs a real image: the kubelet starts a process in its place. */
const EXECUTOR_IMAGE = 'azbuilder/executor:2.33.0';

/** How the stack starts. */
export interface StackOptions {
  /** Values for parameters of template.yaml, on top of the ones that the stack itself knows. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Terrakube's InternalSecret; default is a new one. */
  readonly internalSecret?: string;
  /** Command that runs as the executor; default is the demo executor. */
  readonly executor?: readonly string[];
  /** Seconds that executors get to stop at the end; by default they are killed. */
  readonly stopSeconds?: number;
  /** Environment of the functions, on top of what template.yaml gives them. */
  readonly functionSettings?: Readonly<Record<string, string>>;
  /** Puts something between the functions and the two servers that they talk to. */
  proxies?(servers: {
    readonly cluster: LocalCluster;
    readonly terrakube: StandInTerrakube;
  }): Promise<{ readonly cluster: ClusterAddress; readonly terrakube: { readonly url: string } }>;
  /** Whether job-status is told every change of Jobs, Pods and Events; default is false. */
  readonly jobStatus?: boolean;
  /** Whether functions are invoked on schedule; default is false. True: as often as template.yaml says. */
  readonly schedule?: boolean | { readonly everyMs: number };
  /** What every Job of the stand-in cluster comes to, in the place of a kubelet that runs executors. */
  readonly scenario?: PlayerOptions;
  /** False leaves messages on the queues; default is true. */
  readonly pollers?: boolean;
  /** Front door's port; default is a free one. */
  readonly port?: number;
  /** Front door's address; default is 127.0.0.1. */
  readonly host?: string;
  readonly terrakube?: Pick<TerrakubeOptions, 'onEvent' | 'resendAfterMs' | 'answerTimeoutMs' | 'sweep'>;
  onClusterChange?(change: ClusterChange): void;
  /** What became of the Secret that every executor gets. */
  onExecutorSecret?(outcome: 'created' | 'exists'): void;
  /** A line that a function wrote. */
  onFunctionLog?(line: LogLine): void;
  /** What an invocation took, or the start of a sandbox. */
  onFunctionUsage?(report: UsageReport): void;
  /** A line that an executor wrote. */
  onExecutorLog?(pod: string, text: string): void;
}

/** Where a cluster is, and whom to trust there. */
interface ClusterAddress {
  readonly url: string;
  readonly caPem: string;
}

/** Everything but Terrakube and the people in front of it. */
export interface Dispatcher<Cluster extends LocalCluster = LocalCluster> {
  /** What goes into Terrakube as the URL of the executor, with the path. */
  readonly dispatchUrl: string;
  readonly internalSecret: string;
  readonly cluster: Cluster;
  /** A bearer token of the cluster that may do everything. */
  readonly clusterToken: string;
  readonly queues: LocalQueues;
  readonly aws: AwsApis;
  readonly lambda: LambdaRuntime;
  readonly functions: readonly FunctionSpec[];
  close(): Promise<void>;
}

/** The running stack, with the kind of cluster that it stands on. */
export interface Stack<Cluster extends LocalCluster = StandInCluster> extends Dispatcher<Cluster> {
  readonly terrakube: StandInTerrakube;
}

/** Starts a cluster. */
export type ClusterStarter<Cluster extends LocalCluster = LocalCluster> = (options: ClusterOptions) => Promise<Cluster>;

/** Starts everything, in the order in which it needs each other. The bundles must have been built. */
export function startStack(options: StackOptions = {}): Promise<Stack> {
  return startStackOn(startCluster, options);
}

/** Starts everything on another cluster than the stand-in. */
export async function startStackOn<Cluster extends LocalCluster>(
  start: ClusterStarter<Cluster>,
  options: StackOptions = {},
): Promise<Stack<Cluster>> {
  return closingOnFault(async (keep, close) => {
    const held = await holdCluster(start, options, keep);
    const { cluster } = held;
    const internalSecret = options.internalSecret ?? randomBytes(32).toString('base64url');
    const terrakube = keep(
      await startTerrakube({ internalSecret, executorUrl: 'http://127.0.0.1:9/not-yet', ...options.terrakube }),
    );
    const seen = (await options.proxies?.({ cluster, terrakube })) ?? { cluster, terrakube };
    const world = { ...held, internalSecret, terrakubeUrl: terrakube.url, seen };
    const parts = await startParts(world, options, keep);
    terrakube.setExecutorUrl(parts.dispatchUrl);
    return { ...held, ...parts, internalSecret, terrakube, close };
  });
}

/** Starts everything but Terrakube, for one that runs already. @param terrakube its base URL and its InternalSecret. */
export async function startDispatcherOn<Cluster extends LocalCluster>(
  start: ClusterStarter<Cluster>,
  terrakube: { readonly url: string; readonly internalSecret: string },
  options: Omit<StackOptions, 'terrakube' | 'internalSecret' | 'proxies'> = {},
): Promise<Dispatcher<Cluster>> {
  return closingOnFault(async (keep, close) => {
    const held = await holdCluster(start, options, keep);
    const { url, internalSecret } = terrakube;
    const seen = { cluster: held.cluster, terrakube };
    const parts = await startParts({ ...held, internalSecret, terrakubeUrl: url, seen }, options, keep);
    return { ...held, ...parts, internalSecret, close };
  });
}

type Keep = <T extends { close(): Promise<void> }>(part: T) => T;

/** Starts parts one after the other; `close` ends what was kept, the last one first, and so does a fault of a start. */
async function closingOnFault<T>(start: (keep: Keep, close: () => Promise<void>) => Promise<T>): Promise<T> {
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  const keep: Keep = (part) => {
    closers.push(() => part.close());
    return part;
  };
  try {
    return await start(keep, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function holdCluster<Cluster extends LocalCluster>(
  start: ClusterStarter<Cluster>,
  options: StackOptions,
  keep: Keep,
): Promise<Pick<Dispatcher<Cluster>, 'cluster' | 'clusterToken'> & { readonly bell: Bell }> {
  const clusterToken = randomBytes(24).toString('base64url');
  const bell: Bell = {};
  return { cluster: keep(await start(clusterOptions(clusterToken, options, bell))), clusterToken, bell };
}

/** Who is told the changes of the cluster, once there is somebody. */
interface Bell {
  ring?: (change: ClusterChange) => void;
}

/** What the parts stand between. */
interface World extends Pick<Dispatcher, 'cluster' | 'clusterToken' | 'internalSecret'> {
  readonly bell: Bell;
  readonly terrakubeUrl: string;
  /** The addresses that the functions are given. */
  readonly seen: { readonly cluster: ClusterAddress; readonly terrakube: { readonly url: string } };
}

async function startParts(
  world: World,
  options: StackOptions,
  keep: Keep,
): Promise<Pick<Dispatcher, 'dispatchUrl' | 'queues' | 'aws' | 'lambda' | 'functions'>> {
  const { internalSecret, seen } = world;
  const aws = keep(
    await startAwsApis({
      clusters: new Map([
        [CLUSTER_NAME, { endpoint: seen.cluster.url, certificateAuthorityData: base64(seen.cluster.caPem) }],
      ]),
      secrets: new Map([[INTERNAL_SECRET_NAME, internalSecret]]),
      credentials: IDENTITIES.map(({ credentials }) => credentials),
    }),
  );
  const template = await loadTemplate(path.join(ROOT, 'template.yaml'));
  const parameters = {
    TerrakubeApiUrl: seen.terrakube.url,
    InternalSecretId: INTERNAL_SECRET_NAME,
    EksClusterName: CLUSTER_NAME,
    ExecutorEphemeralImage: EXECUTOR_IMAGE,
    ...options.parameters,
  };
  const queues = keep(await startQueues(readQueues(template, { parameters })));
  const functions = readFunctions(template, { parameters, attributes: queues.attributes });
  const localAws = { url: aws.url, sqsUrl: queues.endpoint };
  const lambda = keep(
    createLambdaRuntime({
      functions: functions.map((spec) => localFunction(spec, localAws, options.functionSettings)),
      onLog: (line) => options.onFunctionLog?.(line),
      ...(options.onFunctionUsage && { onUsage: (report) => options.onFunctionUsage?.(report) }),
    }),
  );
  const front = keep(await startFrontDoor(frontDoorOptions(functions, lambda, options)));
  if (options.pollers ?? true) for (const poller of startPollers(functions, queues, lambda)) keep(poller);
  if (options.jobStatus) {
    world.bell.ring = keep(startJobStatusFeed({ invoke: (event) => lambda.invoke(JOB_STATUS, event) })).ring;
  }
  const { schedule } = options;
  if (schedule) {
    for (const started of startSchedules(functions, lambda, schedule === true ? {} : schedule)) keep(started);
  }
  await startExecutors(world, options, keep);
  return { dispatchUrl: front.url + DISPATCH_PATH, queues, aws, lambda, functions };
}

/** What executors need besides their Jobs: the Secret of all, and, where the cluster has no nodes, a kubelet. */
async function startExecutors(world: World, options: StackOptions, keep: Keep): Promise<void> {
  const { cluster, clusterToken, internalSecret, terrakubeUrl } = world;
  const access = { token: clusterToken, namespace: namespaceOf(options) };
  const names = options.parameters?.['ExecutorEphemeralSecret'] ?? EXECUTOR_SECRET;
  if (names.split(',').some((name) => name.trim() === EXECUTOR_SECRET)) {
    const outcome = await seedExecutorSecret({ cluster, ...access, terrakubeUrl, internalSecret });
    options.onExecutorSecret?.(outcome);
  }
  if (cluster.hasNodes === true || options.scenario !== undefined) return;
  keep(
    await startKubelet({
      server: cluster.url,
      caPem: cluster.caPem,
      ...access,
      ...(options.executor === undefined ? demoExecutor() : { executor: options.executor }),
      ...(options.stopSeconds === undefined ? {} : { stopSeconds: options.stopSeconds }),
      onLog: ({ pod, text }) => options.onExecutorLog?.(pod, text),
    }),
  );
}

/** The demo executor can be told things that no real one knows: how long its work takes, for one. */
function demoExecutor(): Pick<KubeletOptions, 'executor' | 'environment'> {
  const settings = Object.entries(process.env).flatMap(([name, value]) =>
    name.startsWith('DEMO_') && value !== undefined ? [[name, value] as const] : [],
  );
  const executor = [process.execPath, path.join(ROOT, 'local', 'executor.ts')];
  return { executor, environment: Object.fromEntries(settings) };
}

const namespaceOf = ({ parameters }: StackOptions): string => parameters?.['ExecutorEphemeralNamespace'] ?? NAMESPACE;

function clusterOptions(clusterToken: string, options: StackOptions, bell: Bell): ClusterOptions {
  const onChange = (change: ClusterChange): void => {
    options.onClusterChange?.(change);
    bell.ring?.(change);
  };
  return {
    namespaces: [namespaceOf(options)],
    authenticate: createAuthenticator(CLUSTER_NAME, clusterToken),
    ...(options.onClusterChange === undefined && !options.jobStatus ? {} : { onChange }),
    ...(options.scenario === undefined ? {} : { startJobs: createPlayer(options.scenario) }),
  };
}

function frontDoorOptions(functions: readonly FunctionSpec[], lambda: LambdaRuntime, { port, host }: StackOptions) {
  const [way] = functions.flatMap(({ name, events }) =>
    events.flatMap((event) => (event.kind === 'api' ? [{ name, form: event.form }] : [])),
  );
  if (!way) throw new Error('template.yaml has no way by HTTP to a function');
  const invoke = (event: unknown) => lambda.invoke(way.name, event);
  return { invoke, form: way.form, ...(port === undefined ? {} : { port }), ...(host === undefined ? {} : { host }) };
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
