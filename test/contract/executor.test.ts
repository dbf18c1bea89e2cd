import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jwtVerify } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import {
  isObject,
  type Json,
  type JsonObject,
  listAt,
  mergePatch,
  numberAt,
  objectAt,
  textAt,
} from '../../local/json.ts';

const script = fileURLToPath(new URL('../../local/executor.ts', import.meta.url));
const secret = randomBytes(32).toString('base64url');

/** What the executor asked for, in the form that recordings have, too. */
interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: Json;
}

interface Recording {
  readonly payload: JsonObject;
  readonly requests: readonly Exchange[];
  readonly answers: readonly { readonly status: number; readonly body: Json }[];
}

function recordingOf(file: string): Recording {
  const path = new URL(`../fixtures/terrakube/${file}.json`, import.meta.url);
  const recording: Json = JSON.parse(readFileSync(path, 'utf8'));
  const exchanges = listAt(recording, 'exchanges');
  const paths = exchanges.map((exchange) => textAt(exchange, 'request', 'path') ?? '').join(' ');
  return {
    payload: {
      organizationId: /organization\/([^/]+)/.exec(paths)?.[1] ?? '',
      workspaceId: randomUUID(),
      jobId: /job\/(\d+)/.exec(paths)?.[1] ?? '',
      stepId: /step\/([\w-]+)/.exec(paths)?.[1] ?? randomUUID(),
      type: 'customScripts',
      ...objectAt(recording, 'dispatch'),
    },
    requests: exchanges.map((exchange) => ({
      method: textAt(exchange, 'request', 'method') ?? '',
      path: textAt(exchange, 'request', 'path') ?? '',
      contentType: textAt(exchange, 'request', 'headers', 'content-type'),
      body: withoutCommit(objectAt(exchange, 'request')['body'] ?? ''),
    })),
    answers: exchanges.map((exchange) => ({
      status: numberAt(exchange, 'response', 'status') ?? 0,
      body: objectAt(exchange, 'response')['body'] ?? '',
    })),
  };
}

/** The commit depends on the repository; only its place counts. */
function withoutCommit(body: Json): Json {
  const commitId = textAt(body, 'data', 'attributes', 'commitId');
  return commitId === undefined ? body : mergePatch(body, { data: { attributes: { commitId: '<commit>' } } });
}

/** A Terrakube that gives the recorded answers, one after the other, whatever it is asked. */
async function replay(
  recording: Recording,
): Promise<{ url: string; seen: Exchange[]; tokens: string[]; close(): void }> {
  const seen: Exchange[] = [];
  const tokens: string[] = [];
  const server = createServer(async (request, response) => {
    const text = await textOf(request);
    tokens.push(request.headers.authorization ?? '');
    if (request.url === '/logs') return response.writeHead(200).end();
    const answer = recording.answers[seen.length] ?? { status: 500, body: '' };
    seen.push({
      method: request.method ?? '',
      path: request.url ?? '',
      contentType: request.headers['content-type'],
      body: withoutCommit(text === '' ? '' : JSON.parse(text)),
    });
    return response.writeHead(answer.status).end(isObject(answer.body) ? JSON.stringify(answer.body) : answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = isObjectWithPort(address) ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, seen, tokens, close: () => server.close() };
}

function isObjectWithPort(address: unknown): address is { port: number } {
  return typeof address === 'object' && address !== null && 'port' in address;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Whatever a test that failed has left. */
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts the executor as a kubelet would: only its own environment. */
function start(
  apiUrl: string,
  env: Record<string, string>,
): { child: ChildProcess; exit: Promise<number | null>; output(): string } {
  const child = spawn(process.execPath, [script], {
    env: {
      PATH: process.env['PATH'] ?? '',
      EphemeralFlagBatch: 'true',
      AzBuilderApiUrl: apiUrl,
      TerrakubeApiUrl: 'http://127.0.0.1:58080',
      InternalSecret: secret,
      DEMO_WORK_MS: '20',
      ...env,
    },
  });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const exit = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      children.delete(child);
      resolve(code);
    });
  });
  return { child, exit, output: () => output };
}

function encoded(payload: JsonObject): string {
  return Buffer.from(JSON.stringify(payload)).toString('base64');
}

describe.concurrent('the demo executor', () => {
  test.each(['executor_job_rejected', 'executor_job_cancelled', 'executor_failed_midrun'])(
    'asks and tells Terrakube what the real one did (%s)',
    async (file) => {
      const recording = recordingOf(file);
      const terrakube = await replay(recording);
      const run = start(terrakube.url, { EphemeralJobData: encoded(recording.payload) });
      const code = await run.exit;
      terrakube.close();
      expect({ code, seen: terrakube.seen }).toEqual({ code: 0, seen: recording.requests });
    },
  );

  test('reads its payload from a configtree, signs in as Terrakube wants it, and prints no secret', async () => {
    const recording = recordingOf('executor_configtree_ok');
    const terrakube = await replay(recording);
    const folder = mkdtempSync(join(tmpdir(), 'configtree-'));
    writeFileSync(join(folder, 'EphemeralJobData'), encoded(recording.payload));
    const run = start(terrakube.url, { SPRING_CONFIG_IMPORT: `configtree:${folder}/` });
    const code = await run.exit;
    terrakube.close();
    rmSync(folder, { recursive: true });

    expect({ code, seen: terrakube.seen }).toEqual({ code: 0, seen: recording.requests });
    const [token = ''] = new Set(terrakube.tokens);
    const key = Buffer.from(secret, 'base64url');
    const options = { issuer: 'TerrakubeInternal', audience: 'TerrakubeInternal', algorithms: ['HS256'] };
    await expect(jwtVerify(token.replace('Bearer ', ''), key, options)).resolves.toBeDefined();
    expect(run.output()).not.toContain(secret);
    expect(run.output()).not.toContain(token.replace('Bearer ', ''));
  });

  test('leaves the status of a job alone that was cancelled while it worked', async () => {
    const recorded = recordingOf('executor_configtree_ok');
    const cancelled = mergePatch(recorded.answers[3]?.body, { data: { attributes: { status: 'cancelled' } } });
    const answers = recorded.answers.map((answer, i) => (i === 3 ? { ...answer, body: cancelled } : answer));
    const terrakube = await replay({ ...recorded, answers });
    const code = await start(terrakube.url, { EphemeralJobData: encoded(recorded.payload) }).exit;
    terrakube.close();
    expect({ code, seen: terrakube.seen }).toEqual({ code: 0, seen: recorded.requests.slice(0, 5) });
  });

  test('fails step and job when it is told to stop, and exits with 143', async () => {
    const recording = recordingOf('executor_sigterm_phase2s');
    const terrakube = await replay(recording);
    const run = start(terrakube.url, { EphemeralJobData: encoded(recording.payload), DEMO_WORK_MS: '60000' });
    await expect.poll(() => terrakube.seen.length, { timeout: 5000 }).toBe(3);
    run.child.kill('SIGTERM');
    const code = await run.exit;
    terrakube.close();
    expect({ code, seen: terrakube.seen }).toEqual({ code: 143, seen: recording.requests });
  });

  test('ends early in its boot without a word when it is told to stop, and exits with 143', async () => {
    const recording = recordingOf('executor_configtree_ok');
    const terrakube = await replay(recording);
    const boot = { DEMO_BOOT_MS: '60000', DEMO_BOOT_HEEDS_MS: '60000' };
    const run = start(terrakube.url, { EphemeralJobData: encoded(recording.payload), ...boot });
    await expect.poll(run.output, { timeout: 5000 }).toContain('Booting');
    run.child.kill('SIGTERM');
    const code = await run.exit;
    terrakube.close();
    expect({ code, seen: terrakube.seen }).toEqual({ code: 143, seen: [] });
  });

  test('does its step all the same when it is told to stop late in its boot, and exits with 143', async () => {
    const recording = recordingOf('executor_configtree_ok');
    const terrakube = await replay(recording);
    const boot = { DEMO_BOOT_MS: '2000', DEMO_BOOT_HEEDS_MS: '0' };
    const run = start(terrakube.url, { EphemeralJobData: encoded(recording.payload), ...boot });
    await expect.poll(run.output, { timeout: 5000 }).toContain('Booting');
    run.child.kill('SIGTERM');
    const code = await run.exit;
    terrakube.close();
    expect({ code, seen: terrakube.seen }).toEqual({ code: 143, seen: recording.requests });
  });

  test('tries twice three times when Terrakube does not know it, and exits with 0', async () => {
    const recording = recordingOf('executor_api_401');
    const terrakube = await replay(recording);
    const code = await start(terrakube.url, { EphemeralJobData: encoded(recording.payload) }).exit;
    terrakube.close();
    expect({ code, seen: terrakube.seen }).toEqual({ code: 0, seen: recording.requests });
  });

  test.each([
    ['the folder of its configtree is missing', { SPRING_CONFIG_IMPORT: 'configtree:/no/such/folder/' }],
    ['its payload is not one line of base64', { EphemeralJobData: 'e30\n=' }],
  ])('exits with 1 when %s', async (_, env) => {
    const run = start('http://127.0.0.1:9', env);
    expect(await run.exit).toBe(1);
  });

  test.each([
    ['an empty variable, although a tree has one', { EphemeralJobData: '' }],
    ['an optional tree that is missing', { SPRING_CONFIG_IMPORT: 'optional:configtree:/no/such/folder/' }],
    ['something else than a payload', { EphemeralJobData: encoded({ hello: 'world' }) }],
  ])('waits for ever with %s', async (_, env) => {
    const folder = mkdtempSync(join(tmpdir(), 'configtree-'));
    writeFileSync(join(folder, 'EphemeralJobData'), encoded(recordingOf('executor_configtree_ok').payload));
    const terrakube = await replay(recordingOf('executor_configtree_ok'));
    const run = start(terrakube.url, { SPRING_CONFIG_IMPORT: `configtree:${folder}/`, ...env });
    await expect.poll(run.output, { timeout: 5000 }).toContain('Waiting for nothing.');
    const ended = await Promise.race([run.exit, new Promise((resolve) => setTimeout(() => resolve('alive'), 200))]);
    run.child.kill('SIGKILL');
    await run.exit;
    terrakube.close();
    rmSync(folder, { recursive: true });
    expect({ ended, seen: terrakube.seen }).toEqual({ ended: 'alive', seen: [] });
  });
});
