import { afterEach, describe, expect, test, vi } from 'vitest';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import type { SecretSource } from '../../lib/ports.ts';
import { kubernetesJob, PAYLOAD_SECRETS } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { endedJob, podOf, running } from '../support/observe-world.ts';
import {
  type Fault,
  type ObservedTerrakube,
  type ObservedTerrakubeOptions,
  OF,
  OTHER_SECRET,
  replyOf,
  startObservedTerrakube,
  withSecrets,
} from '../support/observed-terrakube.ts';
import type { Reply } from '../support/scripted-server.ts';
import { INTERNAL_SECRET } from '../support/terrakube-bench.ts';

// Silence is waited for, on a machine that may be busy.
vi.setConfig({ testTimeout: 20_000 });

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Starts a world that is closed after the test. */
async function start(options?: ObservedTerrakubeOptions): Promise<ObservedTerrakube> {
  const bench = await startObservedTerrakube(options);
  closing.push(bench.close);
  return bench;
}

const stepOf = ({ written }: ObservedTerrakube) => written.get(OF.stepId);
const jobOf = ({ written }: ObservedTerrakube) => written.get(OF.jobId);
const lastLine = ({ log }: ObservedTerrakube) => log.lines.at(-1);

/** Step and job are told, and every word that was written is the same as without a fault. */
async function expectTold(bench: ObservedTerrakube): Promise<void> {
  const whole = await start();
  expect(await whole.look()).toBe(0);
  expect({ step: stepOf(bench), job: jobOf(bench) }).toEqual({ step: stepOf(whole), job: jobOf(whole) });
  expect(jobOf(bench)?.['status']).toBe('failed');
}

function expectNoLeak(bench: ObservedTerrakube): void {
  const tokens = bench.seen.map(({ headers }) => headers.authorization?.replace('Bearer ', '') ?? '');
  const secrets = [...PAYLOAD_SECRETS, INTERNAL_SECRET, OTHER_SECRET, ...tokens.filter((token) => token !== '')];
  expect(leaksIn([bench.log.lines, ...bench.errors], secrets)).toEqual([]);
  for (const error of bench.errors) expect(leaksIn(error, secrets)).toEqual([]);
  expect(
    leaksIn(
      bench.seen.map(({ path, body }) => ({ path, body })),
      secrets,
    ),
  ).toEqual([]);
}

describe('what is said to a Terrakube that answers', () => {
  test('is the log, the step and the job, each once', async () => {
    const bench = await start();
    expect(await bench.look()).toBe(0);
    expect(bench.writes).toEqual(['POST /logs', 'PATCH step', 'PATCH job']);
    expect(stepOf(bench)).toMatchObject({ status: 'failed', name: expect.stringContaining('out of memory') });
    expect(lastLine(bench)).toMatchObject({ level: 'info', message: 'job observed', outcome: 'failed: outOfMemory' });
    expect(await bench.look()).toBe(0);
    expect(bench.writes).toHaveLength(3);
    expectNoLeak(bench);
  });
});

describe('a job that is gone', () => {
  const GONE: Fault = { call: /GET job/, reply: replyOf('get_job_404'), times: 9 };
  const pods = [podOf({ of: OF, status: running() })];

  test('has its running plan stopped, without a word that nobody could read', async () => {
    const job = { ...kubernetesJob({ of: OF }), status: { active: 1, ready: 1 } };
    const bench = await start({ job, pods, faults: [GONE] });
    expect(await bench.look()).toBe(0);
    expect(bench.world.store.allJobs().map(readVerdict)).toMatchObject([{ action: 'cancel' }]);
    expect(bench.writes).toEqual([]);
    expectNoLeak(bench);
  });

  test('needs nothing of a Job that has ended', async () => {
    const bench = await start({ faults: [GONE] });
    expect(await bench.look()).toBe(0);
    expect(lastLine(bench)).toMatchObject({ reason: 'row 37: leave, none' });
    expect([bench.writes, bench.world.writes]).toEqual([[], []]);
  });

  test.each([
    ['an unknown organization', replyOf('get_job_org_404')],
    ['a proxy', { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>Not Found</html>' }],
  ])('is not what a 404 of %s means', async (_, reply) => {
    const job = { ...kubernetesJob({ of: OF }), status: { active: 1, ready: 1 } };
    const bench = await start({ job, pods, faults: [{ call: /GET job/, reply }] });
    expect(await bench.look()).toBe(1);
    expect(lastLine(bench)).toMatchObject({ level: 'error', code: 'terrakubeRefused', status: 404 });
    expect([bench.writes, bench.world.writes]).toEqual([[], []]);
  });

  test('between two writes ends the tell, and the next look has nothing to do', async () => {
    const bench = await start({ faults: [{ call: /PATCH step/, reply: replyOf('patch_step_404') }] });
    expect(await bench.look()).toBe(1);
    expect(lastLine(bench)).toMatchObject({ code: 'terrakubeRefused', status: 404 });
    expect(bench.writes).toEqual(['POST /logs']);
  });
});

/** An answer that quotes what it was sent, and more. */
const QUOTING: Reply = { status: 500, body: { message: [...PAYLOAD_SECRETS, INTERNAL_SECRET].join(' ') } };
const REFUSALS: readonly (readonly [string, Reply, object])[] = [
  ['400', replyOf('patch_malformed'), { code: 'terrakubeRefused', status: 400 }],
  ['423, too long', replyOf('patch_step_name_too_long'), { code: 'terrakubeRefused', status: 423 }],
  ['401', replyOf('patch_expired_token'), { code: 'terrakubeRefused', status: 401 }],
  ['500 with secrets in it', QUOTING, { code: 'terrakubeUnavailable', status: 500 }],
  ['429', { status: 429 }, { code: 'terrakubeUnavailable', status: 429 }],
  ['silence', 'silence', { code: 'terrakubeUnavailable' }],
];

describe.each(REFUSALS)('a Terrakube that answers %s', (_, reply, fields) => {
  test.each([
    ['to the first read', /GET job/, []],
    ['to the log', /POST .logs/, []],
    ['to the step', /PATCH step/, ['POST /logs']],
    ['to the job', /PATCH job/, ['POST /logs', 'PATCH step']],
  ])('%s: the look fails, and the next one ends what is left', async (_where, call, before) => {
    const bench = await start({ faults: [{ call, reply }] });
    expect(await bench.look()).toBe(1);
    expect(lastLine(bench)).toMatchObject({ level: 'error', message: 'job not observed', ...fields });
    expect(bench.writes).toEqual(before);
    bench.world.clock.advance(1000);
    expect(await bench.look()).toBe(0);
    await expectTold(bench);
    expect(bench.writes.filter((write) => write === 'PATCH step')).toHaveLength(1);
    expectNoLeak(bench);
  });
});

describe('an answer that is lost after the write was made', () => {
  test.each([
    ['to the log', /POST .logs/],
    ['to the step', /PATCH step/],
    ['to the job', /PATCH job/],
  ])('%s: nothing is written with other words', async (_, call) => {
    const bench = await start({ faults: [{ call, reply: 'silence', isDone: true }] });
    expect(await bench.look()).toBe(1);
    bench.world.clock.advance(1000);
    expect(await bench.look()).toBe(0);
    await expectTold(bench);
    expect(bench.writes.filter((write) => write === 'PATCH step')).toHaveLength(1);
    expect(bench.writes.filter((write) => write === 'PATCH job')).toHaveLength(1);
    expect(bench.writes.filter((write) => write === 'POST /logs').length).toBeLessThanOrEqual(2);
  });
});

describe('a secret that was rotated', () => {
  test('is read again within the call, and nothing is lost', async () => {
    let value = INTERNAL_SECRET;
    const secret: SecretSource = {
      get: async () => value,
      refresh: async () => {
        value = OTHER_SECRET;
        return value;
      },
    };
    const bench = await start({ secret, faults: [{ call: /PATCH step/, reply: replyOf('patch_expired_token') }] });
    expect(await bench.look()).toBe(0);
    await expectTold(bench);
    expect(bench.writes).toEqual(['POST /logs', 'PATCH step', 'PATCH job']);
    expectNoLeak(bench);
  });
});

describe('a Job that is gone while Terrakube fails', () => {
  const final = withSecrets(endedJob({ of: OF, ended: 'Failed' }));

  test('is told about within the same look', async () => {
    const bench = await start({
      job: null,
      pods: [],
      faults: [
        { call: /GET job/, reply: QUOTING, times: 2 },
        { call: /PATCH step/, reply: 'silence' },
      ],
    });
    expect(await bench.look(final)).toBe(0);
    expect([stepOf(bench)?.['status'], jobOf(bench)?.['status']]).toEqual(['failed', 'failed']);
    expect(bench.writes.filter((write) => write === 'PATCH step')).toHaveLength(1);
    expectNoLeak(bench);
  });

  test('is an error when Terrakube fails for longer, so that the event comes again', async () => {
    const bench = await start({ job: null, pods: [], faults: [{ call: /GET job/, reply: QUOTING, times: 5 }] });
    expect(await bench.look(final)).toBe(1);
    expect(lastLine(bench)).toMatchObject({ code: 'terrakubeUnavailable', status: 500 });
    expect(await bench.look(final)).toBe(0);
    expect([stepOf(bench)?.['status'], jobOf(bench)?.['status']]).toEqual(['failed', 'failed']);
    expectNoLeak(bench);
  });
});

test('an answer that is no job is an error, and nothing is done', async () => {
  const reply = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>sign in</html>' };
  const bench = await start({ faults: [{ call: /GET job/, reply }] });
  expect(await bench.look()).toBe(1);
  expect(lastLine(bench)).toMatchObject({ code: 'terrakubeRefused' });
  expect([bench.writes, bench.world.writes]).toEqual([[], []]);
});
