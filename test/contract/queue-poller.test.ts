import { createHash } from 'node:crypto';
import {
  ChangeMessageVisibilityCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type LocalQueues, startQueues } from '../../local/aws/sqs.ts';
import { type QueuePoller, type QueuePollerOptions, startQueuePoller } from '../../local/lambda/queue-poller.ts';
import type { QueueSpec } from '../../local/lambda/read-template.ts';
import type { InvokeResult } from '../../local/lambda/sandbox.ts';

const limits = { maximumMessageBytes: 1_048_576, retentionSeconds: 345_600 };
const specs: QueueSpec[] = [
  {
    ...limits,
    logicalId: 'Jobs',
    name: 'jobs',
    visibilityTimeoutSeconds: 1,
    deadLetters: { queue: 'Dead', maxReceiveCount: 2 },
  },
  { ...limits, logicalId: 'Dead', name: 'dead', visibilityTimeoutSeconds: 30 },
];

let sqs: LocalQueues;
let poller: QueuePoller | undefined;

// Queues of its own for each test: fauxqs still gives a message to a long poll whose caller has gone.
beforeEach(async () => {
  sqs = await startQueues(specs);
});
afterEach(async () => {
  await poller?.close();
  poller = undefined;
  await sqs.close();
});

const urlOf = (logicalId: string) => sqs.queues[logicalId]?.url ?? '';
const send = async (text: string, more = {}) =>
  (await sqs.client.send(new SendMessageCommand({ QueueUrl: urlOf('Jobs'), MessageBody: text, ...more }))).MessageId;

const counts = async (logicalId: string) => {
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
  const command = new GetQueueAttributesCommand({ QueueUrl: urlOf(logicalId), AttributeNames: [...names] });
  const { Attributes: attributes } = await sqs.client.send(command);
  return names.map((name) => Number(attributes?.[name]));
};
const isEmpty = () => vi.waitFor(async () => expect(await counts('Jobs')).toEqual([0, 0]), { timeout: 5000 });

/** Takes what the dead-letter queue holds. */
const deadLetters = async () => {
  const command = new ReceiveMessageCommand({ QueueUrl: urlOf('Dead'), MaxNumberOfMessages: 10, VisibilityTimeout: 0 });
  const { Messages: messages = [] } = await sqs.client.send(command);
  return messages.map(({ Body: text }) => text);
};

type Answer = (event: SQSEvent, call: number) => InvokeResult | Promise<InvokeResult>;
const ok = (answer: unknown): InvokeResult => ({ status: 200, payload: JSON.stringify(answer) ?? '' });
const failing = (...ids: (string | null | undefined)[]) =>
  ok({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });

/** Polls with a function that records its events; the poller sees JSON only, as Lambda does. */
const poll = (answer: Answer, more: Partial<QueuePollerOptions> = {}) => {
  const events: SQSEvent[] = [];
  const invoke = (event: unknown) => {
    const copy: SQSEvent = JSON.parse(JSON.stringify(event));
    events.push(copy);
    return Promise.resolve(answer(copy, events.length));
  };
  poller = startQueuePoller({
    client: sqs.client,
    queueUrl: urlOf('Jobs'),
    queueArn: sqs.queues['Jobs']?.arn ?? '',
    invoke,
    batchSize: 10,
    maximumConcurrency: 1,
    reportBatchItemFailures: true,
    waitTimeSeconds: 1,
    ...more,
  });
  return events;
};
const bodies = (events: readonly SQSEvent[]) =>
  events.map(({ Records: records }) => records.map(({ body }) => body).sort());

test('the queues are on 127.0.0.1 with the attributes of their specs', async () => {
  const command = new GetQueueAttributesCommand({ QueueUrl: urlOf('Jobs'), AttributeNames: ['All'] });
  const { Attributes: attributes } = await sqs.client.send(command);

  expect(sqs.queues['Jobs']).toEqual({
    url: `${sqs.endpoint}/000000000000/jobs`,
    arn: 'arn:aws:sqs:eu-central-1:000000000000:jobs',
    name: 'jobs',
  });
  expect(sqs.attributes['Jobs']).toEqual({
    Ref: urlOf('Jobs'),
    Arn: 'arn:aws:sqs:eu-central-1:000000000000:jobs',
    QueueName: 'jobs',
    QueueUrl: urlOf('Jobs'),
  });
  expect(attributes).toMatchObject({
    VisibilityTimeout: '1',
    MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: sqs.queues['Dead']?.arn, maxReceiveCount: 2 }),
  });
});

test('a message becomes a record as AWS makes it, and is deleted after a success', async () => {
  const text = '{"jobId":"1","name":"ä☂"}';
  const sentAt = Date.now();
  const messageId = await send(text, {
    MessageGroupId: 'organisation',
    MessageAttributes: {
      acceptedAt: { DataType: 'String', StringValue: '2026-11-24T20:41:37.504Z' },
      raw: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]) },
    },
  });
  const events = poll(() => ok({ batchItemFailures: [] }));
  await isEmpty();

  expect(events).toEqual([
    {
      Records: [
        {
          messageId,
          receiptHandle: expect.any(String),
          body: text,
          attributes: {
            SenderId: expect.any(String),
            SentTimestamp: expect.stringMatching(/^\d{13}$/),
            ApproximateReceiveCount: '1',
            ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
          },
          messageAttributes: {
            acceptedAt: {
              stringValue: '2026-11-24T20:41:37.504Z',
              stringListValues: [],
              binaryListValues: [],
              dataType: 'String',
            },
            raw: { binaryValue: 'AP8=', stringListValues: [], binaryListValues: [], dataType: 'Binary' },
          },
          md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
          md5OfBody: createHash('md5').update(text).digest('hex'),
          eventSource: 'aws:sqs',
          eventSourceARN: 'arn:aws:sqs:eu-central-1:000000000000:jobs',
          awsRegion: 'eu-central-1',
        },
      ],
    },
  ]);
  const sentTimestamp = Number(events[0]?.Records[0]?.attributes.SentTimestamp);
  expect(Math.abs(sentTimestamp - sentAt)).toBeLessThan(2000);
});

test('only the messages that are reported come back, with a higher count', async () => {
  await Promise.all(['a', 'b', 'c'].map((text) => send(text)));
  const events = poll((event, call) => {
    const failed = event.Records.filter(({ body }) => body === 'b' && call === 1);
    return failing(...failed.map(({ messageId }) => messageId));
  });
  await isEmpty();

  expect(bodies(events)).toEqual([['a', 'b', 'c'], ['b']]);
  expect(events[1]?.Records[0]?.attributes.ApproximateReceiveCount).toBe('2');
});

test('a message whose visibility the function has set to zero comes back at once', async () => {
  await send('soon');
  const times: number[] = [];
  poll(async ({ Records: [record] }) => {
    times.push(Date.now());
    if (times.length > 1) {
      return ok(null);
    }
    const message = { QueueUrl: urlOf('Jobs'), ReceiptHandle: record?.receiptHandle };
    // Hidden for long at first, so that only the zero can have brought it back.
    for (const VisibilityTimeout of [20, 0]) {
      await sqs.client.send(new ChangeMessageVisibilityCommand({ ...message, VisibilityTimeout }));
    }
    return failing(record?.messageId);
  });
  await isEmpty();

  const [first = 0, second = 0] = times;
  expect(second - first).toBeLessThan(15_000);
});

test.each<[string, InvokeResult | 'the first and a stranger']>([
  ['the function fails', { status: 200, functionError: 'Unhandled', payload: '{}' }],
  ['the function is throttled', { status: 429, payload: '{}' }],
  ['an identifier is not in the batch', failing('not-a-message-id')],
  ['an identifier is empty', failing('')],
  ['an identifier is null', failing(null)],
  ['an identifier is missing', failing(undefined)],
  ['the answer is not JSON', { status: 200, payload: 'oops' }],
  ['one identifier is in the batch and another is not', 'the first and a stranger'],
])('the whole batch stays in the queue when %s', async (_name, result) => {
  await Promise.all(['a', 'b'].map((text) => send(text)));
  const events = poll(({ Records: [first] }) =>
    typeof result === 'string' ? failing(first?.messageId, 'not-a-message-id') : result,
  );
  await vi.waitFor(() => expect(bodies(events)).toEqual([['a', 'b']]));
  await poller?.close();

  const [visible = 0, invisible = 0] = await counts('Jobs');
  expect(visible + invisible).toBe(2);
});

test.each<[string, InvokeResult]>([
  ['nothing', { status: 200, payload: 'null' }],
  ['no list', ok({})],
  ['null for a list', ok({ batchItemFailures: null })],
  ['an empty list', ok({ batchItemFailures: [] })],
])('the whole batch is done when the answer holds %s', async (_name, result) => {
  await Promise.all(['a', 'b'].map((text) => send(text)));
  const events = poll(() => result);
  await isEmpty();

  expect(bodies(events)).toEqual([['a', 'b']]);
});

test('without ReportBatchItemFailures a report is not read', async () => {
  await send('a');
  const events = poll((event) => failing(event.Records[0]?.messageId), { reportBatchItemFailures: false });
  await isEmpty();

  expect(bodies(events)).toEqual([['a']]);
});

test('a message that fails too often goes to the dead letters', async () => {
  await send('poison');
  const events = poll((event) => failing(event.Records[0]?.messageId));
  await vi.waitFor(async () => expect(await deadLetters()).toEqual(['poison']), { timeout: 5000 });

  expect(bodies(events)).toEqual([['poison'], ['poison']]);
});

test('no more batches than the maximum concurrency are worked on at the same time', async () => {
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((text) => send(text)));
  let busy = 0;
  let most = 0;
  const events = poll(
    async () => {
      busy += 1;
      most = Math.max(most, busy);
      await new Promise((resolve) => setTimeout(resolve, 100));
      busy -= 1;
      return ok(null);
    },
    { batchSize: 1, maximumConcurrency: 2 },
  );
  await isEmpty();

  expect(most).toBe(2);
  expect(bodies(events).flat().sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('closing waits for the batch in work and takes no other', async () => {
  await send('a');
  const work = Promise.withResolvers<InvokeResult>();
  const events = poll(() => work.promise);
  await vi.waitFor(() => expect(events).toHaveLength(1));

  let closed = false;
  const closing = poller?.close().then(() => {
    closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(closed).toBe(false);
  work.resolve(ok(null));
  await closing;
  await send('b');
  await new Promise((resolve) => setTimeout(resolve, 300));

  expect(await counts('Jobs')).toEqual([1, 0]);
  expect(bodies(events)).toEqual([['a']]);
});

test('polling goes on after the queue could not be reached', async () => {
  const errors: unknown[] = [];
  poll(() => ok(null), { queueUrl: `${sqs.endpoint}/000000000000/absent`, onError: (error) => errors.push(error) });
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(1), { timeout: 3000 });

  expect(errors[0]).toMatchObject({ name: 'QueueDoesNotExist' });
});
