import { afterEach, describe, expect, test } from 'vitest';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakube, createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import { createTerrakubeCall } from '../../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../../lib/clients/terrakube-jobs.ts';
import { stepId } from '../../lib/domain/dispatch-request.ts';
import { epochMs } from '../../lib/domain/time.ts';
import type { Terrakube } from '../../lib/ports.ts';
import { ids, NOON } from '../support/builders.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type Reply, type Script, startScriptedServer } from '../support/scripted-server.ts';
import { INTERNAL_SECRET, PLAN_APPROVE_APPLY, startTerrakubeBench } from '../support/terrakube-bench.ts';
import { describeTerrakube } from '../support/terrakube-port-suite.ts';
import { readRecording } from '../support/terrakube-recordings.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A client and the scripted server that it talks to. */
async function start(script: Script) {
  const server = await startScriptedServer(script);
  closing.push(server.close);
  const terrakube = createTerrakubeApi({
    apiUrl: server.url,
    secret: createFixedSecret(INTERNAL_SECRET),
    now: () => NOON,
    timeoutMs: 300,
  });
  return { terrakube, server };
}

const replyOf = (recording: string): Reply => {
  const { status, headers, body } = readRecording(recording).response;
  const contentType = headers['content-type'];
  return {
    status,
    headers: contentType === undefined ? {} : { 'content-type': contentType },
    body: typeof body === 'string' ? body : Object(body),
  };
};

/** The job of the recordings. */
const recordedIds = ids({ jobId: '946281', stepId: '1b8b9e47-4424-43d8-8e3e-3e265fbbaabb' });
const recordedJob = {
  status: 'queue',
  comments: null,
  steps: [
    { id: '1b8b9e47-4424-43d8-8e3e-3e265fbbaabb', stepNumber: 100, name: 'Plan' },
    { id: '0f433967-33c8-4c1d-9966-add22fc52327', stepNumber: 150, name: 'Approve' },
    { id: 'f0132da3-886d-4d3b-9250-197e1a008991', stepNumber: 200, name: 'Apply' },
  ].map((step) => ({ ...step, status: 'pending', output: null })),
};
const emptyJob: Reply = { status: 200, body: { data: { type: 'job', id: '17', attributes: { status: 'queue' } } } };
const JOB = '/api/v1/organization/d9b58bd3-f3fc-4056-a026-1163297e80a8/job/946281';

describeTerrakube('the client of Terrakube, on the stand-in', async () => {
  const bench = await startTerrakubeBench({ resendAfterMs: 60_000 });
  const { jobId } = bench.terrakube.createJob({ steps: PLAN_APPROVE_APPLY });
  await bench.untilStatus(jobId, 'queue');
  const { organizationId, workspaceId, steps } = bench.terrakube.job(jobId);
  const of = ids({ organizationId, workspaceId, jobId, stepId: steps[0]?.stepId ?? '' });
  const log = `/tfoutput/v1/organization/${organizationId}/job/${jobId}/step/${of.stepId}`;
  const call = createTerrakubeCall({
    apiUrl: bench.terrakube.url,
    secret: createFixedSecret(INTERNAL_SECRET),
    now: () => epochMs(Date.now()),
  });
  return {
    terrakube: createTerrakube(call),
    lists: createTerrakubeJobs(call),
    ids: of,
    job: {
      comments: null,
      status: 'queue',
      steps: steps.map(({ stepId: id, stepNumber, status, name, output }) => ({
        id: stepId(id),
        stepNumber,
        status,
        name,
        output,
      })),
    },
    jobOutput: async () => bench.terrakube.job(jobId).output,
    log: async () => String((await bench.get(log)).body),
    close: bench.close,
  };
});

describe('a recorded exchange', () => {
  test('gives the job and its steps in the order of their numbers', async () => {
    const { terrakube, server } = await start(() => replyOf('get_job_sparse'));
    expect(await terrakube.getJob(recordedIds)).toEqual(recordedJob);
    expect(server.seen.map(({ method, path }) => ({ method, path }))).toEqual([
      {
        method: 'GET',
        path: `${JOB}?include=step&fields%5Bjob%5D=status,comments,step&fields%5Bstep%5D=status,name,stepNumber,output`,
      },
    ]);
    expect(server.seen[0]?.headers).toMatchObject({ accept: 'application/vnd.api+json' });
    expect(server.seen[0]?.headers).not.toHaveProperty('content-type');
  });

  test('of a job that was read in full gives the same', async () => {
    const { terrakube } = await start(() => replyOf('get_job_include_step'));
    const job = await terrakube.getJob(recordedIds);
    expect(job).toMatchObject({ status: expect.any(String), steps: recordedJob.steps.map(({ id }) => ({ id })) });
  });

  test('of a job without steps gives none', async () => {
    const { terrakube } = await start(() => emptyJob);
    expect(await terrakube.getJob(recordedIds)).toEqual({ status: 'queue', comments: null, steps: [] });
  });

  test('gives the comments of the job', async () => {
    const attributes = { status: 'pending', comments: 'fresh 2/3' };
    const { terrakube } = await start(() => ({ status: 200, body: { data: { type: 'job', attributes } } }));
    expect(await terrakube.getJob(recordedIds)).toEqual({ ...attributes, steps: [] });
  });

  test('says that there is no such job', async () => {
    const { terrakube } = await start(() => replyOf('get_job_404'));
    expect(await terrakube.getJob(ids({ jobId: '999999999' }))).toBe('notFound');
  });

  test('to change a step is the one that Terrakube was seen to take', async () => {
    const { request } = readRecording('patch_step_failed');
    const { terrakube, server } = await start(() => replyOf('patch_step_failed'));
    const output = `http://127.0.0.1:58080/tfoutput/v1/organization/${recordedIds.organizationId}/job/946281/step/${recordedIds.stepId}`;
    await terrakube.patchStep(recordedIds, {
      status: 'failed',
      name: 'Plan - executor image cannot be pulled',
      output,
    });
    const [call] = server.seen;
    expect({ method: call?.method, path: call?.path, body: JSON.parse(call?.body ?? '') }).toEqual({
      method: request.method,
      path: request.path,
      body: request.body,
    });
    expect(call?.headers).toMatchObject({
      accept: request.headers['Accept'],
      'content-type': request.headers['Content-Type'],
    });
  });

  test('to change a job names only what changes', async () => {
    const { terrakube, server } = await start(() => replyOf('patch_job_failed'));
    await terrakube.patchJob(recordedIds, { status: 'failed' });
    await terrakube.patchJob(recordedIds, { status: 'pending', comments: 'fresh 2/3' });
    expect(server.seen.map(({ method, path, body }) => ({ method, path, body: JSON.parse(body) }))).toEqual([
      ...[{ status: 'failed' }, { status: 'pending', comments: 'fresh 2/3' }].map((attributes) => ({
        method: 'PATCH',
        path: JOB,
        body: { data: { type: 'job', id: '946281', attributes } },
      })),
    ]);
  });

  test('to append to the log numbers the lines, in any media type that Terrakube takes', async () => {
    const { request } = readRecording('post_logs_vnd');
    const { terrakube, server } = await start(() => replyOf('post_logs_vnd'));
    await terrakube.appendLog(recordedIds, ['first line', 'ä second 🙂']);
    const [call] = server.seen;
    expect({ method: call?.method, path: call?.path, body: JSON.parse(call?.body ?? '') }).toEqual({
      method: 'POST',
      path: '/logs',
      body: {
        data: [
          { jobId: 946281, stepId: recordedIds.stepId, lineNumber: 1, output: 'first line' },
          { jobId: 946281, stepId: recordedIds.stepId, lineNumber: 2, output: 'ä second 🙂' },
        ],
      },
    });
    expect(call?.headers).toMatchObject({
      accept: request.headers['Accept'],
      'content-type': request.headers['Content-Type'],
    });
  });

  test.each([
    [
      'tfoutput_pending_with_logs',
      '[dispatcher] pod pending: 0/3 nodes available\n\n[dispatcher] second line\n\nthird\n\n',
    ],
    ['tfoutput_after_failed', ''],
  ])('of the log gives its text (%s)', async (file, text) => {
    const { request } = readRecording(file);
    const { terrakube, server } = await start(() => replyOf(file));
    expect(await terrakube.readLog(ids({ jobId: '60', stepId: '2248946d-9311-4a62-bd49-d950814f9517' }))).toBe(text);
    expect(server.seen[0]?.path).toBe(request.path);
    expect(server.seen[0]?.headers.accept).toBe(request.headers['Accept']);
  });
});

const html: Reply = { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>Not Found</html>' };
const calls: readonly (readonly [string, (terrakube: Terrakube) => Promise<unknown>])[] = [
  [`GET ${JOB}`, (terrakube) => terrakube.getJob(recordedIds)],
  [`PATCH ${JOB}`, (terrakube) => terrakube.patchJob(recordedIds, { output: 'said-in-the-output' })],
  [
    `PATCH ${JOB}/step/${recordedIds.stepId}`,
    (terrakube) => terrakube.patchStep(recordedIds, { name: 'said-in-the-name' }),
  ],
  ['POST /logs', (terrakube) => terrakube.appendLog(recordedIds, ['said-in-the-log'])],
  [
    `GET /tfoutput/v1/organization/${recordedIds.organizationId}/job/946281/step/${recordedIds.stepId}`,
    (terrakube) => terrakube.readLog(recordedIds),
  ],
];

describe.each(calls)('%s', (what, run) => {
  test.each<[string, string, number, Reply]>([
    ['unknown organization', 'terrakubeRefused', 404, replyOf('get_job_org_404')],
    ['HTML 404 of a proxy', 'terrakubeRefused', 404, html],
    ['id that is none', 'terrakubeRefused', 400, replyOf('get_job_badid')],
    ['unknown token', 'terrakubeRefused', 401, replyOf('auth_bad_signature')],
    [
      'missing right',
      'terrakubeRefused',
      403,
      { status: 403, body: { errors: [{ detail: 'ReadPermission Denied' }] } },
    ],
    ['wrong media type', 'terrakubeRefused', 406, { status: 406 }],
    ['value that is too long', 'terrakubeRefused', 423, replyOf('patch_step_name_too_long')],
    ['comment that is too long', 'terrakubeRefused', 423, replyOf('patch_job_comments_too_long')],
    ['redirect', 'terrakubeRefused', 302, { status: 302, headers: { location: '/login' } }],
    ['throttled request', 'terrakubeUnavailable', 429, { status: 429 }],
    ['fault of Terrakube', 'terrakubeUnavailable', 500, replyOf('auth_dispatch_issuer')],
    ['proxy without its Terrakube', 'terrakubeUnavailable', 502, { status: 502, body: '<html>' }],
  ])('answered by %s ends with %s (%i)', async (_, code, status, reply) => {
    const { terrakube } = await start(() => reply);
    expect(await refusedWith(run(terrakube))).toEqual({
      code,
      status,
      message: `Terrakube answered ${status} to ${what}.`,
    });
  });

  test.each<[string, Script]>([
    ['a broken connection', () => 'reset'],
    ['silence', () => 'silence'],
  ])('answered by %s ends with terrakubeUnavailable', async (_, script) => {
    const { terrakube } = await start(script);
    expect(await refusedWith(run(terrakube))).toEqual({
      code: 'terrakubeUnavailable',
      message: `Terrakube gave no answer to ${what}.`,
    });
  });
});

test.each<[string, string]>([
  ['HTML', '<html>Sign in</html>'],
  ['half an answer', '{"data":'],
  ['a job without a status', '{"data":{"type":"job","attributes":{}}}'],
  ['a list', '{"data":[]}'],
  ['nothing', ''],
])('%s is not a job', async (_, body) => {
  const { terrakube } = await start(() => ({ status: 200, body }));
  expect(await refusedWith(terrakube.getJob(recordedIds))).toEqual({
    code: 'terrakubeRefused',
    message: `Terrakube's answer to GET ${JOB} is not a job.`,
  });
});

test.each<[string, (terrakube: Terrakube) => Promise<unknown>]>([
  [`PATCH ${JOB}`, (terrakube) => terrakube.patchJob(recordedIds, { status: 'pending' })],
  [`PATCH ${JOB}/step/${recordedIds.stepId}`, (terrakube) => terrakube.patchStep(recordedIds, { status: 'failed' })],
  ['POST /logs', (terrakube) => terrakube.appendLog(recordedIds, ['a line'])],
])('the web page of a proxy is no answer to %s', async (what, write) => {
  const { terrakube } = await start(() => ({ status: 200, body: '\n<!doctype html><title>Sign in</title>' }));
  expect(await refusedWith(write(terrakube))).toEqual({
    code: 'terrakubeUnavailable',
    message: `A web page is no answer to ${what}.`,
  });
});
