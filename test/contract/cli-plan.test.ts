// `plan`, as a program, between the stand-in cluster and the stand-in Terrakube: what it says, and that it only reads.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { V1Job } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PlanReport } from '../../cli/plan-report.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/aws/credentials.ts';
import { startQueues } from '../../local/aws/sqs.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { clusterApis } from '../../local/executor-secret.ts';
import { executorSettings, INSTALLATION, ids as idsOf, PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { startScriptedServer } from '../support/scripted-server.ts';
import { INTERNAL_SECRET, startTerrakubeBench, type TerrakubeBench } from '../support/terrakube-bench.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const CLUSTER_TOKEN = 'token-of-whoever-makes-the-jobs';
const SECRETS = [
  ...PAYLOAD_SECRETS,
  INTERNAL_SECRET,
  LOCAL_CREDENTIALS.secretAccessKey,
  'hunter4',
  'k8s-aws-v1.',
  'eyJ',
  // Of each payload: {"commandList":null,"onF…
  Buffer.from(payload()).toString('base64').slice(0, 32),
];

let cluster: StandInCluster;
let bench: TerrakubeBench;
let apis: ReturnType<typeof clusterApis>;
let closing: (() => Promise<void>)[] = [];

// A plan is about everything, so each test has worlds of its own.
beforeEach(async () => {
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
  closing = [bench.close, cluster.close];
});
afterEach(async () => {
  for (const close of closing) await close();
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

/** Runs the command in an environment that holds nothing else. Whatever it says, it tells no secret. */
async function plan(args: readonly string[] = [], changes: Readonly<Record<string, string>> = {}) {
  const env = { ...settings(), ...changes };
  const child = spawn(process.execPath, ['cli/main.ts', 'plan', ...args], { cwd: ROOT, env });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve)));
  expect(leaksIn([stdout, stderr], SECRETS)).toEqual([]);
  return { exitCode, stdout, stderr };
}

async function report(...[args = [], changes]: Parameters<typeof plan>) {
  const { exitCode, stdout, stderr } = await plan([...args, '--json'], changes);
  expect(stderr).toBe('');
  const found: PlanReport = JSON.parse(stdout);
  return { exitCode, report: found };
}

/** A Terrakube job that was dispatched: the ids of its first step. */
async function dispatched(): Promise<DispatchIds> {
  const posts = bench.sink.received.length;
  const steps = [{ type: 'terraformPlan', name: 'Plan' }] as const;
  const { jobId, organizationId, workspaceId } = bench.terrakube.createJob({ steps });
  await bench.untilPosts(posts + 1);
  await bench.untilStatus(jobId, 'queue');
  const { stepId, type } = bench.sink.received.at(-1)?.body ?? { stepId: '', type: '' };
  return idsOf({ jobId, organizationId, workspaceId, stepId, type });
}

/** What dispatch makes of it. The payload is in the Job itself: nothing may show it. */
async function createJob(ids: DispatchIds): Promise<V1Job> {
  const now = epochMs(Date.now());
  const request = { ids, payload: payload(ids), acceptedAt: now };
  const executor = executorSettings({ transport: 'env' });
  const body = buildJob({ request, settings: executor, installation: INSTALLATION, start: 1, now });
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

async function untilFailed(job: V1Job): Promise<void> {
  const name = job.metadata?.name ?? '';
  const conditions = async () =>
    (await apis.batch.readNamespacedJob({ namespace: 'terrakube', name })).status?.conditions?.map(({ type }) => type);
  await expect.poll(conditions).toContain('Failed');
}

const container = (state: object) => ({
  containerStatuses: [
    { name: 'executor', image: 'azbuilder/executor:2.33.0', imageID: '', ready: false, restartCount: 0, state },
  ],
});
const PULL = {
  phase: 'Pending',
  ...container({
    waiting: {
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "azbuilder/executor:2.33.0": unauthorized: password=hunter4',
    },
  }),
};
const OUT_OF_MEMORY = {
  phase: 'Failed',
  ...container({
    terminated: {
      exitCode: 137,
      reason: 'OOMKilled',
      startedAt: '2026-11-24T20:41:37Z',
      finishedAt: '2026-11-24T20:42:37Z',
    },
  }),
};

const forbidden = (resource: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: `${resource} is forbidden: User "me" cannot list resource "${resource}" in API group "" in the namespace "terrakube"`,
  reason: 'Forbidden',
  details: { kind: resource },
  code: 403,
});

/** A cancelled job whose pod waits, a job whose pod waits, and one without a Kubernetes Job. */
async function threeJobs() {
  const [cancelled, waits, alone] = [await dispatched(), await dispatched(), await dispatched()];
  await createJob(cancelled);
  await setPodStatus(await createJob(waits), PULL);
  await bench.patchJob(cancelled.jobId, { status: 'cancelled' });
  const name = (ids: DispatchIds) => jobName(ids, INSTALLATION, 1);
  return { cancelled, waits, alone, name };
}

const broken = ({ invariants }: PlanReport) => Object.entries(invariants).filter(([, count]) => count !== 0);

describe('plan', () => {
  test('ends with 0 when there is nothing to do', async () => {
    expect(await plan()).toEqual({
      exitCode: 0,
      stderr: '',
      stdout: [
        '0 to do, 0 left alone; 0 stops held back by the brake.',
        'No invariant is broken.',
        'Dead letters: not counted (DeadLetterQueueUrl).',
        `Kubernetes Jobs: namespace terrakube, installation ${INSTALLATION}.`,
        '',
      ].join('\n'),
    });
  });

  test('says what would be done, in its order, and why', async () => {
    const { cancelled, waits, name } = await threeJobs();

    const { exitCode, report: found } = await report();

    expect(exitCode).toBe(1);
    expect(found).toEqual({
      installation: INSTALLATION,
      namespace: 'terrakube',
      deeds: [
        {
          action: 'stop',
          terrakubeJobId: cancelled.jobId,
          stepId: cancelled.stepId,
          step: 100,
          jobName: name(cancelled),
          row: 16,
          why: expect.stringMatching(/^cancel: .*cancelled/),
          invariant: 'InvariantCancelledButAlive',
        },
        {
          action: 'explain',
          terrakubeJobId: waits.jobId,
          stepId: waits.stepId,
          step: 100,
          jobName: name(waits),
          row: 20,
          why: expect.stringContaining('cannot be pulled'),
        },
      ],
      left: 1,
      heldBack: 0,
      invariants: expect.objectContaining({ InvariantCancelledButAlive: 1, InvariantOrphanJob: 0 }),
      problems: [],
    });
    expect(broken(found)).toEqual([['InvariantCancelledButAlive', 1]]);
  });

  test('shows people a table, and with --all what is left alone', async () => {
    const { cancelled, waits, alone, name } = await threeJobs();
    const sums = [
      '',
      '2 to do, 1 left alone; 0 stops held back by the brake.',
      'Broken: InvariantCancelledButAlive 1.',
      'Dead letters: not counted (DeadLetterQueueUrl).',
      `Kubernetes Jobs: namespace terrakube, installation ${INSTALLATION}.`,
      '',
    ];
    const line = (action: string, job: string, { jobId }: DispatchIds, rest: string) =>
      expect.stringMatching(new RegExp(`^${action} +${job.replace(/[()]/g, '\\$&')} +${jobId} +${rest}`));
    const deeds = [
      expect.stringMatching(/^ACTION {3}KUBERNETES JOB +TERRAKUBE JOB {2}ROW {2}WHY$/),
      line('stop', name(cancelled), cancelled, '16 {3}cancel: '),
      line('explain', name(waits), waits, '20 {3}.*cannot be pulled'),
    ];
    const left = line('leave', 'none (step 100)', alone, '7 {4}\\S');

    const [some, all] = [await plan(), await plan(['--all'])];

    expect([some.exitCode, some.stderr, some.stdout.split('\n')]).toEqual([1, '', [...deeds, ...sums]]);
    expect([all.exitCode, all.stderr, all.stdout.split('\n')]).toEqual([1, '', [...deeds, left, ...sums]]);
    expect((await report(['--all'])).report.left).toEqual([
      {
        action: 'leave',
        terrakubeJobId: alone.jobId,
        stepId: alone.stepId,
        step: 100,
        row: 7,
        why: expect.stringMatching(/./),
      },
    ]);
  });

  test('shows the stops that the brake holds back, and marks them', async () => {
    const gone = Array.from({ length: 6 }, (_, index) => idsOf({ jobId: String(901 + index) }));
    for (const ids of gone) await createJob(ids);

    const { exitCode, report: found } = await report();

    expect(exitCode).toBe(1);
    expect(found.deeds.map(({ action, terrakubeJobId, heldBack }) => ({ action, terrakubeJobId, heldBack }))).toEqual(
      gone.map(({ jobId }) => ({ action: 'stop', terrakubeJobId: jobId, heldBack: true })),
    );
    expect([found.heldBack, broken(found)]).toEqual([6, [['InvariantOrphanJob', 6]]]);
    const { stdout } = await plan();
    expect(stdout).toMatch(/\nstop, held back {2}job-901-\w+ +901 +16 /);
    expect(stdout).toContain(
      '\n0 to do, 0 left alone; 6 stops held back by the brake.\nBroken: InvariantOrphanJob 6.\n',
    );
  });

  test('reads the pods of ended Jobs, which lists do not show', async () => {
    const [open, failed] = [await dispatched(), await dispatched()];
    for (const ids of [open, failed]) {
      await bench.patchJob(ids.jobId, { status: 'running' });
      await bench.patchStep(ids.jobId, { status: 'running', output: 'x' });
      const job = await createJob(ids);
      await setPodStatus(job, OUT_OF_MEMORY);
      await untilFailed(job);
    }
    await bench.patchStep(failed.jobId, { status: 'failed' });
    await bench.patchJob(failed.jobId, { status: 'failed' });

    const { deeds } = (await report()).report;

    expect(deeds.map(({ action, terrakubeJobId, row, why }) => ({ action, terrakubeJobId, row, why }))).toEqual([
      { action: 'fail', terrakubeJobId: open.jobId, row: 34, why: expect.stringContaining('memory') },
      { action: 'annotate', terrakubeJobId: failed.jobId, row: 36, why: expect.stringContaining('memory') },
    ]);
  });

  test('sees no Jobs of another installation', async () => {
    await createJob(await dispatched());

    expect((await report([], { Installation: 'other' })).report).toMatchObject({
      installation: 'other',
      deeds: [],
      left: 1,
    });
  });

  test('only reads', async () => {
    await threeJobs();
    await setPodStatus(await createJob(idsOf({ jobId: '901' })), OUT_OF_MEMORY);
    const sqs = await startScriptedServer(() => ({
      status: 200,
      body: { Attributes: { ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '0' } },
    }));
    closing.push(sqs.close);
    const [before, asked] = [cluster.stats.requests.length, bench.terrakube.requests.length];

    await plan(['--all'], { AWS_ENDPOINT_URL_SQS: sqs.url, DeadLetterQueueUrl: `${sqs.url}/123456789012/dead` });

    const made = cluster.stats.requests.slice(before);
    expect(new Set(made.map(({ path: where }) => /jobs|pods|events/.exec(where)?.[0]))).toEqual(
      new Set(['jobs', 'pods', 'events']),
    );
    expect(new Set(made.map(({ method, status }) => `${method} ${status}`))).toEqual(new Set(['GET 200']));
    expect(made.filter(({ path: where }) => /watch=|secrets/.test(where))).toEqual([]);
    // Terrakube's live jobs, and those of Jobs that are not among them.
    const calls = bench.terrakube.requests.slice(asked);
    expect(calls.map(({ method, status }) => `${method} ${status}`)).toEqual(['GET 200', 'GET 200']);
    expect(sqs.seen.map(({ headers }) => headers['x-amz-target'])).toEqual(['AmazonSQS.GetQueueAttributes']);
  });

  test('counts the dead letters, seen by others or not, and receives none', async () => {
    const limits = { maximumMessageBytes: 1_048_576, retentionSeconds: 345_600, visibilityTimeoutSeconds: 30 };
    const queues = await startQueues([{ ...limits, logicalId: 'Dead', name: 'dead' }]);
    closing.push(queues.close);
    const QueueUrl = queues.queues['Dead']?.url ?? '';
    const send = () => queues.client.send(new SendMessageCommand({ QueueUrl, MessageBody: `${PAYLOAD_SECRETS[0]}` }));
    const receive = () =>
      queues.client.send(
        new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['ApproximateReceiveCount'] }),
      );
    const at = { AWS_ENDPOINT_URL_SQS: queues.endpoint, DeadLetterQueueUrl: QueueUrl };
    await send();
    await receive();
    await send();

    const { exitCode, report: found } = await report([], at);

    expect([exitCode, found.deadLetters, found.deeds]).toEqual([1, 2, []]);
    expect((await plan([], at)).stdout).toContain('\nDead letters: 2.\n');
    expect((await receive()).Messages).toMatchObject([{ Attributes: { ApproximateReceiveCount: '1' } }]);
  });
});

describe('plan works, and ends with 1,', () => {
  test.each([
    ['pods', /\/pods\?/],
    ['events', /\/events\?/],
  ])('when it may not list %s, which it says', async (resource, where) => {
    const ids = await dispatched();
    await setPodStatus(await createJob(ids), PULL);
    const answer = { method: 'GET', path: where, status: 403, body: forbidden(resource) };
    cluster.answerNext(answer);

    const { exitCode, report: found } = await report(['--all']);

    const left = typeof found.left === 'number' ? [] : found.left;
    expect([exitCode, [...found.deeds, ...left].map(({ terrakubeJobId }) => terrakubeJobId)]).toEqual([1, [ids.jobId]]);
    expect(found.problems).toEqual([
      expect.stringMatching(
        `^This AWS identity may not list ${resource} in the namespace, as it could with the rights of`,
      ),
    ]);
    cluster.answerNext(answer);
    expect((await plan()).stdout).toContain(`\nNot complete: This AWS identity may not list ${resource} `);
  });

  test('when the dead letters cannot be counted', async () => {
    const sqs = await startScriptedServer(() => ({
      status: 403,
      headers: { 'content-type': 'application/x-amz-json-1.0' },
      body: { __type: 'com.amazonaws.sqs#AccessDenied', message: `not authorized: ${PAYLOAD_SECRETS[0]}` },
    }));
    closing.push(sqs.close);
    const { cancelled } = await threeJobs();

    const { exitCode, report: found } = await report([], {
      AWS_ENDPOINT_URL_SQS: sqs.url,
      DeadLetterQueueUrl: `${sqs.url}/123456789012/dead`,
    });

    expect([exitCode, found.deadLetters, found.deeds[0]?.terrakubeJobId]).toEqual([1, undefined, cancelled.jobId]);
    expect(found.problems).toEqual([
      'SQS does not count the dead letters (AccessDenied). Counting takes sqs:GetQueueAttributes on the queue of DeadLetterQueueUrl.',
    ]);
  });
});

describe('plan ends with 1, and says only why,', () => {
  test.each([
    [
      'when Terrakube does not answer',
      { TerrakubeApiUrl: 'http://127.0.0.1:9' },
      'Terrakube gave no answer to GET /api/v1/step.\nCheck TerrakubeApiUrl and the way to Terrakube.\n',
    ],
    [
      'when Terrakube does not know us',
      { InternalSecret: Buffer.alloc(32, 'another').toString('base64url') },
      'Terrakube answered 401 to GET /api/v1/step.\nCheck TerrakubeApiUrl and the InternalSecret.\n',
    ],
    [
      'when the cluster does not answer',
      { EksEndpoint: 'https://127.0.0.1:9' },
      /^The Kubernetes API gave no answer about list of (Jobs|Pods)\.\nCheck EksClusterName/,
    ],
    [
      'when the cluster does not know us',
      { AWS_ACCESS_KEY_ID: 'AKIASOMEBODYELSE0000' },
      /^The Kubernetes API answered 401 about list of (Jobs|Pods)\.\nThe cluster does not know this AWS identity/,
    ],
  ])('%s', async (_, changes, stderr) => {
    const said = typeof stderr === 'string' ? stderr : expect.stringMatching(stderr);
    expect(await plan([], changes)).toEqual({ exitCode: 1, stdout: '', stderr: said });
  });

  test('when it may not list Jobs', async () => {
    cluster.answerNext({ method: 'GET', path: /\/jobs\?/, status: 403, body: forbidden('jobs') });

    expect(await plan()).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^The Kubernetes API answered 403 about list of Jobs\.\nThis AWS identity needs the/,
      ),
    });
  });
});

describe('plan ends with 2', () => {
  test.each([
    ['an option that it does not have', ['--yaml'], "Unknown option '--yaml'"],
    ['a word that it does not take', ['17'], "Unexpected argument '17'"],
  ])('for %s', async (_, args, stderr) => {
    expect(await plan(args)).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringContaining(stderr) });
  });

  test('for settings that are wrong, all at once', async () => {
    const { exitCode, stdout, stderr } = await plan([], { DeadLetterQueueUrl: 'secret-thing', EksClusterName: '' });

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^The settings are wrong\. .*EksClusterName: .*DeadLetterQueueUrl: must be a URL/);
    expect(stderr).toContain('They are those of the reconcile function');
    expect(stderr).not.toContain('secret-thing');
  });
});
