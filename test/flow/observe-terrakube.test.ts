// Observing with the real client of Terrakube, over HTTP, against answers that a real Terrakube was recorded to give: what
// is refused or lost on the way is an error, is finished by the next look, and shows no secret.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { afterEach, describe, expect, test } from 'vitest';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { errorFields } from '../../lib/door.ts';
import { observeAll } from '../../lib/flows/observe-all.ts';
import type { SecretSource } from '../../lib/ports.ts';
import { ids, kubernetesJob, PAYLOAD_SECRETS } from '../support/builders.ts';
import { createInMemoryLog, type InMemoryLog } from '../support/in-memory-log.ts';
import { leaksIn } from '../support/leaks.ts';
import {
  createObserveWorld,
  endedJob,
  type ObserveWorld,
  podOf,
  running,
  terminated,
} from '../support/observe-world.ts';
import { type Reply, type SeenCall, startScriptedServer } from '../support/scripted-server.ts';
import { INTERNAL_SECRET } from '../support/terrakube-bench.ts';
import { readRecording } from '../support/terrakube-recordings.ts';

/** The job of the recordings, and its first step. */
const OF = ids({ jobId: '946281', stepId: '1b8b9e47-4424-43d8-8e3e-3e265fbbaabb' });
const OTHER_SECRET = Buffer.alloc(32, 'rotated').toString('base64url');
/** Longer than a busy machine takes for an answer, and short enough to wait for. */
const TIMEOUT_MS = 700;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A recorded answer; the job that it speaks of is the one of the test. */
function replyOf(name: string): Reply {
  const { status, headers, body } = readRecording(name).response;
  const type = headers['content-type'];
  const text = typeof body === 'string' ? body : JSON.stringify(body).replaceAll('999999999', OF.jobId);
  return { status, headers: type === undefined ? {} : { 'content-type': type }, body: text };
}

/** Attributes that were written, by the id of job or step. */
type Written = Map<string, Record<string, unknown>>;

/** The recorded job as it reads after what was written. */
function jobReply(written: Written): Reply {
  const { response } = readRecording('get_job_sparse');
  const document = JSON.parse(JSON.stringify(response.body));
  for (const one of [document.data, ...document.included]) Object.assign(one.attributes, written.get(one.id));
  return { status: 200, headers: { 'content-type': 'application/vnd.api+json' }, body: JSON.stringify(document) };
}

/** What one call gets in place of its answer: once, before or after it has taken effect. */
interface Fault {
  readonly call: RegExp;
  readonly reply: Reply;
  readonly isDone?: boolean;
  readonly times?: number;
}

interface Bench {
  readonly world: ObserveWorld;
  readonly log: InMemoryLog;
  /** What was thrown. */
  readonly errors: readonly unknown[];
  readonly written: Written;
  /** `POST /logs`, `PATCH step` or `PATCH job` for each write that took effect. */
  readonly writes: readonly string[];
  readonly seen: readonly SeenCall[];
  /** Observes by way of {@link observeAll}. @returns how many failed. */
  look(final?: V1Job): Promise<number>;
}

interface Setting {
  readonly job?: V1Job | null;
  readonly pods?: readonly V1Pod[];
  readonly faults?: readonly Fault[];
  readonly secret?: SecretSource;
  /** How the recorded job reads at first. */
  readonly reads?: Readonly<Record<string, Record<string, unknown>>>;
}

const kindOf = ({ method, path }: SeenCall): string =>
  path === '/logs' ? 'POST /logs' : `${method} ${path.includes('/step/') ? 'step' : 'job'}`;

/** A Job whose manifest holds what must never be seen. */
const withSecrets = (job: V1Job): V1Job => ({
  ...job,
  metadata: { ...job.metadata, annotations: { ...job.metadata?.annotations, note: PAYLOAD_SECRETS.join(' ') } },
  spec: {
    ...job.spec,
    template: {
      spec: { containers: [{ name: 'executor', env: PAYLOAD_SECRETS.map((value, n) => ({ name: `X${n}`, value })) }] },
    },
  },
});

const oom = [podOf({ of: OF, status: terminated('OOMKilled', 137) })];
const failedJob = () => endedJob({ of: OF, ended: 'Failed' });

/** Starts server, client and world. */
async function start({ job = failedJob(), pods = oom, faults = [], secret, reads = {} }: Setting = {}): Promise<Bench> {
  const written: Written = new Map(Object.entries(reads));
  const writes: string[] = [];
  const left = faults.flatMap((fault) => Array.from({ length: fault.times ?? 1 }, () => fault));
  const answer = (call: SeenCall): Reply => {
    if (call.method === 'GET') return jobReply(written);
    writes.push(kindOf(call));
    if (call.path === '/logs') return replyOf('post_logs');
    const { id, attributes } = JSON.parse(call.body).data;
    written.set(id, { ...written.get(id), ...attributes });
    return replyOf(call.path.includes('/step/') ? 'patch_step_failed' : 'patch_job_failed');
  };
  const server = await startScriptedServer((call) => {
    const found = left.findIndex(({ call: of }) => of.test(kindOf(call)));
    const [fault] = found < 0 ? [] : left.splice(found, 1);
    const answered = !fault || fault.isDone ? answer(call) : undefined;
    return fault?.reply ?? answered ?? 'silence';
  });
  closing.push(server.close);
  const world = createObserveWorld({ ids: OF, job: job && withSecrets(job), pods, terrakube: null });
  world.clock.advance(61_000);
  const terrakube = createTerrakubeApi({
    apiUrl: server.url,
    secret: secret ?? createFixedSecret(INTERNAL_SECRET),
    now: world.clock.now,
    timeoutMs: TIMEOUT_MS,
  });
  const log = createInMemoryLog();
  const errors: unknown[] = [];
  const noting = (error: unknown) => {
    errors.push(error);
    return errorFields(error);
  };
  const jobName = job?.metadata?.name ?? failedJob().metadata?.name ?? '';
  const look = (final?: V1Job) =>
    observeAll({ ...world.deps, terrakube, log, errorFields: noting }, [{ jobName, ...(final ? { final } : {}) }]);
  return { world, log, errors, written, writes, seen: server.seen, look };
}

const stepOf = ({ written }: Bench) => written.get(OF.stepId);
const jobOf = ({ written }: Bench) => written.get(OF.jobId);
const lastLine = ({ log }: Bench) => log.lines.at(-1);

/** Step and job are told, and every word that was written is the same as without a fault. */
async function expectTold(bench: Bench): Promise<void> {
  const whole = await start();
  expect(await whole.look()).toBe(0);
  expect({ step: stepOf(bench), job: jobOf(bench) }).toEqual({ step: stepOf(whole), job: jobOf(whole) });
  expect(jobOf(bench)?.['status']).toBe('failed');
}

function expectNoLeak(bench: Bench): void {
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
