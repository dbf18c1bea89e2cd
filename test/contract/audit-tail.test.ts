// The tail of an audit log against files: what is written comes once, in batches as CloudWatch Logs packs them.
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AuditTail, type AuditTailOptions, type LogsBatch, startAuditTail } from '../../local/audit-tail.ts';
import { until } from '../support/running-stack.ts';

let folder = '';
let file = '';
let tail: AuditTail | undefined;
const batches: (readonly string[])[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tail-'));
  file = join(folder, 'audit.log');
  batches.length = 0;
  await writeFile(file, 'before\n');
});
afterEach(async () => {
  await tail?.close();
  await rm(folder, { recursive: true, force: true });
});

const linesOf = ({ awslogs: { data } }: LogsBatch): readonly string[] => {
  const { messageType, logEvents } = JSON.parse(gunzipSync(Buffer.from(data, 'base64')).toString('utf8'));
  expect(messageType).toBe('DATA_MESSAGE');
  return logEvents.map(({ message }: { message: string }) => message);
};
const start = async (options: Partial<AuditTailOptions> = {}): Promise<AuditTail> => {
  const invoke = async (batch: LogsBatch): Promise<void> => void batches.push(linesOf(batch));
  tail = await startAuditTail({ file, everyMs: Number.POSITIVE_INFINITY, retryMs: 1, invoke, ...options });
  return tail;
};

test('lines come once, and not those from before', async () => {
  const { flush } = await start();
  await appendFile(file, 'one\ntwo\n');
  await flush();
  await flush();

  expect(batches).toEqual([['one', 'two']]);
});

test('a line comes when it is at its end, also when a character of it is written in two halves', async () => {
  const { flush } = await start();
  const [head, rest] = [Buffer.from('{"name":"é').subarray(0, -1), Buffer.from('é"}\n').subarray(1)];
  await appendFile(file, head);
  await flush();
  expect(batches).toEqual([]);
  await appendFile(file, rest);
  await flush();

  expect(batches).toEqual([['{"name":"é"}']]);
});

test('a log that is begun anew is read to its end, and then from its beginning', async () => {
  const { flush } = await start();
  await appendFile(file, 'last\n');
  await rename(file, `${file}.1`);
  await writeFile(file, 'first\n');
  await flush();

  expect(batches).toEqual([['last', 'first']]);
});

test('what does not pass the filter is left out, and a batch of nothing is none', async () => {
  const { flush } = await start({ passes: (line) => line.startsWith('ours') });
  await appendFile(file, 'theirs\nours\n');
  await flush();
  await appendFile(file, 'theirs\n');
  await flush();

  expect(batches).toEqual([['ours']]);
});

test('a batch that fails comes again, three times in all', async () => {
  const { flush } = await start({
    invoke: async (batch) => {
      batches.push(linesOf(batch));
      throw new Error('no');
    },
  });
  await appendFile(file, 'one\n');
  await flush();
  await until('three attempts', () => batches.length === 3);
  await tail?.close();

  expect(batches).toEqual([['one'], ['one'], ['one']]);
});

test('by itself it looks again and again', async () => {
  await start({ everyMs: 5 });
  await appendFile(file, 'one\n');
  await until('the line', () => batches.length === 1);
  await appendFile(file, 'two\n');
  await until('the next', () => batches.length === 2);

  expect(batches).toEqual([['one'], ['two']]);
});
