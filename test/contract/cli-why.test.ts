// `why`, as a program, between the stand-in cluster and the stand-in Terrakube: what it says, and that it only reads.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { V1Job } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WhyReport } from '../../cli/why-report.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { type RecordedVerdict, verdictText } from '../../lib/domain/recorded-verdict.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/aws/credentials.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { clusterApis } from '../../local/executor-secret.ts';
import { executorSettings, INSTALLATION, ids as idsOf, PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { INTERNAL_SECRET, startTerrakubeBench, type TerrakubeBench } from '../support/terrakube-bench.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const CLUSTER_TOKEN = 'token-of-whoever-makes-the-jobs';

let cluster: StandInCluster;
let bench: TerrakubeBench;
let apis: ReturnType<typeof clusterApis>;

beforeAll(async () => {
  const identities = [{ arn: 'arn:aws:sts::123456789012:assumed-role/operator/me', credentials: LOCAL_CREDENTIALS }];
  cluster = await startCluster({
    authenticate: async (token) =>
      token === CLUSTER_TOKEN
        ? 'admin'
        : (await verifyEksToken(token, { clusterName: 'local', identities, now: Date.now() }))?.arn,
  });
  apis = clusterApis({ cluster, token: CLUSTER_TOKEN });
  // Terrakube sends nothing again while a test looks.
  bench = await startTerrakubeBench({ resendAfterMs: 60_000 });
});
afterAll(async () => {
  await bench.close();
  await cluster.close();
});

const settings = (): Readonly<Record<string, string>> => ({
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

/** Runs the command in an environment that holds nothing else. */
async function why(args: readonly string[], changes: Readonly<Record<string, string>> = {}) {
  const env = { ...settings(), ...changes };
  const child = spawn(process.execPath, ['cli/main.ts', 'why', ...args], { cwd: ROOT, env });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve)));
  return { exitCode, stdout, stderr };
}

async function report(...args: Parameters<typeof why>): Promise<{ exitCode: number | null; report: WhyReport }> {
  const { exitCode, stdout, stderr } = await why([...args[0], '--json'], args[1]);
  expect(stderr).toBe('');
  return { exitCode, report: JSON.parse(stdout) };
}

/** A Terrakube job that was dispatched: the ids of its first step. */
async function dispatched(types: readonly string[] = ['terraformPlan']): Promise<DispatchIds> {
  const posts = bench.sink.received.length;
  const { jobId, organizationId, workspaceId } = bench.terrakube.createJob({
    steps: types.map((type) => ({ type: type as 'terraformPlan', name: type })),
  });
  await bench.untilPosts(posts + 1);
  await bench.untilStatus(jobId, 'queue');
  const { stepId, type } = bench.sink.received.at(-1)?.body ?? { stepId: '', type: '' };
  return idsOf({ jobId, organizationId, workspaceId, stepId, type });
}

/** What dispatch makes of it. The payload is in the Job itself: nothing may show it. */
async function createJob(ids: DispatchIds, start = 1, verdict?: RecordedVerdict): Promise<V1Job> {
  const now = epochMs(Date.now());
  const request = { ids, payload: payload(ids), acceptedAt: now };
  const job = buildJob({
    request,
    settings: executorSettings({ transport: 'env' }),
    installation: INSTALLATION,
    start,
    now,
  });
  const annotations = {
    ...job.metadata?.annotations,
    ...(verdict === undefined ? {} : { 'terrakube.io/verdict': verdictText(verdict) }),
  };
  const body = { ...job, metadata: { ...job.metadata, annotations } };
  return apis.batch.createNamespacedJob({ namespace: 'terrakube', body });
}

async function setPodStatus(job: V1Job, status: object): Promise<void> {
  const labelSelector = `batch.kubernetes.io/job-name=${job.metadata?.name}`;
  const find = async () => (await apis.core.listNamespacedPod({ namespace: 'terrakube', labelSelector })).items[0];
  await expect.poll(find).toBeDefined();
  const name = (await find())?.metadata?.name ?? '';
  const target = { apiVersion: 'v1', kind: 'Node', name: 'ip-10-0-0-7' };
  await apis.core.createNamespacedPodBinding({ namespace: 'terrakube', name, body: { metadata: { name }, target } });
  await apis.core.patchNamespacedPodStatus({ namespace: 'terrakube', name, body: { status } });
}

async function hasFailed(job: V1Job): Promise<boolean> {
  const name = job.metadata?.name ?? '';
  const { status } = await apis.batch.readNamespacedJob({ namespace: 'terrakube', name });
  return status?.conditions?.some(({ type }) => type === 'Failed') ?? false;
}

const PULL = {
  phase: 'Pending',
  containerStatuses: [
    {
      name: 'executor',
      image: 'azbuilder/executor:2.33.0',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: {
        waiting: {
          reason: 'ImagePullBackOff',
          message: 'Back-off pulling image "azbuilder/executor:2.33.0": unauthorized: password=hunter4',
        },
      },
    },
  ],
};

const VERDICT: RecordedVerdict = {
  action: 'restart',
  cause: 'disrupted',
  title: 'the pod was preempted',
  evidence: 'Pod condition DisruptionTarget. Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc',
  advice: 'Nothing was run: safe to run again.',
  at: '2026-11-24T20:41:40.000Z',
};

describe('why', () => {
  test('says what a step waits for, and what is done next', async () => {
    const ids = await dispatched(['terraformPlan', 'terraformApply']);
    await setPodStatus(await createJob(ids), PULL);
    const name = jobName(ids, INSTALLATION, 1);

    const { exitCode, report: found } = await report([ids.jobId]);

    expect(exitCode).toBe(0);
    expect(found).toEqual({
      terrakubeJobId: ids.jobId,
      organizationId: ids.organizationId,
      installation: INSTALLATION,
      namespace: 'terrakube',
      terrakube: { status: 'queue', steps: expect.arrayContaining([expect.objectContaining({ id: ids.stepId })]) },
      jobs: [
        {
          name,
          start: 1,
          type: 'terraformPlan',
          stepId: ids.stepId,
          step: { id: ids.stepId, number: 100, name: 'terraformPlan', status: 'pending' },
          kind: 'waiting',
          cause: 'imagePull',
          restartable: false,
          everStarted: 'no',
          since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          forSeconds: expect.any(Number),
          title: expect.stringContaining('cannot be pulled'),
          evidence: expect.stringContaining('ImagePullBackOff'),
          advice: expect.stringContaining('ExecutorEphemeralImage'),
          verdict: {
            row: 20,
            kubernetes: 'waiting for something, not yet too long',
            terrakube: 'job live, step open',
            action: 'explain',
            next: expect.stringMatching(
              /^say in the run's log what it waits for \(.*cannot be pulled.*\), and keep the job alive$/,
            ),
          },
        },
      ],
      unknownJobs: [],
    });
    const { stdout } = await why([ids.jobId]);
    expect(stdout).toContain(`Terrakube job ${ids.jobId}: queue\n`);
    expect(stdout).toContain('Step 200 terraformApply: pending, without a Kubernetes Job\n');
    expect(stdout).toContain('Step 100 terraformPlan (terraformPlan): pending\n');
    expect(stdout).toMatch(
      new RegExp(`\n  Kubernetes Job  ${name} \\(start 1\\)\n  Outcome         waiting: imagePull, since `),
    );
    expect(stdout).toContain(
      '  Verdict         row 20 (Kubernetes: waiting for something, not yet too long; Terrakube: ',
    );
    expect(stdout).toMatch(/\n {2}Next {12}say in the run's log/);
  });

  test('shows the newest start last, and the verdict that a Job carries', async () => {
    const ids = await dispatched();
    await createJob(ids, 2);
    const first = await createJob(ids, 1, VERDICT);
    await setPodStatus(first, { phase: 'Failed' });
    await expect.poll(() => hasFailed(first)).toBe(true);

    const { jobs } = (await report([ids.jobId])).report;

    expect(jobs.map(({ start, kind, recorded, verdict }) => ({ start, kind, recorded, row: verdict.row }))).toEqual([
      {
        start: 1,
        kind: 'failed',
        recorded: { ...VERDICT, evidence: 'Pod condition DisruptionTarget. Authorization: Bearer ***' },
        row: expect.any(Number),
      },
      { start: 2, kind: 'waiting', recorded: undefined, row: expect.any(Number) },
    ]);
    expect((await why([ids.jobId])).stdout).toContain(
      '  Recorded        restart (disrupted) at 2026-11-24T20:41:40.000Z: the pod was preempted\n',
    );
  });

  test('says what comes when Terrakube stays as it is', async () => {
    const ids = await dispatched();
    const job = await createJob(ids);
    await setPodStatus(job, { phase: 'Failed' });
    await bench.patchStep(ids.jobId, { status: 'completed', output: 'x' });
    await bench.patchJob(ids.jobId, { status: 'running' });

    await expect.poll(() => hasFailed(job)).toBe(true);
    expect((await report([ids.jobId])).report.jobs[0]).toMatchObject({
      kind: 'failed',
      verdict: { row: 37, action: 'leave' },
      later: { row: 28, action: 'patchJob' },
    });
  });

  test('only reads, and shows neither payload nor token nor environment', async () => {
    const ids = await dispatched();
    await setPodStatus(await createJob(ids), PULL);
    const [before, asked] = [cluster.stats.requests.length, bench.terrakube.requests.length];

    const answers = [await why([ids.jobId]), await why([ids.jobId, '--json'])];

    const made = cluster.stats.requests.slice(before);
    expect(made.length).toBeGreaterThan(4);
    expect(new Set(made.map(({ method, status }) => `${method} ${status}`))).toEqual(new Set(['GET 200']));
    expect(bench.terrakube.requests.slice(asked).map(({ method }) => method)).toEqual(['GET', 'GET']);
    const secrets = [
      ...PAYLOAD_SECRETS,
      INTERNAL_SECRET,
      LOCAL_CREDENTIALS.secretAccessKey,
      'hunter4',
      'k8s-aws-v1.',
      'eyJ',
      Buffer.from(payload(ids)).toString('base64').slice(0, 40),
    ];
    expect(leaksIn(answers, secrets)).toEqual([]);
  });

  test('asks for the organization of a job without a Kubernetes Job, and ends with 1', async () => {
    const ids = await dispatched();

    const { exitCode, stdout } = await why([ids.jobId]);

    expect(exitCode).toBe(1);
    expect(stdout).toContain('The cluster has no Kubernetes Job of it in this namespace and installation.');
    expect(stdout).toContain('add --organization with its id');
  });

  test('shows what Terrakube says of a job without a Kubernetes Job', async () => {
    const ids = await dispatched();

    const { exitCode, report: found } = await report([ids.jobId, '--organization', ids.organizationId]);

    expect(exitCode).toBe(0);
    expect(found).toMatchObject({
      organizationId: ids.organizationId,
      terrakube: { status: 'queue', steps: [{ name: 'terraformPlan', status: 'pending' }] },
      jobs: [],
      explanation: expect.stringContaining('Its dispatch may still be on the way'),
    });
  });

  test('says that nobody has the job', async () => {
    const { organizationId } = idsOf();

    const { exitCode, stdout } = await why(['999', '--organization', organizationId]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('Terrakube job 999: Terrakube does not have it\n');
    expect(stdout).toContain('Neither the cluster nor this organization of Terrakube has the job');
  });

  test('sees no Jobs of another installation', async () => {
    const ids = await dispatched();
    await createJob(ids);

    const { exitCode, report: found } = await report([ids.jobId], { Installation: 'other' });

    expect({ exitCode, jobs: found.jobs }).toEqual({ exitCode: 1, jobs: [] });
  });

  test('says of a Job with other labels than ours that nothing can be said', async () => {
    const ids = await dispatched();
    const { metadata } = await createJob(ids);
    const body = { metadata: { labels: { 'terrakube.io/step': null } } };
    await apis.batch.patchNamespacedJob({ namespace: 'terrakube', name: metadata?.name ?? '', body });

    const { stdout } = await why([ids.jobId, '--organization', ids.organizationId]);

    expect(stdout).toContain(`Kubernetes Job ${metadata?.name}: nothing can be said`);
  });
});

describe('why ends with 1', () => {
  test('when Terrakube cannot be read, after what the cluster shows', async () => {
    const ids = await dispatched();
    await setPodStatus(await createJob(ids), PULL);

    const { exitCode, report: found } = await report([ids.jobId], { TerrakubeApiUrl: 'http://127.0.0.1:9' });

    expect(exitCode).toBe(1);
    expect(found).toMatchObject({
      terrakube: 'unreachable',
      problem: expect.stringMatching(/^Terrakube gave no answer to GET \/api\/v1\/organization\/.*\.$/),
      jobs: [{ kind: 'waiting', cause: 'imagePull', verdict: { row: 1, action: 'retry' } }],
    });
  });

  test.each([
    [
      'does not answer',
      { EksEndpoint: 'https://127.0.0.1:9' },
      'The Kubernetes API gave no answer about list of Jobs.\nCheck EksClusterName',
    ],
    [
      'does not know us',
      { AWS_ACCESS_KEY_ID: 'AKIASOMEBODYELSE0000' },
      'The Kubernetes API answered 401 about list of Jobs.\nThe cluster does not know this AWS identity',
    ],
    ['does not let us', {}, 'The Kubernetes API answered 403 about list of Jobs.\nThis AWS identity needs the rights'],
  ])('when the cluster %s', async (what, changes, stderr) => {
    if (what === 'does not let us')
      cluster.answerNext({ method: 'GET', path: /\/jobs\?/, status: 403, body: FORBIDDEN });

    const answer = await why(['17'], changes);

    expect(answer).toEqual({ exitCode: 1, stdout: '', stderr: expect.stringContaining(stderr) });
  });
});

const FORBIDDEN = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message:
    'jobs.batch is forbidden: User "me" cannot list resource "jobs" in API group "batch" in the namespace "terrakube"',
  reason: 'Forbidden',
  details: { group: 'batch', kind: 'jobs' },
  code: 403,
};

describe.concurrent('why ends with 2', () => {
  test.each([
    ['without a number', [], 'why takes one number of a Terrakube job, as in why 17'],
    ['with two', ['17', '18'], 'why takes one number of a Terrakube job, as in why 17'],
    [
      "with a Job's name",
      ['job-17-09c9bacf25'],
      '"job-17-09c9bacf25" is not the number of a Terrakube job: give its digits',
    ],
    ['with a selector', ['17,x=y'], '"17,x=y" is not the number of a Terrakube job'],
    [
      'with a name of an organization',
      ['17', '--organization', 'my team/../x'],
      '--organization "my team/../x" is not the id of an organization: give the UUID',
    ],
    ['with an empty organization', ['17', '--organization', ''], '--organization "" is not the id of an organization'],
    ['with an option that it does not have', ['17', '--yaml'], "Unknown option '--yaml'"],
  ])('%s', async (_, args, stderr) => {
    expect(await why(args)).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringContaining(stderr) });
  });

  test('for settings that are wrong, all at once', async () => {
    const { exitCode, stdout, stderr } = await why(['17'], { TerrakubeApiUrl: 'secret-thing', EksClusterName: '' });

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^The settings are wrong\. .*TerrakubeApiUrl: must be a URL.*EksClusterName: /);
    expect(stderr).toContain('aws configure export-credentials');
    expect(stderr).not.toContain('secret-thing');
  });
});
