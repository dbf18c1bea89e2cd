// Every file of events/ through the built bundles, in Lambda's own runtime client.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { DeleteMessageCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { internalSecretKey } from '../../lib/domain/internal-secret.ts';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { signDispatchToken } from '../../local/terrakube/internal-key.ts';
import { type RunningStack, startRunningStack, until } from '../support/running-stack.ts';

const EVENTS = path.resolve(import.meta.dirname, '../../events');
const read = (file: string): string => readFileSync(path.join(EVENTS, file), 'utf8');
const filesOf = (door: string): readonly string[] => readdirSync(EVENTS).filter((file) => file.startsWith(`${door}.`));

describe('intake', () => {
  // Dispatch sleeps meanwhile: what intake puts on the queue stays there to be looked at.
  let running: RunningStack;
  beforeAll(async () => {
    running = await startRunningStack({ pollers: false });
  });
  afterAll(() => running.stack.close());

  test.each(filesOf('intake'))('puts the body of %s on the queue, byte for byte', async (file) => {
    const { stack } = running;
    const event: { body: string; isBase64Encoded: boolean } = JSON.parse(
      read(file).replace('<JWT>', await freshToken(stack)),
    );

    const result = await stack.lambda.invoke('intake', event);

    expect(JSON.parse(result.payload)).toEqual({ statusCode: 202, body: '' });
    const [message, ...more] = await takeMessages(stack);
    expect(more).toEqual([]);
    expect(message?.Body).toBe(Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8').toString('utf8'));
    expect(Object.keys(message?.MessageAttributes ?? {})).toEqual(['acceptedAt']);
    expect(message?.MessageAttributes?.['acceptedAt']?.StringValue).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test('has event files in every form', () => {
    expect(filesOf('intake')).toEqual([
      'intake.function-url.json',
      'intake.rest-api-base64.json',
      'intake.rest-api.json',
    ]);
  });

  test('answers 401 to an event file whose token nobody signed', async () => {
    const { stack } = running;

    const result = await stack.lambda.invoke('intake', JSON.parse(read('intake.rest-api.json')));

    expect(JSON.parse(result.payload)).toMatchObject({ statusCode: 401 });
    expect(await takeMessages(stack)).toEqual([]);
  });

  test('answers 503 while SQS cannot be reached', async () => {
    const broken = await startRunningStack({
      pollers: false,
      functionSettings: { QueueUrl: 'http://127.0.0.1:9/123456789012/job-queue' },
    });
    try {
      const event = JSON.parse(read('intake.rest-api.json').replace('<JWT>', await freshToken(broken.stack)));
      const result = await broken.stack.lambda.invoke('intake', event);

      const answer: { statusCode: number; body: string } = JSON.parse(result.payload);
      expect(answer.statusCode).toBe(503);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'unavailable' });
    } finally {
      await broken.stack.close();
    }
  });

  test('answers 503 while Secrets Manager cannot be reached', async () => {
    // Only the bundles show it: the SDK is in a file of its own, with its own copies of our classes.
    const broken = await startRunningStack({
      pollers: false,
      functionSettings: { AWS_ENDPOINT_URL_SECRETS_MANAGER: 'http://127.0.0.1:9' },
    });
    try {
      const event = JSON.parse(read('intake.rest-api.json').replace('<JWT>', await freshToken(broken.stack)));
      const result = await broken.stack.lambda.invoke('intake', event);

      const answer: { statusCode: number; body: string } = JSON.parse(result.payload);
      expect(answer.statusCode).toBe(503);
      expect(JSON.parse(answer.body)).toEqual({
        code: 'unavailable',
        message: 'Secret terrakube-internal-secret cannot be read (ECONNREFUSED).',
      });
    } finally {
      await broken.stack.close();
    }
  });

  test('whose settings are wrong fails at init with all faults, and the front door answers 503', async () => {
    const broken = await startRunningStack({
      pollers: false,
      functionSettings: { QueueUrl: 'nonsense', IntakeAuth: 'none' },
    });
    try {
      const { status } = await fetch(broken.stack.dispatchUrl, { method: 'POST', body: '{}' });

      expect(status).toBe(503);
      const text = broken.lines.join('\n');
      expect(text).toContain('QueueUrl: must be a URL');
      expect(text).toContain('IntakeAuth: must be jwt or path');
    } finally {
      await broken.stack.close();
    }
  });
});

describe('dispatch', () => {
  let running: RunningStack;
  beforeAll(async () => {
    running = await startRunningStack();
  });
  afterAll(() => running.stack.close());

  test('has event files in every form', () => {
    expect(filesOf('dispatch')).toEqual(['dispatch.eventbridge.json', 'dispatch.oversized.json', 'dispatch.sqs.json']);
  });

  test.each(filesOf('dispatch'))('acknowledges %s of a job that Terrakube does not have', async (file) => {
    const result = await running.stack.lambda.invoke('dispatch', JSON.parse(read(file)));

    expect(result).toEqual({ status: 200, payload: '{"batchItemFailures":[]}' });
    expect(running.logs.at(-1)).toMatchObject({ message: 'dispatch settled', outcome: 'skipped', reason: 'jobGone' });
  });

  test.each(['dispatch.sqs.json', 'dispatch.eventbridge.json'])(
    'starts the executor of %s once its job exists',
    async (file) => {
      const { stack, startedPods } = running;
      const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan' }] });
      const event = withIds(read(file), JSON.parse(payload.toString('utf8')));

      const result = await stack.lambda.invoke('dispatch', event);

      expect(result.payload).toBe('{"batchItemFailures":[]}');
      await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');
      expect(startedPods(jobId)).toBe(1);
    },
  );

  test('fails the step of dispatch.oversized.json with both sizes', async () => {
    const { stack } = running;
    const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan', name: 'Plan' }] });
    const event = withIds(read('dispatch.oversized.json'), JSON.parse(payload.toString('utf8')));

    await stack.lambda.invoke('dispatch', event);

    expect(stack.terrakube.job(jobId)).toMatchObject({
      status: 'failed',
      steps: [
        {
          status: 'failed',
          name: expect.stringMatching(/^Plan: the job's data is too large \([\d,]+ bytes, limit [\d,]+\)$/),
        },
      ],
    });
  });

  test('moves a message that nobody can read to the dead-letter queue, and says so without quoting it', async () => {
    const { stack, logs, lines } = running;
    const event = JSON.parse(read('dispatch.sqs.json'));
    event.Records[0].body = '{"accessToken":"unreadable-secret"';

    const result = await stack.lambda.invoke('dispatch', event);

    expect(result.payload).toBe('{"batchItemFailures":[]}');
    expect(logs.at(-1)).toMatchObject({
      level: 'ERROR',
      message: 'message moved to the dead-letter queue',
      messageId: event.Records[0].messageId,
      reason: 'it is not a Terrakube payload',
    });
    expect(lines.join('\n')).not.toContain('unreadable-secret');
    const [dead] = await takeMessages(stack, 'DeadLetterQueue');
    expect(dead?.Body).toBe(event.Records[0].body);
    expect(dead?.MessageAttributes?.['acceptedAt']?.StringValue).toBe(
      event.Records[0].messageAttributes.acceptedAt.stringValue,
    );
  });

  test('names only the failed message of a batch, when Terrakube is down for it', async () => {
    const { stack } = running;
    const first = JSON.parse(read('dispatch.sqs.json')).Records[0];
    const second = { ...first, messageId: 'second', body: first.body.replace('"jobId":"1"', '"jobId":"4711"') };
    stack.terrakube.answerNext({ method: 'GET', path: /\/job\/4711$/, status: 500 });

    const result = await stack.lambda.invoke('dispatch', { Records: [first, second] });

    expect(JSON.parse(result.payload)).toEqual({ batchItemFailures: [{ itemIdentifier: 'second' }] });
  });
});

describe('reconcile', () => {
  let running: RunningStack;
  beforeAll(async () => {
    running = await startRunningStack({ functionSettings: { WatchWhenIdle: 'false' } });
  });
  afterAll(() => running.stack.close());

  test.each(filesOf('reconcile'))(
    'reads both worlds when %s comes, and ends when there is nothing to watch',
    async (file) => {
      const result = await running.stack.lambda.invoke('reconcile', JSON.parse(read(file)));

      expect(result).toEqual({ status: 200, payload: 'null' });
      expect(running.logs.filter(({ level }) => level === 'ERROR' || level === 'WARN')).toEqual([]);
      expect(running.logs).toContainEqual(expect.objectContaining({ ActiveJobs: 0, StopsHeldBack: 0 }));
    },
  );

  test('fails when a world cannot be read', async () => {
    const broken = await startRunningStack({ functionSettings: { TerrakubeApiUrl: 'http://127.0.0.1:9' } });
    try {
      const result = await broken.stack.lambda.invoke('reconcile', JSON.parse(read('reconcile.schedule.json')));

      expect(result).toMatchObject({ status: 200, functionError: 'Unhandled' });
      expect(broken.logs).toContainEqual(expect.objectContaining({ level: 'ERROR', code: 'terrakubeUnavailable' }));
    } finally {
      await broken.stack.close();
    }
  });

  test('has an event file', () => {
    expect(filesOf('reconcile')).toEqual(['reconcile.schedule.json']);
  });
});

const freshToken = async ({ internalSecret }: RunningStack['stack']): Promise<string> => {
  const key = internalSecretKey(internalSecret);
  if ('problem' in key) throw new Error(key.problem);
  return signDispatchToken({ bytes: key.key, algorithm: 'HS256' });
};

async function takeMessages({ queues }: RunningStack['stack'], name = 'JobQueue') {
  const QueueUrl = queues.queues[name]?.url;
  const wanted = { QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] };
  const { Messages = [] } = await queues.client.send(new ReceiveMessageCommand(wanted));
  for (const { ReceiptHandle } of Messages) {
    await queues.client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }
  return Messages;
}

/** The event with the ids of a job that Terrakube has, and accepted just now. */
function withIds(
  text: string,
  ids: { jobId: string; stepId: string; organizationId: string; workspaceId: string },
): unknown {
  const event = JSON.parse(text);
  for (const record of event.Records) {
    const body = JSON.parse(record.body);
    const target = body.detail ?? body;
    const { jobId, stepId, organizationId, workspaceId } = ids;
    Object.assign(target, { jobId, stepId, organizationId, workspaceId });
    record.body = JSON.stringify(body);
  }
  return event;
}
