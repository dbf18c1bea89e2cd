import type { Context } from 'aws-lambda';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { seconds } from '../../lib/domain/time.ts';
import { createDoor, errorFields } from '../../lib/door.ts';

describe('what may be logged about an error', () => {
  test('of ours: its code and its message', () => {
    expect(errorFields(new DispatcherError('queueUnavailable', 'SQS does not take the message.'))).toEqual({
      code: 'queueUnavailable',
      reason: 'SQS does not take the message.',
    });
  });

  test('of ours with a status: that, too, and nothing of its cause', () => {
    const cause = new Error('Bearer eyJ.secret');
    const error = new DispatcherError('terrakubeRefused', 'Terrakube answered 423.', {
      status: 423,
      retryAfterSeconds: seconds(1),
      cause,
    });
    expect(errorFields(error)).toEqual({ code: 'terrakubeRefused', reason: 'Terrakube answered 423.', status: 423 });
  });

  test('of others: the name and the places, never the message, also when it goes over lines', () => {
    const error = new TypeError('bad {"accessToken":"ghp_secret"}\nsecond line ghp_secret\nthird');
    const fields = errorFields(error);
    expect(fields).toEqual({
      code: 'unexpected',
      reason: 'TypeError',
      stack: expect.stringMatching(/^ {4}at .*door\.test\.ts/),
    });
    expect(JSON.stringify(fields)).not.toContain('secret');
  });

  test('of others: no line of the message that looks like a place', () => {
    const fields = errorFields(new Error('bad value\n    at ghp_secret (/x.ts:1:1)\nat ghp_secret $& $1'));
    expect(fields.stack).toMatch(/^ {4}at .*door\.test\.ts/);
    expect(fields.stack).not.toContain('ghp_secret');
  });

  test('of others: at most eight places', () => {
    const error = new Error('x');
    error.stack = `Error: x\n${Array.from({ length: 20 }, (_, line) => `    at place${line}`).join('\n')}`;
    expect(errorFields(error).stack?.split('\n')).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((line) => `    at place${line}`),
    );
  });

  test('of others without a stack', () => {
    const error = new RangeError('ghp_secret');
    delete error.stack;
    expect(errorFields(error)).toEqual({ code: 'unexpected', reason: 'RangeError', stack: '' });
  });

  test.each([undefined, null, 'ghp_secret', 7, { message: 'ghp_secret' }])(
    'of what is no error: nothing (%j)',
    (thrown) => {
      expect(errorFields(thrown)).toEqual({ code: 'unexpected' });
    },
  );
});

describe('a door', () => {
  const context: Context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'dispatch',
    functionVersion: '1',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:dispatch',
    memoryLimitInMB: '256',
    awsRequestId: 'request-1',
    logGroupName: 'group',
    logStreamName: 'stream',
    getRemainingTimeInMillis: () => 1000,
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
  };

  /** Calls a door and gives what it wrote, as JSON lines. */
  async function written(handle: Parameters<typeof createDoor<unknown>>[1], event: unknown = {}) {
    vi.stubEnv('POWERTOOLS_DEV', 'true');
    const lines: string[] = [];
    const write = (line: unknown): void => void lines.push(String(line));
    for (const level of ['info', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(write);
    const result = await createDoor('dispatch', handle)(event, context).catch((error: unknown) => error);
    return { result, text: lines.join('\n'), lines: lines.map((line): unknown => JSON.parse(line)) };
  }

  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  test('gives the answer, and its lines carry the id of the request', async () => {
    const { result, lines } = await written(async (event, log) => {
      log.info('dispatch settled', { outcome: 'created', jobName: 'job-1-abc' });
      return event;
    }, 'the event');
    expect(result).toBe('the event');
    expect(lines).toMatchObject([
      {
        level: 'INFO',
        message: 'dispatch settled',
        service: 'dispatch',
        outcome: 'created',
        jobName: 'job-1-abc',
        function_request_id: 'request-1',
      },
    ]);
  });

  test('never writes the event, also when the environment asks for it', async () => {
    vi.stubEnv('POWERTOOLS_LOGGER_LOG_EVENT', 'true');
    const { text } = await written(async (_, log) => log.info('dispatch settled'), { body: 'ghp_secret' });
    expect(text).toContain('dispatch settled');
    expect(text).not.toContain('ghp_secret');
  });

  test('writes one line about an error that nobody caught, and hands it on', async () => {
    const { result, lines, text } = await written(() => Promise.reject(new TypeError('ghp_secret')));
    expect(result).toBeInstanceOf(TypeError);
    expect(lines).toMatchObject([
      { level: 'ERROR', message: 'invocation failed', code: 'unexpected', reason: 'TypeError' },
    ]);
    expect(text).not.toContain('ghp_secret');
  });
});
