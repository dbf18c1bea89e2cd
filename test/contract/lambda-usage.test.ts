// What a sandbox says that an invocation took, as Lambda's own report does.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLambdaRuntime } from '../../local/lambda/runtime.ts';
import { readUsage, type UsageReport } from '../../local/lambda/usage.ts';

const HANDLER = `
const kept = [];
exports.handler = async ({ computeMs = 0, sleepMs = 0, holdMb = 0 }) => {
  kept.push(Buffer.alloc(holdMb * 2 ** 20, 1));
  const until = process.cpuUsage().user / 1000 + computeMs;
  while (process.cpuUsage().user / 1000 < until);
  await new Promise((resolve) => setTimeout(resolve, sleepMs));
};
exports.crash = async () => process.exit(3);
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-usage-'));
  await writeFile(join(folder, 'index.cjs'), HANDLER);
});
afterAll(() => rm(folder, { recursive: true }));

async function usageOf(handler: string, ...events: readonly object[]): Promise<readonly UsageReport[]> {
  const reports: UsageReport[] = [];
  const spec = { name: 'subject', codeUri: folder, handler, timeoutSeconds: 10, memoryMb: 512, environment: {} };
  const runtime = createLambdaRuntime({ functions: [spec], onLog: () => {}, onUsage: (one) => reports.push(one) });
  try {
    for (const event of events) await runtime.invoke('subject', event);
  } finally {
    await runtime.close();
  }
  return reports;
}

test('tells the start of a sandbox, then each invocation: waiting is no computing', async () => {
  const [init, first, waiting, computing] = await usageOf('index.handler', {}, { sleepMs: 300 }, { computeMs: 300 });

  expect([init, first, waiting, computing].map((report) => report?.kind)).toEqual([
    'init',
    'invocation',
    'invocation',
    'invocation',
  ]);
  expect(init?.cpuMs).toBeGreaterThan(10);
  expect(waiting?.durationMs).toBeGreaterThanOrEqual(295);
  expect(waiting?.cpuMs).toBeLessThan(150);
  expect(computing?.cpuMs).toBeGreaterThan(250);
});

test('tells the most memory that the process has held', async () => {
  const [, small, large] = await usageOf('index.handler', {}, { holdMb: 100 });
  expect((large?.peakMb ?? 0) - (small?.peakMb ?? 0)).toBeGreaterThan(80);
});

test('tells nothing of an invocation that ended its process', async () => {
  expect((await usageOf('index.crash', {})).map(({ kind }) => kind)).toEqual(['init']);
});

test('knows nothing of a process that is not there', () => {
  expect(readUsage(undefined)).toBeUndefined();
  expect(readUsage(2 ** 30)).toBeUndefined();
});
