import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLambdaRuntime, type LambdaRuntime } from '../../local/lambda/runtime.ts';
import type { InvokeResult, LambdaFunction, LogLine } from '../../local/lambda/sandbox.ts';

/** One handler per kind of behaviour; `event.sleepMs` makes any of them wait. */
const HANDLER = `
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let invocations = 0;
exports.answer = async (event) => { await pause(event.sleepMs ?? 0); return { got: event, invocation: ++invocations, pid: process.pid }; };
exports.nothing = async () => {};
exports.fail = async () => { throw new TypeError('ä bad input ☂'); };
exports.crash = async () => { process.exit(3); };
exports.block = async () => { for (;;); };
exports.log = async () => { console.log('from console'); process.stdout.write('{"own":"line"}\\n'); process.stderr.write('to stderr\\n'); };
exports.environment = async () => ({ ...process.env });
exports.context = async (event, context) => ({
  functionName: context.functionName,
  memoryLimitInMB: context.memoryLimitInMB,
  invokedFunctionArn: context.invokedFunctionArn,
  remaining: context.getRemainingTimeInMillis() > 4000 && context.getRemainingTimeInMillis() <= 5000,
});
exports.callback = (event, context, callback) => callback(null, 'old style');
`;

let folder = '';
let runtime: LambdaRuntime;
const lines: LogLine[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-runtime-'));
  await writeFile(join(folder, 'index.cjs'), HANDLER);
  await writeFile(join(folder, 'throws.cjs'), "throw new Error('no settings');");
  await writeFile(join(folder, 'exits.cjs'), 'process.exit(9);');
});
afterEach(() => runtime.close());
afterAll(() => rm(folder, { recursive: true }));

const aFunction = (handler: string, more: Partial<LambdaFunction> = {}): LambdaFunction => ({
  name: 'subject',
  codeUri: folder,
  handler,
  timeoutSeconds: 5,
  memoryMb: 512,
  environment: {},
  ...more,
});

const start = (spec: LambdaFunction) => {
  lines.length = 0;
  runtime = createLambdaRuntime({ functions: [spec], onLog: (line) => lines.push(line) });
  return (event: unknown = {}) => runtime.invoke('subject', event);
};

const failed = (payload: object) => ({ status: 200, functionError: 'Unhandled', payload });
const parsed = ({ payload, ...rest }: InvokeResult) => ({ ...rest, payload: JSON.parse(payload) });

describe('a handler that answers', () => {
  test('is given the event, and its sandbox is used again', async () => {
    const invoke = start(aFunction('index.answer'));

    const first = parsed(await invoke({ text: 'ä☂', deep: [{ a: null }] }));
    const second = parsed(await invoke({}));

    const { pid } = first.payload;
    expect(first).toEqual({ status: 200, payload: { got: { text: 'ä☂', deep: [{ a: null }] }, invocation: 1, pid } });
    expect(second).toEqual({ status: 200, payload: { got: {}, invocation: 2, pid } });
    expect(runtime.startedSandboxes('subject')).toBe(1);
  });

  test('may answer nothing', async () => {
    const invoke = start(aFunction('index.nothing'));

    expect(await invoke()).toEqual({ status: 200, payload: 'null' });
  });

  test('knows its function and its deadline', async () => {
    const invoke = start(aFunction('index.context'));

    expect(parsed(await invoke())).toEqual({
      status: 200,
      payload: {
        functionName: 'subject',
        memoryLimitInMB: '512',
        invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:subject',
        remaining: true,
      },
    });
  });

  test('has exactly the environment of Lambda and its own settings', async () => {
    vi.stubEnv('SECRET_OF_THE_HOST', 'must not leak');
    const environment = { QueueUrl: 'http://queue', Empty: '' };
    const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
    const invoke = start(aFunction('index.environment', { environment, credentials }));
    const { payload } = parsed(await invoke());
    vi.unstubAllEnvs();

    const random = { AWS_LAMBDA_RUNTIME_API: 0, AWS_LAMBDA_LOG_STREAM_NAME: 0, _X_AMZN_TRACE_ID: 0 };
    expect({ ...payload, ...random }).toEqual({
      ...random,
      PATH: process.env['PATH'],
      TZ: ':UTC',
      LANG: 'en_US.UTF-8',
      LAMBDA_TASK_ROOT: folder,
      _HANDLER: 'index.environment',
      AWS_LAMBDA_FUNCTION_NAME: 'subject',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/subject',
      AWS_LAMBDA_LOG_FORMAT: 'JSON',
      AWS_LAMBDA_LOG_LEVEL: 'INFO',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      AWS_REGION: 'eu-central-1',
      AWS_DEFAULT_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'AKIA',
      AWS_SECRET_ACCESS_KEY: 'secret',
      QueueUrl: 'http://queue',
      Empty: '',
    });
  });

  test('has its log lines passed on, those of the console as JSON', async () => {
    const invoke = start(aFunction('index.log'));
    await invoke();

    await vi.waitFor(() => expect(lines).toHaveLength(3));
    const texts = lines.map(({ functionName, line }) => `${functionName}: ${line}`);
    expect(texts).toEqual(expect.arrayContaining(['subject: {"own":"line"}', 'subject: to stderr']));
    const fromConsole = lines.map(({ line }) => line).find((line) => line.includes('from console')) ?? '';
    expect(JSON.parse(fromConsole)).toMatchObject({ level: 'INFO', message: 'from console' });
  });
});

describe('a handler that fails', () => {
  test('by throwing, is reported and keeps its sandbox', async () => {
    const invoke = start(aFunction('index.fail'));

    const result = parsed(await invoke());
    await invoke();

    const { trace } = result.payload;
    expect(result).toEqual(failed({ errorType: 'TypeError', errorMessage: 'ä bad input ☂', trace }));
    expect(runtime.startedSandboxes('subject')).toBe(1);
  });

  test('by ending its process, is reported and gets a new sandbox', async () => {
    const invoke = start(aFunction('index.crash'));

    const errorMessage = expect.stringMatching(
      /^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$/,
    );
    expect(parsed(await invoke())).toEqual(failed({ errorType: 'Runtime.ExitError', errorMessage }));
    expect(parsed(await invoke())).toEqual(failed({ errorType: 'Runtime.ExitError', errorMessage }));
    expect(runtime.startedSandboxes('subject')).toBe(2);
  });

  test('by taking too long, is killed even when it never yields', async () => {
    const invoke = start(aFunction('index.block', { timeoutSeconds: 0.3 }));

    const errorMessage = expect.stringMatching(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 0\.30 seconds$/);
    expect(parsed(await invoke())).toEqual(failed({ errorType: 'Sandbox.Timedout', errorMessage }));
    expect(parsed(await invoke())).toEqual(failed({ errorType: 'Sandbox.Timedout', errorMessage }));
    expect(runtime.startedSandboxes('subject')).toBe(2);
  });

  test.each([
    ['throws', 'throws.handler', { errorType: 'Error', errorMessage: 'no settings' }],
    ['does not exist', 'missing.handler', { errorType: 'Runtime.ImportModuleError' }],
    ['has no such export', 'index.absent', { errorType: 'Runtime.HandlerNotFound' }],
    [
      'takes a callback, which Node.js 24 no longer has',
      'index.callback',
      { errorType: 'Runtime.CallbackHandlerDeprecated' },
    ],
    ['ends', 'exits.handler', { errorType: 'Runtime.ExitError' }],
  ])('at init, because its module %s, fails each invocation in a new sandbox', async (_name, handler, error) => {
    const invoke = start(aFunction(handler));

    expect(parsed(await invoke())).toMatchObject(failed(error));
    expect(parsed(await invoke())).toMatchObject(failed(error));
    expect(runtime.startedSandboxes('subject')).toBe(2);
  });

  test('because its folder does not exist, says so', async () => {
    const invoke = start(aFunction('index.answer', { codeUri: join(folder, 'not-built') }));

    const errorMessage = expect.stringContaining('ENOENT');
    expect(parsed(await invoke())).toEqual(failed({ errorType: 'Runtime.ExitError', errorMessage }));
  });
});

describe('invocations that overlap', () => {
  test('each have a sandbox, up to the concurrency; the next one is throttled', async () => {
    const invoke = start(aFunction('index.answer', { concurrency: 3 }));

    const together = await Promise.all([1, 2, 3, 4].map((id) => invoke({ id, sleepMs: 300 })));

    const pids = together.slice(0, 3).map((result) => parsed(result).payload.pid);
    expect(new Set(pids).size).toBe(3);
    expect(together.slice(0, 3).map((result) => parsed(result).payload.got.id)).toEqual([1, 2, 3]);
    expect(together.slice(3).map(parsed)).toEqual([
      {
        status: 429,
        payload: { Reason: 'ConcurrentInvocationLimitExceeded', Type: 'User', message: 'Rate Exceeded.' },
      },
    ]);
    expect(parsed(await invoke({})).payload.invocation).toBe(2);
    expect(runtime.startedSandboxes('subject')).toBe(3);
  });

  test('end with the runtime, and no process stays behind', async () => {
    const invoke = start(aFunction('index.answer'));
    const { pid } = parsed(await invoke()).payload;

    const inFlight = invoke({ sleepMs: 4000 });
    await runtime.close();

    expect(parsed(await inFlight)).toMatchObject(failed({ errorType: 'Runtime.ExitError' }));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await invoke()).toMatchObject({ status: 500 });
  });

  test('of a function that does not exist are not found', async () => {
    start(aFunction('index.answer'));

    expect(parsed(await runtime.invoke('other', {}))).toEqual({
      status: 404,
      payload: { Type: 'User', Message: 'Function not found: other' },
    });
  });
});

test('the stand-in for the native client has the functions that the runtime client calls, and no other', async () => {
  runtime = createLambdaRuntime({ functions: [], onLog: () => {} });
  const source = await readFile(fileURLToPath(import.meta.resolve('aws-lambda-ric')), 'utf8');
  const standIn = await readFile(fileURLToPath(new URL('../../local/lambda/ric-client.cjs', import.meta.url)), 'utf8');
  const names = (text: string, pattern: RegExp) =>
    [...new Set([...text.matchAll(pattern)].map(([, name]) => name))].sort();

  expect(names(source, /nativeClient\.(\w+)\(/g)).toEqual(['done', 'error', 'next']);
  expect(names(standIn, /^exports\.(\w+) =/gm)).toEqual(['done', 'error', 'next']);
});
