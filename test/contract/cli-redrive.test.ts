// `redrive`, as a program, between the local SQS, the stand-in cluster and the stand-in Terrakube.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RedriveReport } from '../../cli/redrive-letters.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/aws/credentials.ts';
import { type LocalQueues, startQueues } from '../../local/aws/sqs.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { clusterApis } from '../../local/executor-secret.ts';
import { executorSettings, INSTALLATION, ids as idsOf, PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { INTERNAL_SECRET, startTerrakubeBench, type TerrakubeBench } from '../support/terrakube-bench.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const CLUSTER_TOKEN = 'token-of-whoever-makes-the-jobs';
const SECRETS = [...PAYLOAD_SECRETS, LOCAL_CREDENTIALS.secretAccessKey, INTERNAL_SECRET];
const ACCEPTED_AT = '2026-11-24T20:41:37.504Z';
const limits = { maximumMessageBytes: 1_048_576, retentionSeconds: 345_600, visibilityTimeoutSeconds: 30 };

let cluster: StandInCluster;
let bench: TerrakubeBench;
let queues: LocalQueues;

beforeAll(async () => {
  const identities = [{ arn: 'arn:aws:sts::123456789012:assumed-role/operator/me', credentials: LOCAL_CREDENTIALS }];
  cluster = await startCluster({
    authenticate: async (token) =>
      token === CLUSTER_TOKEN
        ? 'admin'
        : (await verifyEksToken(token, { clusterName: 'local', identities, now: Date.now() }))?.arn,
  });
  bench = await startTerrakubeBench({ resendAfterMs: 60_000 });
});
afterAll(async () => {
  await bench.close();
  await cluster.close();
});
beforeEach(async () => {
  queues = await startQueues([
    { ...limits, logicalId: 'Jobs', name: 'jobs' },
    { ...limits, logicalId: 'Dead', name: 'dead' },
  ]);
});
afterEach(() => queues.close());

const urlOf = (logicalId: string): string => queues.queues[logicalId]?.url ?? '';

const settings = (): Readonly<Record<string, string>> => ({
  AWS_REGION: LOCAL_REGION,
  AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
  AWS_SESSION_TOKEN: LOCAL_CREDENTIALS.sessionToken ?? '',
  AWS_ENDPOINT_URL_SQS: queues.endpoint,
  QueueUrl: urlOf('Jobs'),
  DeadLetterQueueUrl: urlOf('Dead'),
  TerrakubeApiUrl: bench.terrakube.url,
  Installation: INSTALLATION,
  InternalSecret: INTERNAL_SECRET,
  EksClusterName: 'local',
  EksEndpoint: cluster.url,
  EksCertificateAuthority: Buffer.from(cluster.caPem).toString('base64'),
});

/** Runs the command in an environment that holds nothing else. Whatever it says, it tells no secret. */
async function redrive(args: readonly string[] = [], changes: Readonly<Record<string, string>> = {}) {
  const env = { ...settings(), ...changes };
  const child = spawn(process.execPath, ['cli/main.ts', 'redrive', ...args], { cwd: ROOT, env });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve)));
  expect(leaksIn([stdout, stderr], SECRETS)).toEqual([]);
  return { exitCode, stdout, stderr };
}

async function report(...[args = [], changes]: Parameters<typeof redrive>) {
  const { exitCode, stdout, stderr } = await redrive([...args, '--json'], changes);
  expect(stderr).toBe('');
  const found: RedriveReport = JSON.parse(stdout);
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

const bodyOf = (ids: DispatchIds): string => Buffer.from(payload(ids)).toString('utf8');

/** Puts a letter on the dead-letter queue. @returns its id. */
async function bury(body: string, attributes: Readonly<Record<string, string>> = { acceptedAt: ACCEPTED_AT }) {
  const MessageAttributes = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
  );
  const command = new SendMessageCommand({ QueueUrl: urlOf('Dead'), MessageBody: body, MessageAttributes });
  return (await queues.client.send(command)).MessageId ?? '';
}

/** The messages that can be seen in a queue; they are hidden afterwards. */
async function visible(logicalId: string) {
  const { Messages: messages = [] } = await queues.client.send(
    new ReceiveMessageCommand({
      QueueUrl: urlOf(logicalId),
      MaxNumberOfMessages: 10,
      MessageAttributeNames: ['All'],
    }),
  );
  return messages.map(({ Body, MessageAttributes = {} }) => ({
    body: Body,
    attributes: Object.fromEntries(
      Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue]),
    ),
  }));
}

async function createJob(ids: DispatchIds): Promise<void> {
  const now = epochMs(Date.now());
  const request = { ids, payload: payload(ids), acceptedAt: now };
  const body = buildJob({ request, settings: executorSettings(), installation: INSTALLATION, start: 1, now });
  await clusterApis({ cluster, token: CLUSTER_TOKEN }).batch.createNamespacedJob({ namespace: 'terrakube', body });
}

describe('redrive', () => {
  test('puts back what still waits, and leaves what has its Kubernetes Job', async () => {
    const [waits, runs] = [await dispatched(), await dispatched()];
    await createJob(runs);
    const [first, second] = [await bury(bodyOf(waits)), await bury(bodyOf(runs))];

    const { exitCode, report: found } = await report();

    expect(exitCode).toBe(0);
    expect(found).toEqual({
      dryRun: false,
      letters: expect.arrayContaining([
        {
          messageId: first,
          request: { ...waits, acceptedAt: ACCEPTED_AT },
          state: 'stillWaits',
          action: 'putBack',
          reason: 'its step waits in Terrakube, and has no Kubernetes Job',
        },
        {
          messageId: second,
          request: { ...runs, acceptedAt: ACCEPTED_AT },
          state: 'done',
          action: 'stays',
          reason: 'the step has its Kubernetes Job',
        },
      ]),
      hidden: 0,
    });
    expect(found.letters).toHaveLength(2);
    expect(await visible('Jobs')).toEqual([{ body: bodyOf(waits), attributes: { acceptedAt: ACCEPTED_AT } }]);
    expect(await visible('Dead')).toEqual([{ body: bodyOf(runs), attributes: { acceptedAt: ACCEPTED_AT } }]);
  });

  test('says to people what it does, and with --dry-run does nothing', async () => {
    const ids = await dispatched();
    const id = await bury(bodyOf(ids));
    const answer = (text: string) => ({ exitCode: 0, stderr: '', stdout: text });
    const letter =
      `${id}  job ${ids.jobId}, step ${ids.stepId} (terraformPlan), accepted ${ACCEPTED_AT}\n` +
      '  put back: its step waits in Terrakube, and has no Kubernetes Job\n\n' +
      'Dead letters: 1 put back, 0 removed, 0 left.\n';

    expect(await redrive(['--dry-run'])).toEqual(answer(`Dry run: this would be done.\n\n${letter}`));
    expect(await visible('Jobs')).toEqual([]);
    expect(await redrive()).toEqual(answer(letter));
    expect(await visible('Jobs')).toHaveLength(1);
    expect(await redrive()).toEqual(
      answer('There are no dead letters. One that somebody looked at less than two minutes ago is hidden.\n'),
    );
  });

  test('removes what nobody needs any more with --remove-done', async () => {
    const ids = await dispatched();
    await bury(bodyOf(ids));
    await bench.patchJob(ids.jobId, { status: 'cancelled' });

    const stays = await report();
    expect(stays).toMatchObject({ exitCode: 0, report: { letters: [{ state: 'done', action: 'stays' }] } });
    const removed = await report(['--remove-done']);
    expect(removed).toMatchObject({
      exitCode: 0,
      report: { letters: [{ state: 'done', action: 'removed', reason: 'the job has ended' }] },
    });

    expect([await visible('Dead'), await visible('Jobs')]).toEqual([[], []]);
  });

  test('goes through more letters than SQS gives at once, each once', async () => {
    const ids = await dispatched();
    await bench.patchJob(ids.jobId, { status: 'cancelled' });
    await Promise.all(Array.from({ length: 13 }, () => bury(bodyOf(ids))));

    const { letters } = (await report()).report;

    expect(new Set(letters.map(({ messageId }) => messageId)).size).toBe(13);
    expect(letters).toHaveLength(13);
    expect(await visible('Dead')).toHaveLength(10);
  });
});

describe('redrive ends with 1', () => {
  test('when a letter cannot be read, which stays', async () => {
    const id = await bury(`{"accessToken": "${PAYLOAD_SECRETS[0]}"}`);

    const { exitCode, stdout } = await redrive(['--remove-done']);

    expect(exitCode).toBe(1);
    expect(stdout).toContain(`${id}  not readable\n  left: it is not a Terrakube payload\n`);
    expect(await visible('Dead')).toHaveLength(1);
  });

  test.each([
    ['Terrakube', { TerrakubeApiUrl: 'http://127.0.0.1:9' }, /^Terrakube gave no answer to GET \/api\/v1\/organi/],
    ['the cluster', { EksEndpoint: 'https://127.0.0.1:9' }, /^The Kubernetes API gave no answer about list of Jobs\.$/],
    [
      'the cluster, as somebody that it does not know,',
      { AWS_ACCESS_KEY_ID: 'AKIASOMEBODYELSE0000' },
      /^The Kubernetes API answered 401/,
    ],
  ])('when %s cannot be asked, and leaves the letter', async (_, changes, reason) => {
    const ids = await dispatched();
    await bury(bodyOf(ids));

    const { exitCode, report: found } = await report(['--remove-done'], changes);

    expect(exitCode).toBe(1);
    expect(found.letters).toMatchObject([
      { request: { jobId: ids.jobId }, state: 'unknown', action: 'stays', reason: expect.stringMatching(reason) },
    ]);
    expect([await visible('Dead'), await visible('Jobs')]).toMatchObject([[{}], []]);
  });

  test('when there is no job queue, and leaves the letter', async () => {
    await bury(bodyOf(await dispatched()));

    const { exitCode, report: found } = await report([], { QueueUrl: `${queues.endpoint}/000000000000/gone` });

    expect(exitCode).toBe(1);
    expect(found.letters).toMatchObject([
      { state: 'unknown', action: 'stays', reason: 'SQS does not take the message (QueueDoesNotExist).' },
    ]);
    expect(await visible('Dead')).toHaveLength(1);
  });

  test('when the dead letters cannot be had', async () => {
    const answer = await redrive([], { DeadLetterQueueUrl: `${queues.endpoint}/000000000000/gone` });

    expect(answer).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^SQS does not give the dead letters \(QueueDoesNotExist\)\.\nThis AWS identity needs sqs:ReceiveMessage/,
      ),
    });
  });
});

describe('redrive ends with 2', () => {
  test.each([
    ['an option that it does not have', ['--all'], "Unknown option '--all'"],
    ['a word that it does not take', ['17'], "Unexpected argument '17'"],
  ])('for %s', async (_, args, stderr) => {
    expect(await redrive(args)).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringContaining(stderr) });
  });

  test('for settings that are wrong, all at once', async () => {
    const { exitCode, stdout, stderr } = await redrive([], { DeadLetterQueueUrl: 'secret-thing', EksClusterName: '' });

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^The settings are wrong\. .*DeadLetterQueueUrl: must be a URL.*EksClusterName: /);
    expect(stderr).toContain('They are those of the dispatch function');
    expect(stderr).not.toContain('secret-thing');
  });
});
