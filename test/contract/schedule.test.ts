// A schedule on this machine, with Lambda's own runtime client where sandboxes matter.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadTemplate, readFunctions } from '../../local/lambda/read-template.ts';
import { createLambdaRuntime } from '../../local/lambda/runtime.ts';
import type { InvokeResult } from '../../local/lambda/sandbox.ts';
import { type Schedule, startSchedules } from '../../local/lambda/schedule.ts';
import { until } from '../support/running-stack.ts';

const EVERY_MS = 100;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'schedule-'));
  await writeFile(
    path.join(folder, 'index.cjs'),
    'exports.handler = async () => { await new Promise((done) => setTimeout(done, 60_000)); };',
  );
});
afterAll(() => rm(folder, { recursive: true }));

/** The function of template.yaml that a schedule invokes. */
async function scheduled() {
  const functions = readFunctions(await loadTemplate('template.yaml'), {
    parameters: {
      TerrakubeApiUrl: 'https://terrakube-api.example.com',
      InternalSecretId: 'internal',
      EksClusterName: 'apps',
      ExecutorEphemeralImage: 'azbuilder/executor:2.33.0',
    },
    attributes: { JobQueue: { Ref: 'http://queue' }, DeadLetterQueue: { Ref: 'http://dead-letters' } },
  });
  const found = functions.filter(({ events }) => events.some(({ kind }) => kind === 'schedule'));
  expect(found.map(({ name }) => name)).toEqual(['reconcile']);
  return { functions, one: found };
}

const closeAll = (schedules: readonly Schedule[]) => Promise.all(schedules.map((schedule) => schedule.close()));
const anEvent = {
  scheduledTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  executionId: expect.stringMatching(/^[0-9a-z]{16}$/),
  attempt: '1',
};
const done: InvokeResult = { status: 200, payload: 'null' };

describe('a schedule', () => {
  test('gives each run the event of events/reconcile.schedule.json, with its own time and id', async () => {
    const names: string[] = [];
    const events: unknown[] = [];
    const startedAt = Date.now();
    const { functions } = await scheduled();
    const invoke = async (name: string, event: unknown) => {
      names.push(name);
      events.push(event);
      return done;
    };
    const schedules = startSchedules(functions, { invoke }, { everyMs: EVERY_MS });
    await until('two runs', () => events.length >= 2);
    await closeAll(schedules);

    const example: unknown = JSON.parse(await readFile('events/reconcile.schedule.json', 'utf8'));
    for (const event of [example, ...events]) expect(event).toEqual(anEvent);
    const valuesOf = (name: string) => events.map((event) => String(Reflect.get(Object(event), name)));
    expect(new Set(names)).toEqual(new Set(['reconcile']));
    expect(new Set(valuesOf('executionId')).size).toBe(events.length);
    for (const time of valuesOf('scheduledTime')) {
      expect(Math.abs(Date.parse(time) - startedAt)).toBeLessThan(10_000);
    }
  });

  test('goes on when a run fails, and tries none of them twice', async () => {
    const ids: string[] = [];
    const { functions } = await scheduled();
    const invoke = async (_: string, event: unknown): Promise<InvokeResult> => {
      ids.push(String(Reflect.get(Object(event), 'executionId')));
      return { status: 200, functionError: 'Unhandled', payload: '{"errorType":"Error"}' };
    };
    const schedules = startSchedules(functions, { invoke }, { everyMs: EVERY_MS });
    await until('three runs', () => ids.length >= 3);
    await closeAll(schedules);
    const runs = ids.length;
    await new Promise((resolve) => setTimeout(resolve, 3 * EVERY_MS));

    expect(ids.length).toBe(runs);
    expect(new Set(ids).size).toBe(runs);
  });

  test('starts nothing when it ends before its first run', async () => {
    const { functions } = await scheduled();
    let runs = 0;
    const invoke = async () => {
      runs += 1;
      return done;
    };
    await closeAll(startSchedules(functions, { invoke }, { everyMs: EVERY_MS }));
    await new Promise((resolve) => setTimeout(resolve, 2 * EVERY_MS));

    expect(runs).toBe(0);
  });

  test('does not wait for a run before the next one, and its end does not wait either', async () => {
    const { one } = await scheduled();
    const runtime = createLambdaRuntime({
      functions: one.map((spec) => ({ ...spec, codeUri: folder, environment: {} })),
      onLog: () => undefined,
    });
    const schedules = startSchedules(one, runtime, { everyMs: EVERY_MS });
    await until('a second sandbox', () => runtime.startedSandboxes('reconcile') >= 2);
    const startedAt = performance.now();
    await closeAll(schedules);
    await runtime.close();

    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });
});
