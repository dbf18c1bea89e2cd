// The date of a job's last change in the stand-in Terrakube: what moves it and what does not, as recorded.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ACCEPTED, answer } from '../support/dispatch-sink.ts';
import { HELLO, startTerrakubeBench, type TerrakubeBench, until } from '../support/terrakube-bench.ts';

const START = Date.UTC(2026, 10, 24, 18, 51, 20);
const MINUTE = 60_000;
const BEFORE = '2026-11-24T18:51Z';
const AFTER = '2026-11-24T18:53Z';

let bench: TerrakubeBench;
let jobId: string;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: START });
  bench = await startTerrakubeBench({ resendAfterMs: 3_600_000, sweep: { graceMs: 3 * MINUTE, everyMs: 5 } });
  jobId = bench.terrakube.createJob({ steps: HELLO }).jobId;
  await bench.untilStatus(jobId, 'queue');
  await bench.patchJob(jobId, { comments: 'first' });
  vi.setSystemTime(START + 2 * MINUTE);
});
afterEach(async () => {
  await bench.close();
  vi.useRealTimers();
});

/** Date and status of the one job in a list. */
async function listed(of: TerrakubeBench = bench): Promise<unknown> {
  const { body } = await of.get('/api/v1/step?include=job&fields[step]=status,job&fields[job]=status,updatedDate');
  return Object(body).included[0].attributes;
}

describe('the date of a job', () => {
  test.for([
    ['a comment with another text', { comments: 'second' }, { status: 'queue', updatedDate: AFTER }],
    ['another output', { output: 'said' }, { status: 'queue', updatedDate: AFTER }],
    ['another status', { status: 'running' }, { status: 'running', updatedDate: AFTER }],
    ['the same comment', { comments: 'first' }, { status: 'queue', updatedDate: BEFORE }],
    ['the same status', { status: 'queue' }, { status: 'queue', updatedDate: BEFORE }],
  ] as const)('after %s', async ([, attributes, seen]) => {
    expect((await bench.patchJob(jobId, attributes)).status).toBe(204);
    expect(await listed()).toEqual(seen);
  });

  test('stays when a step changes', async () => {
    await bench.patchStep(jobId, { status: 'running', name: 'another name', output: 'said' });
    expect(await listed()).toEqual({ status: 'queue', updatedDate: BEFORE });
  });

  test('stays when Terrakube fails the job that nobody has touched for too long', async () => {
    vi.setSystemTime(START + 4 * MINUTE);
    await bench.untilStatus(jobId, 'failed');
    expect(await listed()).toEqual({ status: 'failed', updatedDate: BEFORE });
  });

  test('stays while its dispatch is put off, and moves when that is accepted', async () => {
    const putOff = await startTerrakubeBench({ resendAfterMs: 20 });
    putOff.sink.answerWith(answer(503));
    const { jobId: waiting } = putOff.terrakube.createJob({ steps: HELLO });
    await putOff.untilPosts(1);
    await until(() => expect(putOff.terrakube.job(waiting).steps).toHaveLength(1));
    vi.setSystemTime(START + 4 * MINUTE);
    await putOff.untilPosts(3);
    expect(await listed(putOff)).toEqual({ status: 'pending', updatedDate: AFTER });
    putOff.sink.answerWith(ACCEPTED);
    await putOff.untilStatus(waiting, 'queue');
    expect(await listed(putOff)).toEqual({ status: 'queue', updatedDate: '2026-11-24T18:55Z' });
    await putOff.close();
  });
});
