/** The dispatch POST of the stand-in Terrakube: its form, what each answer does to the job, and what follows. */
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import { ACCEPTED, answer, type ReceivedDispatch } from '../support/dispatch-sink.ts';
import {
  HELLO,
  PLAN_APPROVE_APPLY,
  startTerrakubeBench,
  type TerrakubeBench,
  until,
} from '../support/terrakube-bench.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

let bench: TerrakubeBench;
afterEach(() => bench.close());

const COMMAND = {
  runtime: 'BASH',
  script: 'echo rejected\n',
  priority: 100,
  before: false,
  after: false,
  verbose: false,
  beforeInit: false,
} as const;

function received(nth: number): ReceivedDispatch {
  const post = bench.sink.received[nth];
  if (post === undefined) throw new Error(`There was no POST ${nth}.`);
  return post;
}

function tokenOf({ rawHeaders }: ReceivedDispatch): string {
  return (rawHeaders[9] ?? '').replace('Bearer ', '');
}

function withoutIds(text: string): string {
  return text.replaceAll(/"(jobId|stepId|workspaceName)":"[^"]+"/g, '"$1":"…"');
}

describe('the dispatch POST', () => {
  test.for([
    'dispatch_terraformPlan',
    'dispatch_terraformPlan_withCommands',
    'dispatch_terraformApply',
    'dispatch_customScripts',
    'dispatch_approval',
    'dispatch_onReject',
  ])('looks as in %s: path, version, headers in order, keys in order', async (fixture) => {
    bench = await startTerrakubeBench();
    const recorded = readDispatch(fixture);
    const { type, environmentVariables, variables, workspaceId } = recorded.body;
    const { commandList: commands, onFailureList: onFailure } = recorded.body;
    const step = { type, ...(commands && { commands }), ...(onFailure && { onFailure }) };
    const job = bench.terrakube.createJob({ steps: [step], environmentVariables, variables, workspaceId });
    if (type === 'approval') {
      await bench.untilStatus(job.jobId, 'waitingApproval');
      if (fixture === 'dispatch_approval') await bench.terrakube.approve(job.jobId);
      else await bench.terrakube.reject(job.jobId, commands ?? []);
    }
    await bench.untilPosts(1);
    await until(() => expect(bench.terrakube.job(job.jobId).steps).toHaveLength(1));
    const post = received(0);
    const length = String(Buffer.byteLength(post.text));
    expect(post.path).toBe(recorded.path);
    expect(post.httpVersion).toBe(recorded.httpVersion);
    expect(post.rawHeaders).toEqual(
      recorded.rawHeaders
        .with(3, new URL(bench.sink.url).host)
        .with(9, `Bearer ${tokenOf(post)}`)
        .with(11, length),
    );
    expect(post.body).toMatchObject({ jobId: job.jobId, stepId: bench.terrakube.job(job.jobId).steps[0]?.stepId });
    expect(withoutIds(post.text)).toBe(withoutIds(recorded.text));
  });

  test('is never sent in chunks, however large', async () => {
    bench = await startTerrakubeBench();
    const large = 'x'.repeat(200_000);
    const { jobId } = bench.terrakube.createJob({ steps: HELLO, variables: { one: large, two: large } });
    await bench.untilStatus(jobId, 'queue');
    expect(received(0).rawHeaders.slice(10)).toEqual(['content-length', String(Buffer.byteLength(received(0).text))]);
  });

  test('carries the recorded claims and nothing else, for 10 seconds', async () => {
    bench = await startTerrakubeBench();
    const recorded = readDispatch('dispatch_terraformPlan');
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilStatus(jobId, 'queue');
    const claims = decodeJwt(tokenOf(received(0)));
    const { iat = 0, jti } = claims;
    expect(JSON.stringify(claims)).toBe(JSON.stringify({ ...recorded.claims, jti, iat, exp: iat + 10 }));
    expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(5);
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.for([
    [32, 'HS256'],
    [47, 'HS256'],
    [48, 'HS384'],
    [63, 'HS384'],
    [64, 'HS512'],
  ] as const)('is signed with a key of %i bytes by %s', async ([bytes, alg]) => {
    const key = Buffer.alloc(bytes, 'k');
    bench = await startTerrakubeBench({ internalSecret: `+${key.toString('base64url')}==\n` });
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilStatus(jobId, 'queue');
    expect(decodeProtectedHeader(tokenOf(received(0)))).toEqual({ alg });
    await jwtVerify(tokenOf(received(0)), key);
  });

  test('is not visible before it is answered, and afterwards it is', async () => {
    bench = await startTerrakubeBench();
    const { promise: answered, resolve: release } = Promise.withResolvers<void>();
    bench.sink.answerWith((response) => void answered.then(() => ACCEPTED(response, 1)));
    const { jobId, organizationId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilPosts(1);
    const { stepId } = received(0).body;
    const path = `/api/v1/organization/${organizationId}/job/${jobId}`;
    const read = async (): Promise<unknown> => (await bench.get(`${path}?fields[job]=status,step`)).body;
    const data = { type: 'job', id: jobId };
    expect(await read()).toEqual({
      data: { ...data, attributes: { status: 'pending' }, relationships: { step: { data: [] } } },
    });
    expect((await bench.patchStep(jobId, { name: 'x' }, stepId)).status).toBe(404);
    release();
    await bench.untilStatus(jobId, 'queue');
    const step = { data: [{ type: 'step', id: stepId }] };
    expect(await read()).toEqual({ data: { ...data, attributes: { status: 'queue' }, relationships: { step } } });
  });
});

describe('the order of dispatches', () => {
  test('holds back younger jobs of every workspace behind a job that gets 503', async () => {
    bench = await startTerrakubeBench();
    bench.sink.answerWith(answer(503));
    const older = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilPosts(1);
    const younger = bench.terrakube.createJob({ steps: HELLO });
    await until(() => expect(bench.terrakube.job(younger.jobId).steps).toHaveLength(1));
    await bench.untilPosts(3);
    expect(bench.sink.received.map(({ body }) => body.jobId)).toEqual([older.jobId, older.jobId, older.jobId]);
    await bench.terrakube.cancel(older.jobId);
    bench.sink.answerWith(ACCEPTED);
    await bench.untilStatus(younger.jobId, 'queue');
    expect(bench.terrakube.job(older.jobId)).toMatchObject({ status: 'cancelled', steps: [{ status: 'cancelled' }] });
  });

  test('sends one POST at a time, the next as soon as one is accepted', async () => {
    bench = await startTerrakubeBench({ resendAfterMs: 60_000 });
    let underWay = 0;
    let most = 0;
    bench.sink.answerWith((response, nth) => {
      underWay += 1;
      most = Math.max(most, underWay);
      setTimeout(() => {
        underWay -= 1;
        ACCEPTED(response, nth);
      }, 20);
    });
    const jobs = [1, 2, 3, 4].map(() => bench.terrakube.createJob({ steps: HELLO }));
    for (const { jobId } of jobs) await bench.untilStatus(jobId, 'queue');
    expect(most).toBe(1);
    expect(bench.sink.received.map(({ body }) => body.jobId)).toEqual(jobs.map(({ jobId }) => jobId));
  });

  test('lets a job wait for an older one of its workspace, and nobody for that job', async () => {
    bench = await startTerrakubeBench({ resendAfterMs: 40 });
    const first = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilStatus(first.jobId, 'queue');
    const second = bench.terrakube.createJob({ steps: HELLO, workspaceId: first.workspaceId });
    const third = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilStatus(third.jobId, 'queue');
    expect(bench.terrakube.job(second.jobId)).toMatchObject({ status: 'pending', steps: [] });
    await bench.patchJob(first.jobId, { status: 'completed' });
    await bench.untilStatus(second.jobId, 'queue');
  });
});

describe('the steps of a job', () => {
  test('are dispatched one after the other, the approval as well, until none is left', async () => {
    bench = await startTerrakubeBench();
    const { jobId } = bench.terrakube.createJob({ steps: PLAN_APPROVE_APPLY });
    await bench.untilStatus(jobId, 'queue');
    await finishStep(jobId, 0);
    await bench.untilStatus(jobId, 'waitingApproval');
    await bench.terrakube.approve(jobId);
    await bench.untilStatus(jobId, 'queue');
    await finishStep(jobId, 1);
    await bench.untilPosts(3);
    await bench.untilStatus(jobId, 'queue');
    await finishStep(jobId, 2);
    await bench.untilStatus(jobId, 'completed');
    const steps = bench.terrakube.job(jobId).steps.map(({ stepId, type }) => ({ stepId, type }));
    expect(bench.sink.received.map(({ body: { stepId, type } }) => ({ stepId, type }))).toEqual(steps);
  });

  test('may be rejected: the commands go out under the id of the approval, which fails right after', async () => {
    bench = await startTerrakubeBench();
    const { jobId } = bench.terrakube.createJob({ steps: PLAN_APPROVE_APPLY.slice(1) });
    await bench.untilStatus(jobId, 'waitingApproval');
    await bench.terrakube.reject(jobId, [COMMAND]);
    await bench.untilPosts(1);
    await until(() => expect(bench.terrakube.job(jobId).steps[0]?.status).toBe('failed'));
    const { status, steps } = bench.terrakube.job(jobId);
    expect({ status, steps: steps.map((step) => step.status) }).toEqual({
      status: 'rejected',
      steps: ['failed', 'failed'],
    });
    expect(received(0).body).toMatchObject({ type: 'approval', stepId: steps[0]?.stepId, commandList: [COMMAND] });
  });

  test('are sent again with a new token and a new payload when a queued job is set to pending', async () => {
    bench = await startTerrakubeBench();
    let made = 0;
    const accessToken = (): string => `token-${++made}`;
    const { jobId } = bench.terrakube.createJob({ steps: HELLO, accessToken });
    await bench.untilStatus(jobId, 'queue');
    await bench.patchJob(jobId, { status: 'pending' });
    await bench.untilPosts(2);
    await bench.untilStatus(jobId, 'queue');
    const [first, second] = [received(0), received(1)];
    expect(second.body).toEqual({ ...first.body, accessToken: 'token-2' });
    expect(decodeJwt(tokenOf(second)).jti).not.toBe(decodeJwt(tokenOf(first)).jti);
    expect(bench.events.map(({ kind }) => kind).filter((kind) => kind !== 'jobStatus')).toEqual([
      'posted',
      'answered',
      'resent',
      'answered',
    ]);
  });

  test('get other ids when Terrakube dies before the answer', async () => {
    bench = await startTerrakubeBench();
    bench.sink.answerWith((response, nth) => (nth === 1 ? undefined : ACCEPTED(response, nth)));
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilPosts(1);
    bench.terrakube.loseDispatch(jobId);
    await bench.untilStatus(jobId, 'queue');
    const [lost, kept] = bench.sink.received.map(({ body }) => body.stepId);
    expect(kept).not.toBe(lost);
    expect(bench.terrakube.job(jobId).steps.map(({ stepId }) => stepId)).toEqual([kept]);
  });
});

async function finishStep(jobId: string, index: number): Promise<void> {
  const step = bench.terrakube.job(jobId).steps[index];
  await bench.patchJob(jobId, { status: 'running' });
  await bench.patchStep(jobId, { status: 'running' }, step?.stepId);
  await bench.patchStep(jobId, { status: 'completed' }, step?.stepId);
  await bench.patchJob(jobId, { status: 'pending' });
}
