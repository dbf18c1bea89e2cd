/**
 * One execution environment of a Lambda function: a process of its own that runs AWS' runtime client
 * (aws-lambda-ric) with the real bundle, and the Runtime API listener that only this process knows.
 *
 * Unlike in AWS, a sandbox is not frozen between two invocations.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type AwsCredentials, LOCAL_ACCOUNT, LOCAL_CREDENTIALS, LOCAL_REGION } from '../aws/credentials.ts';
import { listen } from './listen.ts';
import { readUsage, type Usage, type UsageReport } from './usage.ts';

/** What a sandbox must know of its function. */
export interface LambdaFunction {
  readonly name: string;
  /** Folder with the bundle; relative to the working directory, or absolute. */
  readonly codeUri: string;
  /** `<file without extension>.<export>`. */
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly environment: Readonly<Record<string, string>>;
  /** How many sandboxes may work at the same time. Default is 10. */
  readonly concurrency?: number;
  /** The session of the function's role. Default is `LOCAL_CREDENTIALS`. */
  readonly credentials?: AwsCredentials;
}

/** A line that a function wrote to stdout or stderr. */
export interface LogLine {
  readonly functionName: string;
  readonly line: string;
}

/** What Lambda's Invoke API answers. */
export interface InvokeResult {
  /** HTTP status of the Invoke API: 200 also when the function failed, 429 when it was throttled, 404. */
  readonly status: number;
  /** Present when the function failed: it threw, ended, or took too long. */
  readonly functionError?: 'Unhandled';
  /** JSON text: the handler's answer, or `{errorType, errorMessage, …}`. */
  readonly payload: string;
}

/** An execution environment that has started, or has failed to. */
export interface Sandbox {
  /** False when the process has ended or is being killed: it takes no further invocation. */
  readonly alive: boolean;
  /** Runs one invocation; only one at a time. Resolves when the runtime asks for the next one, or has ended. */
  invoke(payload: string): Promise<InvokeResult>;
  close(): Promise<void>;
}

/** What a sandbox needs besides its function. */
export interface SandboxOptions {
  readonly onLog: (line: LogLine) => void;
  /** The Node.js that runs it. Default is this process' own. */
  readonly node: string;
  /** Receives what the start and each invocation took; where there is no /proc, nothing. */
  readonly onUsage?: ((report: UsageReport) => void) | undefined;
}

/** Lambda gives 10 s to the init phase, then starts it once more within the function's time-out; here it ends. */
const INIT_LIMIT_MS = 10_000;

const RUNTIME_CLIENT = fileURLToPath(import.meta.resolve('aws-lambda-ric'));
const NATIVE_STAND_IN = fileURLToPath(new URL('./ric-client.cjs', import.meta.url));

/** Starts a process and waits until its handler is loaded, or has failed to load. */
export async function startSandbox(spec: LambdaFunction, { onLog, node, onUsage }: SandboxOptions): Promise<Sandbox> {
  const runtimeApi = new RuntimeApi(spec, onUsage);
  const address = await runtimeApi.start();
  const child = spawn(node, ['--require', NATIVE_STAND_IN, RUNTIME_CLIENT, spec.handler], {
    cwd: spec.codeUri,
    env: sandboxEnvironment(spec, address),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => onLog({ functionName: spec.name, line }));
  }
  await runtimeApi.attach(child);
  return runtimeApi;
}

/** The variables that Lambda gives to every function, and the function's own. Nothing else but `PATH` is inherited. */
function sandboxEnvironment(spec: LambdaFunction, runtimeApi: string): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = spec.credentials ?? LOCAL_CREDENTIALS;
  return {
    PATH: process.env['PATH'] ?? '',
    TZ: ':UTC',
    LANG: 'en_US.UTF-8',
    LAMBDA_TASK_ROOT: spec.codeUri,
    _HANDLER: spec.handler,
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    AWS_LAMBDA_FUNCTION_NAME: spec.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(spec.memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${spec.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: randomUUID(),
    AWS_LAMBDA_LOG_FORMAT: 'JSON',
    AWS_LAMBDA_LOG_LEVEL: 'INFO',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_REGION: LOCAL_REGION,
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
    ...spec.environment,
  };
}

interface Invocation {
  readonly id: string;
  readonly payload: string;
  readonly finish: (result: InvokeResult) => void;
  timer?: NodeJS.Timeout;
  answer?: InvokeResult;
  before?: Before | undefined;
}

/** When something began, and what the process had used until then. */
interface Before {
  readonly at: number;
  readonly used: Pick<Usage, 'cpuMs'> | undefined;
}

/** The Runtime API of one process, and with it the state of that process. */
class RuntimeApi implements Sandbox {
  alive = true;
  readonly #spec: LambdaFunction;
  readonly #onUsage: SandboxOptions['onUsage'];
  readonly #server: Server;
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #poll: ServerResponse | undefined;
  #current: Invocation | undefined;
  #initError: InvokeResult | undefined;
  #exitError = fault('Runtime.ExitError', 'the sandbox was closed');

  constructor(spec: LambdaFunction, onUsage: SandboxOptions['onUsage']) {
    this.#spec = spec;
    this.#onUsage = onUsage;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy()); // the process was killed while it spoke
    });
    // A handler may work for minutes while its connection is idle; closing that would race with its answer.
    this.#server.keepAliveTimeout = 0;
  }

  async start(): Promise<string> {
    return `127.0.0.1:${await listen(this.#server)}`;
  }

  async attach(child: ChildProcess): Promise<void> {
    this.#child = child;
    const before: Before = { at: performance.now(), used: { cpuMs: 0 } };
    child.once('error', (error) => this.#end(error.message));
    child.once('exit', (code, signal) => this.#end(signal === null ? `exit status ${code}` : `signal: ${signal}`));
    const limit = setTimeout(() => this.#initTimeOut(), INIT_LIMIT_MS);
    await this.#ready.promise;
    this.#tellUsage('init', before);
    clearTimeout(limit);
  }

  invoke(payload: string): Promise<InvokeResult> {
    if (!this.alive) {
      return Promise.resolve(this.#initError ?? this.#exitError);
    }
    const { promise, resolve } = Promise.withResolvers<InvokeResult>();
    this.#current = { id: randomUUID(), payload, finish: resolve };
    this.#deliver();
    return promise;
  }

  async close(): Promise<void> {
    this.#kill();
    await this.#exited.promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace('/2018-06-01/runtime', '');
    const body = await text(request);
    if (path === '/invocation/next') {
      this.#poll = response;
      this.#finish();
      this.#ready.resolve();
      return;
    }
    const [, id, outcome] = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    if (path === '/init/error') {
      this.#initError = { status: 200, functionError: 'Unhandled', payload: body };
    } else if (id !== undefined && id === this.#current?.id) {
      this.#current.answer = { status: 200, ...(outcome === 'error' && { functionError: 'Unhandled' }), payload: body };
    } else {
      response.writeHead(400).end('{"errorType":"InvalidRequestID","errorMessage":"no such invocation"}');
      return;
    }
    response.writeHead(202, { 'Content-Type': 'application/json' }).end('{"status":"OK"}');
  }

  #deliver(): void {
    const [invocation, poll] = [this.#current, this.#poll];
    if (!invocation || !poll) {
      return;
    }
    this.#poll = undefined;
    if (this.#onUsage) invocation.before = { at: performance.now(), used: readUsage(this.#child?.pid) };
    const timeoutMs = this.#spec.timeoutSeconds * 1000;
    invocation.timer = setTimeout(() => this.#timeOut(invocation), timeoutMs);
    poll.writeHead(200, {
      'Content-Type': 'application/json',
      'Lambda-Runtime-Aws-Request-Id': invocation.id,
      'Lambda-Runtime-Deadline-Ms': String(Date.now() + timeoutMs),
      'Lambda-Runtime-Invoked-Function-Arn': `arn:aws:lambda:${LOCAL_REGION}:${LOCAL_ACCOUNT}:function:${this.#spec.name}`,
      'Lambda-Runtime-Trace-Id': `Root=1-${invocation.id.slice(0, 8)}-${invocation.id.replaceAll('-', '').slice(0, 24)};Sampled=0`,
    });
    poll.end(invocation.payload);
  }

  #timeOut({ id }: Invocation): void {
    const message = `RequestId: ${id} Error: Task timed out after ${this.#spec.timeoutSeconds.toFixed(2)} seconds`;
    this.#kill();
    this.#finish(fault('Sandbox.Timedout', message));
  }

  #initTimeOut(): void {
    this.#initError = fault('Sandbox.Timedout', `Init timed out after ${(INIT_LIMIT_MS / 1000).toFixed(2)} seconds`);
    this.#kill();
  }

  #end(reason: string): void {
    this.alive = false;
    this.#server.close();
    this.#server.closeAllConnections();
    const id = this.#current?.id ?? 'init';
    this.#exitError = fault('Runtime.ExitError', `RequestId: ${id} Error: Runtime exited with error: ${reason}`);
    this.#finish(this.#exitError);
    this.#ready.resolve();
    this.#exited.resolve();
  }

  #finish(otherwise = fault('Runtime.Unknown', 'the runtime asked for the next event without an answer')): void {
    const invocation = this.#current;
    this.#current = undefined;
    clearTimeout(invocation?.timer);
    this.#tellUsage('invocation', invocation?.before);
    invocation?.finish(invocation.answer ?? otherwise);
  }

  #tellUsage(kind: UsageReport['kind'], before: Before | undefined): void {
    if (!this.#onUsage || !before?.used) return;
    const durationMs = performance.now() - before.at;
    const now = readUsage(this.#child?.pid);
    const functionName = this.#spec.name;
    if (now) this.#onUsage({ functionName, kind, durationMs, ...now, cpuMs: now.cpuMs - before.used.cpuMs });
  }

  #kill(): void {
    this.alive = false;
    this.#child?.kill('SIGKILL');
  }
}

function fault(errorType: string, errorMessage: string): InvokeResult {
  return { status: 200, functionError: 'Unhandled', payload: JSON.stringify({ errorType, errorMessage }) };
}
