// `plan`, as a program, between the stand-in cluster and the stand-in Terrakube: what it says, and that it only reads.
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { V1Job } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PlanReport } from '../../cli/plan-report.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { startQueues } from '../../local/aws/sqs.ts';
import type { StandInCluster } from '../../local/cluster/cluster.ts';
import { INSTALLATION, ids as idsOf, PAYLOAD_SECRETS } from '../support/builders.ts';
import { type CliWorld, type Environment, executorIs, PULL, startCliWorld } from '../support/cli-world.ts';
import { startScriptedServer } from '../support/scripted-server.ts';
import type { TerrakubeBench } from '../support/terrakube-bench.ts';

let world: CliWorld;
let cluster: StandInCluster;
let bench: TerrakubeBench;
let closing: (() => Promise<void>)[] = [];

// A plan is about everything, so each test has worlds of its own.
beforeEach(async () => {
  world = await startCliWorld();
  ({ cluster, bench } = world);
  closing = [world.close];
});
afterEach(async () => {
  for (const close of closing) await close();
});

const plan = (args: readonly string[] = [], changes?: Environment) => world.run(['plan', ...args], changes);

async function report(args: readonly string[] = [], changes?: Environment) {
  const { exitCode, report: found } = await world.report(['plan', ...args], changes);
  return { exitCode, report: found as PlanReport };
}

const dispatched = () => world.dispatched();
const createJob = (ids: DispatchIds) => world.createJob(ids);
const setPodStatus = (job: V1Job, status: object) => world.setPodStatus(job, status);
const untilFailed = (job: V1Job) => expect.poll(() => world.hasFailed(job)).toBe(true);

const OUT_OF_MEMORY = {
  phase: 'Failed',
  ...executorIs({
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
