// The stand-in cluster and the stand-in Terrakube with the CLI beside them, as a program of its own.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { V1Job } from '@kubernetes/client-node';
import { expect } from 'vitest';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { type RecordedVerdict, verdictText } from '../../lib/domain/recorded-verdict.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/aws/credentials.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { clusterApis } from '../../local/executor-secret.ts';
import { executorSettings, INSTALLATION, ids as idsOf, PAYLOAD_SECRETS, payload } from './builders.ts';
import { leaksIn } from './leaks.ts';
import { INTERNAL_SECRET, startTerrakubeBench, type TerrakubeBench } from './terrakube-bench.ts';

/** Texts in the environment of a command. */
export type Environment = Readonly<Record<string, string>>;

/** A type of step that the stand-in Terrakube plays. */
type StepType = 'terraformPlan' | 'terraformApply';

/** How a Job is to be. */
export interface CliJobOptions {
  readonly start?: number;
  readonly verdict?: RecordedVerdict;
}

/** What a command has said, and how it ended. */
export interface Said {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The worlds. */
export interface CliWorld {
  readonly cluster: StandInCluster;
  readonly bench: TerrakubeBench;
  readonly apis: ReturnType<typeof clusterApis>;
  /** Runs a command in an environment that holds nothing else. Whatever it says, it tells no secret. */
  run(args: readonly string[], changes?: Environment): Promise<Said>;
  /** The JSON that a command prints, which says nothing else. */
  report(
    args: readonly string[],
    changes?: Environment,
  ): Promise<{ readonly exitCode: number | null; readonly report: unknown }>;
  /** A Terrakube job that was dispatched: the ids of its first step. */
  dispatched(types?: readonly StepType[]): Promise<DispatchIds>;
  /** What dispatch makes of it. The payload is in the Job itself: nothing may show it. */
  createJob(ids: DispatchIds, options?: CliJobOptions): Promise<V1Job>;
  /** Gives the Job's pod a node, and then this status. */
  setPodStatus(job: V1Job, status: object): Promise<void>;
  hasFailed(job: V1Job): Promise<boolean>;
  close(): Promise<void>;
}

const ROOT = path.resolve(import.meta.dirname, '../..');
const CLUSTER_TOKEN = 'token-of-whoever-makes-the-jobs';
const NAMESPACE = { namespace: 'terrakube' };
/** What stands in the message of a {@link PULL}. */
const REGISTRY_PASSWORD = 'hunter4';
const SECRETS = [
  ...PAYLOAD_SECRETS,
  INTERNAL_SECRET,
  LOCAL_CREDENTIALS.secretAccessKey,
  REGISTRY_PASSWORD,
  'k8s-aws-v1.',
  'eyJ',
  // Of each payload: {"commandList":null,"onF…
  Buffer.from(payload()).toString('base64').slice(0, 32),
];

/** The status of a pod whose image may not be pulled. */
export const PULL: object = {
  phase: 'Pending',
  ...executorIs({
    waiting: {
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "azbuilder/executor:2.33.0": unauthorized: password=${REGISTRY_PASSWORD}`,
    },
  }),
};

/** The status of a pod whose executor is in this state. */
export function executorIs(state: object): object {
  const image = 'azbuilder/executor:2.33.0';
  return { containerStatuses: [{ name: 'executor', image, imageID: '', ready: false, restartCount: 0, state }] };
}

/** Starts both worlds. */
export async function startCliWorld(): Promise<CliWorld> {
  const identities = [{ arn: 'arn:aws:sts::123456789012:assumed-role/operator/me', credentials: LOCAL_CREDENTIALS }];
  const cluster = await startCluster({
    authenticate: async (token) =>
      token === CLUSTER_TOKEN
        ? 'admin'
        : (await verifyEksToken(token, { clusterName: 'local', identities, now: Date.now() }))?.arn,
  });
  const apis = clusterApis({ cluster, token: CLUSTER_TOKEN });
  // Terrakube sends nothing again while a test looks.
  const bench = await startTerrakubeBench({ resendAfterMs: 60_000 });
  const settings = (): Environment => ({
    AWS_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
    AWS_SESSION_TOKEN: LOCAL_CREDENTIALS.sessionToken ?? '',
    TerrakubeApiUrl: bench.terrakube.url,
    Installation: INSTALLATION,
    InternalSecret: INTERNAL_SECRET,
    EksClusterName: 'local',
    EksEndpoint: cluster.url,
    EksCertificateAuthority: Buffer.from(cluster.caPem).toString('base64'),
  });
  const run = async (args: readonly string[], changes: Environment = {}): Promise<Said> => {
    const child = spawn(process.execPath, ['cli/main.ts', ...args], { cwd: ROOT, env: { ...settings(), ...changes } });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve)));
    expect(leaksIn([stdout, stderr], SECRETS)).toEqual([]);
    return { exitCode, stdout, stderr };
  };
  return {
    cluster,
    bench,
    apis,
    run,
    async report(args, changes) {
      const { exitCode, stdout, stderr } = await run([...args, '--json'], changes);
      expect(stderr).toBe('');
      return { exitCode, report: JSON.parse(stdout) };
    },
    async dispatched(types = ['terraformPlan']) {
      const posts = bench.sink.received.length;
      const { jobId, organizationId, workspaceId } = bench.terrakube.createJob({
        steps: types.map((type) => ({ type, name: type })),
      });
      await bench.untilPosts(posts + 1);
      await bench.untilStatus(jobId, 'queue');
      const { stepId, type } = bench.sink.received.at(-1)?.body ?? { stepId: '', type: '' };
      return idsOf({ jobId, organizationId, workspaceId, stepId, type });
    },
    createJob(ids, { start = 1, verdict } = {}) {
      const now = epochMs(Date.now());
      const request = { ids, payload: payload(ids), acceptedAt: now };
      const executor = executorSettings({ transport: 'env' });
      const job = buildJob({ request, settings: executor, installation: INSTALLATION, start, now });
      const recorded = verdict && { 'terrakube.io/verdict': verdictText(verdict) };
      const annotations = { ...job.metadata?.annotations, ...recorded };
      const body = { ...job, metadata: { ...job.metadata, annotations } };
      return apis.batch.createNamespacedJob({ ...NAMESPACE, body });
    },
    async setPodStatus(job, status) {
      const labelSelector = `batch.kubernetes.io/job-name=${job.metadata?.name}`;
      const find = async () => (await apis.core.listNamespacedPod({ ...NAMESPACE, labelSelector })).items[0];
      await expect.poll(find).toBeDefined();
      const name = (await find())?.metadata?.name ?? '';
      const target = { apiVersion: 'v1', kind: 'Node', name: 'ip-10-0-0-7' };
      await apis.core.createNamespacedPodBinding({ ...NAMESPACE, name, body: { metadata: { name }, target } });
      await apis.core.patchNamespacedPodStatus({ ...NAMESPACE, name, body: { status } });
    },
    async hasFailed(job) {
      const name = job.metadata?.name ?? '';
      const { status } = await apis.batch.readNamespacedJob({ ...NAMESPACE, name });
      return status?.conditions?.some(({ type }) => type === 'Failed') ?? false;
    },
    async close() {
      await bench.close();
      await cluster.close();
    },
  };
}
