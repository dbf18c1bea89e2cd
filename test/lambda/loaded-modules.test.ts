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
import { type RunningStack, startRunningStack } from '../support/running-stack.ts';

const EVENTS = path.resolve(import.meta.dirname, '../../events');
const DIST = path.resolve(import.meta.dirname, '../../dist');
const UNWANTED = /deps\/undici|NativeModule http2$|NativeModule child_process$/;

/** Keeps the environment of each function, so that its bundle can run as in its sandbox. */
const KEEP_ENVIRONMENT = `require('node:fs').writeFileSync(
  __dirname + '/' + process.env.AWS_LAMBDA_FUNCTION_NAME + '.json',
  JSON.stringify({ ...process.env, NODE_OPTIONS: '' }),
);`;

describe('a bundle that has done its work', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'loaded-modules-'));
  let running: RunningStack;
  beforeAll(async () => {
    const hook = path.join(folder, 'hook.cjs');
    writeFileSync(hook, KEEP_ENVIRONMENT);
    running = await startRunningStack({
      pollers: false,
      functionSettings: { NODE_OPTIONS: `--require=${hook}`, WatchWhenIdle: 'false' },
    });
  });
  afterAll(async () => {
    await running.stack.close();
    rmSync(folder, { recursive: true });
  });

  /** Handles one event in a process of its own. @returns the answer, and the modules of Node that are loaded then. */
  async function handled(name: string, event: unknown): Promise<{ answer: unknown; modules: readonly string[] }> {
    // The sandbox need not be able to do anything with it.
    await running.stack.lambda.invoke(name, {});
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

  /** An event of intake that goes on to the queue. */
  async function signedIn(): Promise<unknown> {
    const secret = internalSecretKey(running.stack.internalSecret);
    if ('problem' in secret) throw new Error(secret.problem);
    const text = readFileSync(path.join(EVENTS, 'intake.rest-api.json'), 'utf8');
    return JSON.parse(text.replace('<JWT>', await signDispatchToken({ bytes: secret.key, algorithm: 'HS256' })));
  }

  test.each([
    [
      'dispatch',
      async () =>
        queueEvent({
          body: (await catchDispatch(running.stack, { steps: [{ type: 'terraformPlan' }] })).payload.toString('utf8'),
        }),
      { batchItemFailures: [] },
    ],
    ['intake', signedIn, { statusCode: 202, body: '' }],
    [
      'job-status',
      async () => ({
        'detail-type': 'Kubernetes Job Name',
        detail: { namespace: 'terrakube', name: 'job-1-09c9bacf25' },
      }),
      undefined,
    ],
    [
      'reconcile',
      async () => JSON.parse(readFileSync(path.join(EVENTS, 'reconcile.schedule.json'), 'utf8')),
      undefined,
    ],
  ])('has loaded no undici, http2 or child_process: %s', async (name, makeEvent, expected) => {
    const { answer, modules } = await handled(name, await makeEvent());

    expect(answer).toEqual(expected);
    expect(modules).toContain('NativeModule https');
    expect(modules.filter((module) => UNWANTED.test(module))).toEqual([]);
  });
});
