/** What PATCHes cause in the stand-in Terrakube, during a dispatch and after it: the recorded consequences, the bad ones included. */
import { afterEach, describe, expect, test } from 'vitest';
import { ACCEPTED } from '../support/dispatch-sink.ts';
import {
  HELLO,
  INTERNAL_SECRET,
  PLAN_APPROVE_APPLY,
  startTerrakubeBench,
  type TerrakubeBench,
  until,
} from '../support/terrakube-bench.ts';
import { exchange, internalClaims, JSON_API, signToken } from '../support/terrakube-http.ts';

let bench: TerrakubeBench;
afterEach(() => bench.close());

const stepStatuses = (jobId: string): readonly string[] => bench.terrakube.job(jobId).steps.map(({ status }) => status);

async function queuedJob(steps: typeof PLAN_APPROVE_APPLY | typeof HELLO = PLAN_APPROVE_APPLY): Promise<string> {
  const { jobId } = bench.terrakube.createJob({ steps });
  await bench.untilStatus(jobId, 'queue');
  return jobId;
}

const stale = 'old news';

describe('a PATCH of a job', () => {
  test('to pending loses the log stream once the next POST is accepted', async () => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob();
    await bench.postLogs(jobId, 'lost');
    await bench.patchJob(jobId, { status: 'pending' });
    await bench.untilPosts(2);
    await bench.untilStatus(jobId, 'queue');
    expect(bench.terrakube.logs(jobId)).toEqual([]);
  });

  test.for(['failed', 'cancelled'])('to %s ends its steps and its log stream', async (status) => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob();
    await bench.postLogs(jobId, 'pod pending');
    expect(bench.terrakube.logs(jobId)).toEqual(['pod pending']);
    await bench.patchJob(jobId, { status });
    await until(() => expect(stepStatuses(jobId)).toEqual([status, status, status]));
    expect(bench.terrakube.logs(jobId)).toEqual([]);
  });

  test('to failed leaves the steps alone while the workspace is locked, and after that as well', async () => {
    bench = await startTerrakubeBench({ resendAfterMs: 20 });
    const jobId = await queuedJob();
    bench.terrakube.lockWorkspace(jobId, true);
    await bench.patchJob(jobId, { status: 'failed' });
    bench.terrakube.lockWorkspace(jobId, false);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(stepStatuses(jobId)).toEqual(['pending', 'pending', 'pending']);
  });

  test('to completed leaves its open steps not executed', async () => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob();
    await bench.patchStep(jobId, { status: 'completed' });
    await bench.patchJob(jobId, { status: 'completed' });
    await until(() => expect(stepStatuses(jobId)).toEqual(['completed', 'notExecuted', 'notExecuted']));
  });

  test.for(['cancelled', 'failed'])('by a late executor revives a %s job and ends it as completed', async (status) => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob();
    await bench.patchJob(jobId, { status });
    await until(() => expect(stepStatuses(jobId)).toEqual([status, status, status]));
    await bench.patchJob(jobId, { status: 'running' });
    await bench.patchStep(jobId, { status: 'running' });
    expect(bench.terrakube.job(jobId).status).toBe('running');
    await bench.patchStep(jobId, { status: 'completed' });
    await bench.patchJob(jobId, { status: 'pending' });
    await bench.untilStatus(jobId, 'completed');
    expect(stepStatuses(jobId)).toEqual(['completed', status, status]);
    expect(bench.sink.received).toHaveLength(1);
  });

  test('leaves a job in queue when only its step failed', async () => {
    bench = await startTerrakubeBench({ resendAfterMs: 20 });
    const jobId = await queuedJob(HELLO);
    await bench.patchStep(jobId, { status: 'failed', name: 'Say hello: no node' });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(bench.terrakube.job(jobId)).toMatchObject({
      status: 'queue',
      steps: [{ name: 'Say hello: no node', status: 'failed' }],
    });
  });

  test('that deletes it leaves nothing to find', async () => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob(HELLO);
    const { organizationId } = bench.terrakube.job(jobId);
    expect((await bench.deleteJob(jobId)).status).toBe(204);
    const { status, body } = await bench.get(`/api/v1/organization/${organizationId}/job/${jobId}`);
    expect({ status, body }).toEqual({
      status: 404,
      body: { errors: [{ detail: `Unknown identifier [${jobId}] for job` }] },
    });
    expect((await bench.get('/api/v1/step')).body).toEqual({ data: [] });
  });

  test('notes who made it', async () => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob(HELLO);
    const { organizationId } = bench.terrakube.job(jobId);
    const path = `/api/v1/organization/${organizationId}/job/${jobId}`;
    const token = await signToken(INTERNAL_SECRET, internalClaims({ email: 'no-reply@terrakube.io' }));
    await exchange(bench.terrakube.url, {
      method: 'PATCH',
      path,
      headers: { authorization: `Bearer ${token}`, 'content-type': JSON_API },
      body: { data: { type: 'job', id: Number(jobId), attributes: { comments: 'x' } } },
    });
    const { body } = await bench.get(`${path}?fields[job]=comments,updatedBy`);
    const attributes = { comments: 'x', updatedBy: 'no-reply@terrakube.io' };
    expect(body).toEqual({ data: { type: 'job', id: jobId, attributes } });
  });
});

describe('a PATCH while the dispatch POST is open', () => {
  /** Holds back the answer to POST `held`; the others are accepted. */
  async function openPost(held: number): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    bench = await startTerrakubeBench();
    bench.sink.answerWith((response, nth) => {
      if (nth === held) void promise.then(() => ACCEPTED(response, nth));
      else ACCEPTED(response, nth);
    });
    return resolve;
  }

  test.for(['cancelled', 'failed', 'running'])('waits for the answer and wins with the status %s', async (status) => {
    const release = await openPost(1);
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilPosts(1);
    let answered = false;
    const patched = bench.patchJob(jobId, { status }).finally(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect({ answered, status: bench.terrakube.job(jobId).status }).toEqual({ answered: false, status: 'pending' });
    release();
    expect((await patched).status).toBe(204);
    const step = status === 'running' ? 'pending' : status;
    await until(() => expect(bench.terrakube.job(jobId)).toMatchObject({ status, steps: [{ status: step }] }));
  });

  test('of the comments corrupts the job at its first dispatch: it fails although it was accepted', async () => {
    const release = await openPost(1);
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilPosts(1);
    const patched = bench.patchJob(jobId, { comments: stale });
    await arrived();
    release();
    await patched;
    await bench.untilStatus(jobId, 'failed');
    expect(stepStatuses(jobId)).toEqual(['failed']);
    expect(bench.sink.received).toHaveLength(1);
  });

  test('of the comments has a later step sent twice', async () => {
    const release = await openPost(1);
    const { jobId } = bench.terrakube.createJob({ steps: PLAN_APPROVE_APPLY.slice(1) });
    await bench.untilStatus(jobId, 'waitingApproval');
    await bench.terrakube.approve(jobId);
    await bench.untilPosts(1);
    const patched = bench.patchJob(jobId, { comments: stale });
    await arrived();
    release();
    await patched;
    await bench.untilPosts(2);
    await bench.untilStatus(jobId, 'queue');
    const [first, second] = bench.sink.received.map(({ text }) => text);
    expect(second).toBe(first);
  });

  test('of a step of a later dispatch is written at once and stays', async () => {
    const release = await openPost(2);
    const jobId = await queuedJob();
    await bench.patchStep(jobId, { status: 'completed' });
    await bench.patchJob(jobId, { status: 'pending' });
    await bench.untilStatus(jobId, 'waitingApproval');
    await bench.terrakube.approve(jobId);
    await bench.untilPosts(2);
    const apply = bench.terrakube.job(jobId).steps[2]?.stepId;
    expect((await bench.patchStep(jobId, { name: 'patched', status: 'running' }, apply)).status).toBe(204);
    release();
    await bench.untilStatus(jobId, 'queue');
    expect(bench.terrakube.job(jobId).steps[2]).toMatchObject({ name: 'patched', status: 'running' });
  });

  /** Waits until the API has read the PATCH: it then holds the row as it was. */
  async function arrived(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
});

describe('the heartbeat sweep', () => {
  const sweep = { graceMs: 250, everyMs: 20 };

  test.for<readonly [what: string, ping: (jobId: string, nth: number) => Promise<unknown>]>([
    ['nothing', () => Promise.resolve()],
    ['the same comments', (jobId) => bench.patchJob(jobId, { comments: stale })],
    ['the same status', (jobId) => bench.patchJob(jobId, { status: 'queue' })],
    ['new names of the step', (jobId, nth) => bench.patchStep(jobId, { name: `waiting ${nth}` })],
  ])('fails a job in queue when the pings are %s', async ([, ping]) => {
    bench = await startTerrakubeBench({ sweep });
    const jobId = await queuedJob(HELLO);
    await bench.patchJob(jobId, { comments: stale });
    for (let nth = 1; nth <= 40 && bench.terrakube.job(jobId).status === 'queue'; nth += 1) {
      await ping(jobId, nth);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(bench.terrakube.job(jobId)).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  });

  test('gives a job its whole grace from the moment that the dispatch is accepted', async () => {
    bench = await startTerrakubeBench({ sweep });
    bench.sink.answerWith((response, nth) => setTimeout(() => ACCEPTED(response, nth), sweep.graceMs + 50));
    const jobId = await queuedJob(HELLO);
    await new Promise((resolve) => setTimeout(resolve, sweep.graceMs / 2));
    expect(bench.terrakube.job(jobId).status).toBe('queue');
  });

  test.for(['comments', 'output'])('spares a job whose %s change', async (attribute) => {
    bench = await startTerrakubeBench({ sweep });
    const jobId = await queuedJob(HELLO);
    const endMs = Date.now() + 2 * sweep.graceMs;
    for (let nth = 1; Date.now() < endMs; nth += 1) {
      await bench.patchJob(jobId, { [attribute]: `ping ${nth}` });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(bench.terrakube.job(jobId).status).toBe('queue');
  });
});

describe('an injected fault', () => {
  test('answers the next requests that match, and the real thing answers the ones after', async () => {
    bench = await startTerrakubeBench();
    const jobId = await queuedJob(HELLO);
    const fault = { method: 'PATCH', path: /\/job\/\d+$/, status: 423, body: 'locked', times: 2 };
    bench.terrakube.answerNext(fault);
    const statuses: number[] = [];
    for (const comments of ['a', 'b', 'c']) statuses.push((await bench.patchJob(jobId, { comments })).status);
    expect(statuses).toEqual([423, 423, 204]);
    expect(bench.terrakube.job(jobId).comments).toBe('c');
    expect(bench.terrakube.requests.map(({ status }) => status)).toEqual([423, 423, 204]);
  });

  test('may end the connection', async () => {
    bench = await startTerrakubeBench();
    bench.terrakube.answerNext({ method: 'GET', path: /step/, status: 0, drop: true });
    await expect(bench.get('/api/v1/step')).rejects.toThrow('socket hang up');
    expect(bench.terrakube.requests).toEqual([{ method: 'GET', path: '/api/v1/step', status: 0 }]);
  });
});
