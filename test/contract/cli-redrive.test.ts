// `redrive`, as a program, between the local SQS, the stand-in cluster and the stand-in Terrakube.
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RedriveReport } from '../../cli/redrive-letters.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { type LocalQueues, startQueues } from '../../local/aws/sqs.ts';
import { PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { type CliWorld, type Environment, startCliWorld } from '../support/cli-world.ts';

const ACCEPTED_AT = '2026-11-24T20:41:37.504Z';
const limits = { maximumMessageBytes: 1_048_576, retentionSeconds: 345_600, visibilityTimeoutSeconds: 30 };

let world: CliWorld;
let bench: CliWorld['bench'];
let queues: LocalQueues;

beforeAll(async () => {
  world = await startCliWorld();
  bench = world.bench;
});
afterAll(() => world.close());
beforeEach(async () => {
  queues = await startQueues([
    { ...limits, logicalId: 'Jobs', name: 'jobs' },
    { ...limits, logicalId: 'Dead', name: 'dead' },
  ]);
});
afterEach(() => queues.close());

const urlOf = (logicalId: string): string => queues.queues[logicalId]?.url ?? '';

/** The settings of both worlds, and the queues. */
const withQueues = (changes: Environment = {}): Environment => ({
  AWS_ENDPOINT_URL_SQS: queues.endpoint,
  QueueUrl: urlOf('Jobs'),
  DeadLetterQueueUrl: urlOf('Dead'),
  ...changes,
});

const redrive = (args: readonly string[] = [], changes?: Environment) =>
  world.run(['redrive', ...args], withQueues(changes));

async function report(args: readonly string[] = [], changes?: Environment) {
  const { exitCode, report: found } = await world.report(['redrive', ...args], withQueues(changes));
  return { exitCode, report: found as RedriveReport };
}

const dispatched = () => world.dispatched();

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

describe('redrive', () => {
  test('puts back what still waits, and leaves what has its Kubernetes Job', async () => {
    const [waits, runs] = [await dispatched(), await dispatched()];
    await world.createJob(runs);
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
