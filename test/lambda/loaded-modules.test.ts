// What a function has loaded of Node once it has done its work: each of these costs a cold start milliseconds and
// megabytes, and a look at the source does not show it. The bundles run on their own here, since the runtime client of
// the local stack, unlike that of Lambda, loads such modules itself.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { internalSecretKey } from '../../lib/domain/internal-secret.ts';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { signDispatchToken } from '../../local/terrakube/internal-key.ts';
import { queueEvent } from '../support/queue-event.ts';
import { type RunningStack, startRunningStack, until } from '../support/running-stack.ts';

const EVENTS = path.resolve(import.meta.dirname, '../../events');
const DIST = path.resolve(import.meta.dirname, '../../dist');
const NAMES = ['intake', 'dispatch', 'job-status', 'reconcile'];
const UNWANTED = /deps\/undici|NativeModule http2$|NativeModule child_process$/;

/** Keeps the environment of each function, so that its bundle can run as in its sandbox. */
const KEEP_ENVIRONMENT = `require('node:fs').writeFileSync(
  __dirname + '/' + process.env.AWS_LAMBDA_FUNCTION_NAME + '.json',
  JSON.stringify({ ...process.env, NODE_OPTIONS: '' }),
);`;

/** Whatever starts this executor, it ends without a word, so that somebody else has to tell. */
const MUTE_EXECUTOR = [process.execPath, '-e', 'process.exit(3)'];

interface Handled {
  readonly answer: unknown;
  /** Those of Node that are loaded. */
  readonly modules: readonly string[];
}

describe('a bundle that has done its work', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'loaded-modules-'));
  let running: RunningStack;
  beforeAll(async () => {
    const hook = path.join(folder, 'hook.cjs');
    writeFileSync(hook, KEEP_ENVIRONMENT);
    running = await startRunningStack({
      pollers: false,
      executor: MUTE_EXECUTOR,
      functionSettings: { NODE_OPTIONS: `--require=${hook}`, WatchWhenIdle: 'false' },
    });
    // The sandbox need not be able to do anything with it.
    for (const name of NAMES) await running.stack.lambda.invoke(name, {});
  });
  afterAll(async () => {
    await running.stack.close();
    rmSync(folder, { recursive: true });
  });

  /** Handles one event in a process of its own. */
  async function handled(name: string, event: unknown): Promise<Handled> {
    const env: NodeJS.ProcessEnv = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8'));
    const script = `
      const { handler } = require(${JSON.stringify(path.join(DIST, name, 'index.cjs'))});
      handler(${JSON.stringify(event)}, { awsRequestId: 'request-1' }).then((answer) => {
        console.log(JSON.stringify({ answer, modules: process.moduleLoadList }));
        process.exit();
      });`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { env });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  }

  const isLean = ({ modules }: Handled): void => {
    expect(modules).toContain('NativeModule https');
    expect(modules.filter((module) => UNWANTED.test(module))).toEqual([]);
  };

  /** A step that dispatch has made a Job for. */
  async function dispatched(): Promise<Handled & { readonly jobId: string; readonly name: string }> {
    const { payload } = await catchDispatch(running.stack, { steps: [{ type: 'terraformPlan' }] });
    const { jobId }: { readonly jobId: string } = JSON.parse(payload.toString('utf8'));
    const done = await handled('dispatch', queueEvent({ body: payload.toString('utf8') }));
    const { items } = await running.kubernetes.batch.listNamespacedJob({ namespace: 'terrakube' });
    const job = items.find(({ metadata }) => metadata?.labels?.['terrakube.io/job'] === jobId);
    return { ...done, jobId, name: job?.metadata?.name ?? 'none' };
  }

  /** A step whose executor has ended without a word. */
  async function failed(): Promise<{ readonly jobId: string; readonly name: string }> {
    const { jobId, name } = await dispatched();
    await until('the Job to fail', async () => {
      const { status } = await running.kubernetes.batch.readNamespacedJob({ namespace: 'terrakube', name });
      return status?.conditions?.some(({ type }) => type === 'Failed') ?? false;
    });
    expect(running.stack.terrakube.job(jobId).status).toBe('queue');
    return { jobId, name };
  }

  const isTold = (jobId: string): void => {
    expect(running.stack.terrakube.job(jobId)).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  };

  test('has loaded no undici, http2 or child_process: dispatch, with a Job and its Secret', async () => {
    const { name, ...done } = await dispatched();

    expect(done.answer).toEqual({ batchItemFailures: [] });
    const secret = await running.kubernetes.core.readNamespacedSecret({ namespace: 'terrakube', name });
    expect(secret.metadata?.name).toBe(name);
    isLean(done);
  });

  test('has loaded no undici, http2 or child_process: intake, with a message', async () => {
    const secret = internalSecretKey(running.stack.internalSecret);
    if ('problem' in secret) throw new Error(secret.problem);
    const text = readFileSync(path.join(EVENTS, 'intake.rest-api.json'), 'utf8');
    const token = await signDispatchToken({ bytes: secret.key, algorithm: 'HS256' });

    const done = await handled('intake', JSON.parse(text.replace('<JWT>', token)));

    expect(done.answer).toEqual({ statusCode: 202, body: '' });
    isLean(done);
  });

  test('has loaded no undici, http2 or child_process: job-status, with a failure that it has told', async () => {
    const { jobId, name } = await failed();

    const done = await handled('job-status', {
      'detail-type': 'Kubernetes Job Name',
      detail: { namespace: 'terrakube', name },
    });

    isTold(jobId);
    isLean(done);
  });

  test('has loaded no undici, http2 or child_process: reconcile, with a failure that it has told', async () => {
    const { jobId } = await failed();

    const done = await handled(
      'reconcile',
      JSON.parse(readFileSync(path.join(EVENTS, 'reconcile.schedule.json'), 'utf8')),
    );

    isTold(jobId);
    isLean(done);
  });
});
