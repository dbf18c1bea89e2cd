// The dead-letter queue over the local SQS, and over answers of AWS that the local one does not give.
import { createHash } from 'node:crypto';
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDeadLetterQueue } from '../../lib/clients/aws/dead-letter-queue.ts';
import { createDeadLetters } from '../../lib/clients/dead-letters.ts';
import { seconds } from '../../lib/domain/time.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { type LocalQueues, startQueues } from '../../local/aws/sqs.ts';
import { PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type Reply, type Script, startScriptedServer } from '../support/scripted-server.ts';

const limits = { maximumMessageBytes: 1_048_576, retentionSeconds: 345_600, visibilityTimeoutSeconds: 30 };
const closing: (() => Promise<void>)[] = [];
let queues: LocalQueues;

// Letters stay hidden for longer than a test takes, so each has a queue of its own.
beforeEach(async () => {
  queues = await startQueues([{ ...limits, logicalId: 'Dead', name: 'dead' }]);
  closing.push(queues.close);
});
afterEach(async () => {
  delete process.env['AWS_ENDPOINT_URL_SQS'];
  for (const close of closing.splice(0)) await close();
});

const urlOf = (): string => queues.queues['Dead']?.url ?? '';
const credentials = async () => LOCAL_CREDENTIALS;

/** The client of a queue at an endpoint; without one, of the local queue. */
function createClient(queueUrl = urlOf(), endpoint = queues.endpoint) {
  process.env['AWS_ENDPOINT_URL_SQS'] = endpoint;
  return createDeadLetters({
    queueUrl,
    load: async () => createDeadLetterQueue({ region: 'eu-central-1', credentials }),
  });
}

const send = (MessageBody: string, attributes: Readonly<Record<string, string>> = {}) =>
  queues.client.send(
    new SendMessageCommand({
      QueueUrl: urlOf(),
      MessageBody,
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
      ),
    }),
  );

/** How many letters can be seen, and how many are hidden. */
async function held() {
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
  const command = new GetQueueAttributesCommand({ QueueUrl: urlOf(), AttributeNames: [...names] });
  const { Attributes: attributes = {} } = await queues.client.send(command);
  return names.map((name) => Number(attributes[name]));
}

describe('dead letters', () => {
  test('come with their attributes and the time of their first sending', async () => {
    const before = Date.now();
    const body = Buffer.from(payload()).toString('utf8');
    const { MessageId: messageId } = await send(body, { acceptedAt: '2026-11-24T20:41:37.504Z', encoding: 'none' });

    const letters = await createClient().receive();

    expect(letters).toEqual([
      {
        messageId,
        receiptHandle: expect.stringMatching(/./),
        body,
        attributes: { acceptedAt: '2026-11-24T20:41:37.504Z', encoding: 'none' },
        sentAt: expect.any(Number),
      },
    ]);
    expect(Number(letters[0]?.sentAt)).toBeGreaterThanOrEqual(before);
    expect(Number(letters[0]?.sentAt)).toBeLessThanOrEqual(Date.now());
  });

  test('may have no attributes', async () => {
    await send('what nobody can read');

    expect(await createClient().receive()).toMatchObject([{ body: 'what nobody can read', attributes: {} }]);
  });

  test('are none when there are none', async () => {
    expect(await createClient().receive()).toEqual([]);
  });

  test('come ten at a time, and are hidden from other readers', async () => {
    await Promise.all(Array.from({ length: 12 }, (_, index) => send(`letter ${index}`)));
    const client = createClient();

    const [first, second, third] = [await client.receive(), await client.receive(), await client.receive()];

    expect([first, second, third].map((letters) => letters.length)).toEqual([10, 2, 0]);
    expect(await held()).toEqual([0, 12]);
    const { Messages: seen = [] } = await queues.client.send(new ReceiveMessageCommand({ QueueUrl: urlOf() }));
    expect(seen).toEqual([]);
  });

  test('are gone when they are removed, also when that is asked twice', async () => {
    await send('one');
    await send('two');
    const client = createClient();
    const letters = await client.receive();
    const handle = letters.find(({ body }) => body === 'one')?.receiptHandle ?? '';

    await client.remove(handle);
    await client.remove(handle);

    expect(await held()).toEqual([0, 1]);
  });

  test('cannot be had when the queue is gone', async () => {
    const client = createClient(`${queues.endpoint}/000000000000/gone`);

    expect(await refusedWith(client.receive())).toEqual({
      code: 'queueUnavailable',
      message: 'SQS does not give the dead letters (QueueDoesNotExist).',
    });
    expect(await refusedWith(client.remove('handle'))).toEqual({
      code: 'queueUnavailable',
      message: 'SQS does not remove the dead letter (QueueDoesNotExist).',
    });
  });
});

describe('the SDK', () => {
  test('is loaded once, and only when it is needed', async () => {
    let loads = 0;
    process.env['AWS_ENDPOINT_URL_SQS'] = queues.endpoint;
    const load = async () => {
      loads += 1;
      return createDeadLetterQueue({ region: 'eu-central-1', credentials });
    };
    const client = createDeadLetters({ queueUrl: urlOf(), load });
    expect(loads).toBe(0);

    await Promise.all([client.receive(), client.receive()]);

    expect(loads).toBe(1);
  });

  test('is loaded again when that has failed', async () => {
    let loads = 0;
    process.env['AWS_ENDPOINT_URL_SQS'] = queues.endpoint;
    const load = async () => {
      loads += 1;
      if (loads === 1) throw new Error('not now');
      return createDeadLetterQueue({ region: 'eu-central-1', credentials });
    };
    const client = createDeadLetters({ queueUrl: urlOf(), load });

    await expect(client.receive()).rejects.toThrow('not now');
    expect(await client.receive()).toEqual([]);

    expect(loads).toBe(2);
  });
});

describe('SQS itself', () => {
  const fault = (status: number, type: string, message: string): Reply => ({
    status,
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-query-error': `${type};Sender` },
    body: JSON.stringify({ __type: `com.amazonaws.sqs#${type}`, message }),
  });

  async function start(script: Script, wait?: number) {
    const server = await startScriptedServer(script);
    closing.push(server.close);
    process.env['AWS_ENDPOINT_URL_SQS'] = server.url;
    const client = createDeadLetters({
      queueUrl: `${server.url}/123456789012/dead`,
      load: async () => createDeadLetterQueue({ region: 'eu-central-1', credentials }),
      ...(wait === undefined ? {} : { wait: seconds(wait) }),
    });
    return { server, client };
  }

  test.each([
    ['at once', undefined, 0],
    ['or waits for one', 2, 2],
  ])('is asked for everything that tells what a letter is, %s', async (_, wait, WaitTimeSeconds) => {
    const { server, client } = await start(() => ({ status: 200, body: {} }), wait);

    expect(await client.receive()).toEqual([]);
    await client.remove('handle');

    expect(server.seen.map(({ headers, body }) => [headers['x-amz-target'], JSON.parse(body)])).toEqual([
      [
        'AmazonSQS.ReceiveMessage',
        {
          QueueUrl: `${server.url}/123456789012/dead`,
          WaitTimeSeconds,
          MaxNumberOfMessages: 10,
          VisibilityTimeout: 120,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['SentTimestamp'],
        },
      ],
      ['AmazonSQS.DeleteMessage', { QueueUrl: `${server.url}/123456789012/dead`, ReceiptHandle: 'handle' }],
    ]);
    expect(server.connections).toBe(1);
  });

  test('may leave out what we do without', async () => {
    const message = {
      MessageId: 'm1',
      ReceiptHandle: 'r1',
      Body: 'a body',
      MD5OfBody: createHash('md5').update('a body').digest('hex'),
      MessageAttributes: { binary: { DataType: 'Binary', BinaryValue: 'AA==' }, empty: { DataType: 'String' } },
    };
    const { client } = await start(() => ({ status: 200, body: { Messages: [message] } }));

    expect(await client.receive()).toEqual([
      { messageId: 'm1', receiptHandle: 'r1', body: 'a body', attributes: {}, sentAt: 0 },
    ]);
  });

  test.each<[string, Reply]>([
    ['AccessDenied', fault(403, 'AccessDenied', `not authorized: ${PAYLOAD_SECRETS[0]}`)],
    ['KmsAccessDenied', fault(400, 'KmsAccessDenied', 'no access')],
    ['KmsDisabled', fault(400, 'KmsDisabled', 'The key is disabled.')],
    ['OverLimit', fault(403, 'OverLimit', 'too many in flight')],
  ])('gives and removes nothing because of %s', async (name, reply) => {
    const { server, client } = await start(() => reply);
    const errors = await Promise.all(
      [client.receive(), client.remove('handle')].map((call) => call.catch((error: unknown) => error)),
    );

    expect(errors).toMatchObject([
      { code: 'queueUnavailable', retryable: true, message: `SQS does not give the dead letters (${name}).` },
      { code: 'queueUnavailable', retryable: true, message: `SQS does not remove the dead letter (${name}).` },
    ]);
    expect(
      errors.map((error) => leaksIn(String(error), [...PAYLOAD_SECRETS, LOCAL_CREDENTIALS.secretAccessKey])),
    ).toEqual([[], []]);
    expect(server.seen).toHaveLength(2);
  });

  test('is not there: the error says it by node’s code', async () => {
    const { server, client } = await start(() => 'reset');
    await server.close();

    expect(await refusedWith(client.receive())).toEqual({
      code: 'queueUnavailable',
      message: 'SQS does not give the dead letters (ECONNREFUSED).',
    });
  });
});
