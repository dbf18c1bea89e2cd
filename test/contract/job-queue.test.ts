import { createHash } from 'node:crypto';
import { GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createSqs } from '../../lib/clients/aws/sqs.ts';
import { createJobQueue, createMessageHandling } from '../../lib/clients/job-queue.ts';
import { messageBytes } from '../../lib/domain/queue-message.ts';
import { seconds } from '../../lib/domain/time.ts';
import type { QueueMessage } from '../../lib/ports.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { type LocalQueues, startQueues } from '../../local/aws/sqs.ts';
import { PAYLOAD_SECRETS, payload } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type Reply, type Script, startScriptedServer } from '../support/scripted-server.ts';

const LIMIT = 1_048_576;
const queueLimits = { maximumMessageBytes: LIMIT, retentionSeconds: 345_600, visibilityTimeoutSeconds: 30 };
const closing: (() => Promise<void>)[] = [];
let queues: LocalQueues;

beforeAll(async () => {
  queues = await startQueues([
    { ...queueLimits, logicalId: 'Jobs', name: 'jobs', deadLetters: { queue: 'Dead', maxReceiveCount: 1000 } },
    { ...queueLimits, logicalId: 'Dead', name: 'dead' },
  ]);
});
afterAll(() => queues.close());
afterEach(async () => {
  delete process.env['AWS_ENDPOINT_URL_SQS'];
  for (const close of closing.splice(0)) await close();
});

const urlOf = (logicalId: string): string => queues.queues[logicalId]?.url ?? '';

/** The calls to an endpoint; without one, to the local queues. */
function createCalls(endpoint = queues.endpoint) {
  process.env['AWS_ENDPOINT_URL_SQS'] = endpoint;
  return createSqs({ region: 'eu-central-1', credentials: async () => LOCAL_CREDENTIALS });
}
const send = (changes: Partial<QueueMessage> = {}, queueUrl = urlOf('Jobs')) =>
  createJobQueue(createCalls(), queueUrl).send({ body: 'a body', attributes: {}, groupId: 'org-1', ...changes });
const createHandling = (sqs = createCalls()) =>
  createMessageHandling(async () => sqs, { queueUrl: urlOf('Jobs'), deadLetterQueueUrl: urlOf('Dead') });

async function receive(logicalId: string, waitSeconds = 0) {
  const { Messages: messages = [] } = await queues.client.send(
    new ReceiveMessageCommand({
      QueueUrl: urlOf(logicalId),
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['ApproximateReceiveCount'],
      WaitTimeSeconds: waitSeconds,
    }),
  );
  const [message] = messages;
  if (message === undefined) return undefined;
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, { DataType, StringValue }]) => [
    name,
    `${DataType} ${StringValue}`,
  ]);
  return {
    body: message.Body,
    attributes: Object.fromEntries(attributes),
    receiveCount: message.Attributes?.ApproximateReceiveCount,
    receiptHandle: message.ReceiptHandle ?? '',
  };
}
const waiting = async () => {
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
  const command = new GetQueueAttributesCommand({ QueueUrl: urlOf('Jobs'), AttributeNames: [...names] });
  const { Attributes: attributes = {} } = await queues.client.send(command);
  return names.map((name) => Number(attributes[name]));
};

describe('a message on the queue', () => {
  test.each([
    ['a payload', Buffer.from(payload()).toString('utf8')],
    ['text of the basic plane', 'tab\t newline\r\n ä 日本 \uFFFD \uD7FF \uE000'],
    ['markup and quotes', '<a href="x">&amp;</a> \\" \' %00'],
    ['a single byte', '{'],
  ])('comes back byte for byte (%s)', async (_, body) => {
    const attributes = { acceptedAt: '2026-11-24T20:41:37.504Z', encoding: 'base64' };
    expect(await send({ body, attributes })).toBe('sent');
    expect(await receive('Jobs')).toMatchObject({
      body,
      attributes: { acceptedAt: 'String 2026-11-24T20:41:37.504Z', encoding: 'String base64' },
      receiveCount: '1',
    });
  });

  test.each(['\u0000', '\u0008', '\u000b', '\u001f', '\ufffe', '\uffff'])(
    'is refused for its content when it holds %j',
    async (character) => {
      const before = await waiting();
      expect(await send({ body: `a${character}b` })).toBe('contentRefused');
      expect(await waiting()).toEqual(before);
    },
  );

  test('may have as many bytes as the limit, attributes counted, and not one more', async () => {
    const attributes = { acceptedAt: '2026-11-24T20:41:37.504Z' };
    const room = LIMIT - messageBytes({ body: '', attributes });
    expect(await send({ body: 'x'.repeat(room), attributes })).toBe('sent');
    expect((await receive('Jobs'))?.body).toHaveLength(room);
    expect(await send({ body: 'x'.repeat(room + 1), attributes })).toBe('tooLarge');
    expect(await send({ body: 'ü'.repeat(room / 2 + 1), attributes })).toBe('tooLarge');
  });

  test('cannot be stored when the queue is gone', async () => {
    expect(await refusedWith(send({}, `${queues.endpoint}/000000000000/gone`))).toEqual({
      code: 'queueUnavailable',
      message: 'SQS does not take the message (QueueDoesNotExist).',
    });
  });
});

describe('a message that was received', () => {
  test('is there again after its delay, counted, and not before', async () => {
    await send({ body: 'to be delayed' });
    const first = await receive('Jobs');
    await createHandling().setDelay(first?.receiptHandle ?? '', seconds(1));
    const startedAt = performance.now();
    expect(await receive('Jobs')).toBeUndefined();
    const second = await receive('Jobs', 5);
    const waitedMs = performance.now() - startedAt;
    expect(second).toMatchObject({ body: 'to be delayed', receiveCount: '2' });
    expect(waitedMs).toBeGreaterThan(800);
  });

  test('is there again at once when its delay is nothing', async () => {
    await send({ body: 'at once' });
    const first = await receive('Jobs');
    await createHandling().setDelay(first?.receiptHandle ?? '', seconds(0));
    expect(await receive('Jobs')).toMatchObject({ body: 'at once', receiveCount: '2' });
  });

  test('cannot be delayed with a handle that is none', async () => {
    expect(await refusedWith(createHandling().setDelay('no handle', seconds(1)))).toEqual({
      code: 'queueUnavailable',
      message: 'SQS does not change the delay (MessageNotInflight).',
    });
  });

  test('is copied to its own queue with its attributes, and counted anew', async () => {
    const attributes = { acceptedAt: '2026-11-24T20:41:37.504Z' };
    await createHandling().sendAgain({ body: 'worn out', attributes, groupId: 'org-1' }, seconds(1));
    expect(await receive('Jobs')).toBeUndefined();
    expect(await receive('Jobs', 5)).toMatchObject({
      body: 'worn out',
      attributes: { acceptedAt: 'String 2026-11-24T20:41:37.504Z' },
      receiveCount: '1',
    });
  });

  test('is copied to its own queue with its group, after a quarter of an hour at most', async () => {
    const inputs: unknown[] = [];
    const send = async (input: unknown) => {
      inputs.push(input);
      return 'sent' as const;
    };
    const sqs = { ...createCalls(), send };
    await createHandling(sqs).sendAgain({ body: 'worn out', attributes: {}, groupId: 'org-1' }, seconds(5000));
    expect(inputs).toEqual([
      {
        QueueUrl: urlOf('Jobs'),
        MessageBody: 'worn out',
        MessageAttributes: {},
        MessageGroupId: 'org-1',
        DelaySeconds: 900,
      },
    ]);
  });

  test('is copied to the dead-letter queue with its attributes', async () => {
    await createHandling().sendDeadLetter({ body: 'nobody can read it', attributes: { kind: 'strange' } });
    expect(await receive('Dead')).toMatchObject({
      body: 'nobody can read it',
      attributes: { kind: 'String strange' },
      receiveCount: '1',
    });
  });

  test.each([
    ['is too large', 'x'.repeat(LIMIT + 1)],
    ['holds what SQS refuses', '\u0000'],
  ])('cannot be copied when it %s', async (_, body) => {
    expect(await refusedWith(createHandling().sendDeadLetter({ body, attributes: {} }))).toEqual({
      code: 'queueUnavailable',
      message: 'The dead-letter queue refuses the message.',
    });
  });

  test('loads the SDK once, and only when it is needed', async () => {
    let loads = 0;
    const load = async () => {
      loads += 1;
      return createCalls();
    };
    const handling = createMessageHandling(load, { queueUrl: urlOf('Jobs'), deadLetterQueueUrl: urlOf('Dead') });
    expect(loads).toBe(0);
    await Promise.all([1, 2].map((n) => handling.sendDeadLetter({ body: `dead ${n}`, attributes: {} })));
    expect(loads).toBe(1);
  });

  test('loads the SDK again when that has failed', async () => {
    let loads = 0;
    const load = async () => {
      loads += 1;
      if (loads === 1) throw new Error('not now');
      return createCalls();
    };
    const handling = createMessageHandling(load, { queueUrl: urlOf('Jobs'), deadLetterQueueUrl: urlOf('Dead') });
    await expect(handling.sendDeadLetter({ body: 'dead', attributes: {} })).rejects.toThrow('not now');
    await handling.sendDeadLetter({ body: 'dead', attributes: {} });
    expect(loads).toBe(2);
  });
});

describe('SQS itself', () => {
  /** A fault as AWS' JSON protocol writes it: the older protocol's name is in a header. */
  const fault = (status: number, type: string, message: string, queryCode = type): Reply => ({
    status,
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-query-error': `${queryCode};Sender` },
    body: JSON.stringify({ __type: type.includes('#') ? type : `com.amazonaws.sqs#${type}`, message }),
  });
  const invalid = (message: string) =>
    fault(400, 'com.amazon.coral.service#InvalidParameterValueException', message, 'InvalidParameterValue');

  async function start(script: Script) {
    const server = await startScriptedServer(script);
    closing.push(server.close);
    const sqs = createCalls(server.url);
    const queueUrl = `${server.url}/123456789012/jobs`;
    return {
      server,
      queue: createJobQueue(sqs, queueUrl),
      handling: createMessageHandling(async () => sqs, { queueUrl, deadLetterQueueUrl: `${queueUrl}-dead` }),
    };
  }
  // fauxqs refuses what is outside of the basic plane; AWS takes it.
  const body = `${Buffer.from(payload()).toString('utf8')} 🙂 \u{10FFFF}`;
  const message: QueueMessage = { body, attributes: { acceptedAt: 'now' }, groupId: 'org-1' };

  test('gets the message with its group, in UTF-8, and all of them on one connection', async () => {
    // The SDK compares the sum, so that a body that was changed on its way is not taken for sent.
    const MD5OfMessageBody = createHash('md5').update(body).digest('hex');
    const { server, queue } = await start(() => ({ status: 200, body: { MessageId: '1', MD5OfMessageBody } }));
    await queue.send(message);
    await queue.send({ ...message, groupId: 'org-2' });
    expect(server.seen.map((call) => JSON.parse(call.body))).toEqual(
      ['org-1', 'org-2'].map((MessageGroupId) => ({
        QueueUrl: `${server.url}/123456789012/jobs`,
        MessageBody: body,
        MessageAttributes: { acceptedAt: { DataType: 'String', StringValue: 'now' } },
        MessageGroupId,
      })),
    );
    expect(server.seen[0]?.headers).toMatchObject({
      'x-amz-target': 'AmazonSQS.SendMessage',
      authorization: expect.stringContaining(`Credential=${LOCAL_CREDENTIALS.accessKeyId}/`),
    });
    expect(server.connections).toBe(1);
  });

  test.each<[string, Reply]>([
    ['tooLarge', invalid('One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.')],
    ['contentRefused', invalid('Value x for parameter MessageAttributes is invalid. Reason: …')],
    ['contentRefused', fault(400, 'InvalidMessageContents', 'Invalid characters found.')],
    ['contentRefused', fault(400, 'InvalidAttributeValue', 'The attribute x is not allowed.')],
  ])('says %s as AWS words it, and is not asked again', async (expected, reply) => {
    const { server, queue } = await start(() => reply);
    expect(await queue.send(message)).toBe(expected);
    expect(server.seen).toHaveLength(1);
  });

  test.each<[string, Reply]>([
    [
      'QueueDoesNotExist',
      fault(400, 'QueueDoesNotExist', 'The specified queue does not exist.', 'AWS.SimpleQueueService.NonExistentQueue'),
    ],
    ['AccessDenied', fault(403, 'AccessDenied', `not authorized to perform: sqs:sendmessage ${body}`)],
    ['KmsDisabled', fault(400, 'KmsDisabled', 'The key is disabled.', 'KMS.DisabledException')],
    ['KmsAccessDenied', fault(400, 'KmsAccessDenied', 'no access', 'KMS.AccessDeniedException')],
    ['KmsInvalidState', fault(400, 'KmsInvalidState', 'pending deletion', 'KMS.InvalidStateException')],
    ['KmsNotFound', fault(400, 'KmsNotFound', 'no key', 'KMS.NotFoundException')],
    ['OverLimit', fault(403, 'OverLimit', 'too many in flight')],
    ['InvalidSecurity', fault(403, 'InvalidSecurity', 'not https')],
  ])('takes nothing because of %s', async (_, reply) => {
    const { server, queue, handling } = await start(() => reply);
    const errors = [
      await queue.send(message).catch((error: unknown) => error),
      await handling.sendDeadLetter(message).catch((error: unknown) => error),
      await handling.setDelay('handle', seconds(1)).catch((error: unknown) => error),
    ];
    expect(errors.map((error) => (error instanceof Error ? error.message.replace(/ \(.*/, '') : error))).toEqual([
      'SQS does not take the message',
      'SQS does not take the dead letter',
      'SQS does not change the delay',
    ]);
    expect(errors).toMatchObject(Array.from({ length: 3 }, () => ({ code: 'queueUnavailable', retryable: true })));
    expect(server.seen).toHaveLength(3);
    expect(PAYLOAD_SECRETS.filter((secret) => `${errors} ${JSON.stringify(errors)}`.includes(secret))).toEqual([]);
  });

  test.each<[string, number, Script]>([
    ['KmsThrottled', 1, () => fault(400, 'KmsThrottled', 'slow down', 'KMS.ThrottlingException')],
    ['RequestThrottled', 2, () => fault(403, 'RequestThrottled', 'slow down')],
    ['a fault of its own', 2, () => ({ status: 503, body: 'Service Unavailable' })],
    ['a broken connection', 2, () => 'reset'],
  ])('may be unable for a moment: %s, after %i attempts', async (_, attempts, script) => {
    const { server, queue } = await start(script);
    const error = await queue.send(message).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'queueUnavailable', retryable: true });
    expect(server.seen).toHaveLength(attempts);
    expect(leaksIn(error, [...PAYLOAD_SECRETS, LOCAL_CREDENTIALS.secretAccessKey])).toEqual([]);
  });

  test('is not there: the error says it by node’s code', async () => {
    const { server, queue } = await start(() => 'reset');
    await server.close();
    expect(await refusedWith(queue.send(message))).toEqual({
      code: 'queueUnavailable',
      message: 'SQS does not take the message (ECONNREFUSED).',
    });
  });
});
