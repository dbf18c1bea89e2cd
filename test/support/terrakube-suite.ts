/**
 * What a Terrakube API must do, as recorded from a real one: a suite over a URL, so that anything that claims to be one can be held
 * against it.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answered, exchange, internalClaims, JSON_API, type Sent, signToken } from './terrakube-http.ts';
import { comparable, expected, type Ids, readRecording, replayed } from './terrakube-recordings.ts';

/** A job in `queue` with the pending steps 100 "Plan", 150 "Approve", 200 "Apply". */
interface QueuedJob {
  readonly organizationId: string;
  readonly workspaceId: string;
  readonly jobId: string;
  readonly stepIds: readonly [plan: string, approve: string, apply: string];
}

/** A running Terrakube API. */
export interface TerrakubeSubject {
  readonly url: string;
  readonly internalSecret: string;
  /** Makes a job, and the executor accepts its first step. */
  createQueuedJob(): Promise<QueuedJob>;
  close(): Promise<void>;
}

type TokenKind = 'right' | 'none' | 'bad signature' | 'expired' | 'dispatch issuer';

const NOW = Math.floor(Date.now() / 1000);

/** Each recorded exchange, with the token that it was sent with. */
const RECORDED: readonly (readonly [fixture: string, token: TokenKind])[] = [
  ['auth_no_token', 'none'],
  ['auth_bad_signature', 'bad signature'],
  ['auth_expired', 'expired'],
  ['auth_dispatch_issuer', 'dispatch issuer'],
  ['auth_minimal_claims', 'right'],
  ['get_job_include_step', 'right'],
  ['get_job_sparse', 'right'],
  ['get_step_root', 'right'],
  ['get_job_404', 'right'],
  ['get_job_badid', 'right'],
  ['get_job_org_404', 'right'],
  ['get_job_org_not_uuid', 'right'],
  ['get_job_root', 'right'],
  ['list_bad_filter', 'right'],
  ['list_org_jobs_page', 'right'],
  ['list_page_too_large', 'right'],
  ['patch_ct_json', 'right'],
  ['patch_expired_token', 'expired'],
  ['patch_id_mismatch', 'right'],
  ['patch_job_404', 'right'],
  ['patch_job_cancelled', 'right'],
  ['patch_job_comments_too_long', 'right'],
  ['patch_job_failed', 'right'],
  ['patch_job_illegal_status', 'right'],
  ['patch_malformed', 'right'],
  ['patch_step_404', 'right'],
  ['patch_step_failed', 'right'],
  ['patch_step_illegal_status', 'right'],
  ['patch_step_name', 'right'],
  ['patch_step_name_too_long', 'right'],
  ['patch_step_running', 'right'],
  ['patch_step_unknown_attr', 'right'],
  ['delete_job', 'right'],
  ['post_logs', 'right'],
  ['post_logs_vnd', 'right'],
  ['tfoutput_empty', 'right'],
];

/** Registers the suite. */
export function describeTerrakube(name: string, start: () => Promise<TerrakubeSubject>): void {
  describe(name, () => {
    let subject: TerrakubeSubject;
    beforeAll(async () => {
      subject = await start();
    });
    afterAll(() => subject.close());

    test.for(RECORDED)('answers %s as recorded', async ([fixture, kind]) => {
      const recording = readRecording(fixture);
      const ids = idsOf(await subject.createQueuedJob());
      const answer = await exchange(subject.url, replayed(recording, ids, await token(subject, kind)));
      expect(comparable(answer)).toEqual(expected(recording, ids));
    });

    describeTokens(() => subject);
    describeHeaders(() => subject);
    describeWidths(() => subject);
    describeLogs(() => subject);
  });
}

function describeTokens(subject: () => TerrakubeSubject): void {
  test.for<readonly [what: string, status: number, claims: Readonly<Record<string, unknown>>, alg: string]>([
    ['that expired 10 s ago', 200, { exp: NOW - 10 }, 'HS256'],
    ['that expired 70 s ago', 401, { exp: NOW - 70 }, 'HS256'],
    ['that is not valid for another 5 min', 401, { nbf: NOW + 300 }, 'HS256'],
    ['without aud', 500, { aud: undefined }, 'HS256'],
    ['without exp', 200, { exp: undefined }, 'HS256'],
    ['of HS512 with the same key', 401, {}, 'HS512'],
  ])('a token %s gets %i', async ([, status, claims, alg]) => {
    const job = await subject().createQueuedJob();
    const jwt = await signToken(subject().internalSecret, internalClaims(claims), alg);
    const headers = { Accept: JSON_API, Authorization: `Bearer ${jwt}` };
    expect((await exchange(subject().url, { method: 'GET', path: jobPath(job), headers })).status).toBe(status);
  });

  test.for(['PATCH', 'POST', 'DELETE'])('%s without a token is forbidden, not unauthorized', async (method) => {
    const path = method === 'POST' ? '/logs' : jobPath(await subject().createQueuedJob());
    const answer = await exchange(subject().url, { method, path, headers: { 'Content-Type': JSON_API }, body: {} });
    const body = { timestamp: '<timestamp>', status: 403, error: 'Forbidden', path };
    expect(comparable(answer)).toMatchObject({ status: 403, body });
  });
}

function describeHeaders(subject: () => TerrakubeSubject): void {
  test.for([
    ['application/json', 406],
    ['text/html', 406],
    ['*/*', 200],
    ['application/vnd.api+json', 200],
  ] as const)('Accept: %s gets %i', async ([accept, status]) => {
    const job = await subject().createQueuedJob();
    const answer = await send(subject(), { method: 'GET', path: jobPath(job), headers: { Accept: accept } });
    expect(answer.status).toBe(status);
  });
}

function describeWidths(subject: () => TerrakubeSubject): void {
  test.for([
    ['job', 'comments', 512],
    ['job', 'output', 1024],
    ['step', 'name', 128],
    ['step', 'output', 1024],
  ] as const)('the %s attribute %s takes %i characters, emoji counted once', async ([type, attribute, width]) => {
    const job = await subject().createQueuedJob();
    const [id, path] = type === 'job' ? [job.jobId, jobPath(job)] : [job.stepIds[0], stepPath(job)];
    const write = async (text: string): Promise<number> =>
      (await send(subject(), patch(path, { type, id, attributes: { [attribute]: text } }))).status;
    const widest = '🙈'.repeat(width);
    expect(await write(widest)).toBe(204);
    expect(await write(`${widest}x`)).toBe(423);
    const { body } = await send(subject(), { method: 'GET', path });
    expect(body).toMatchObject({ data: { attributes: { [attribute]: widest } } });
  });
}

function describeLogs(subject: () => TerrakubeSubject): void {
  test('shows the log stream while the step is open, and nothing once it failed', async () => {
    const job = await subject().createQueuedJob();
    const ids = idsOf(job);
    const jwt = await token(subject(), 'right');
    const replay = (fixture: string): Promise<Answered> =>
      exchange(subject().url, replayed(readRecording(fixture), ids, jwt));

    await replay('post_logs');
    await replay('post_logs_vnd');
    const open = readRecording('tfoutput_pending_with_logs');
    expect(comparable(await replay('tfoutput_pending_with_logs'))).toEqual(expected(open, ids));
    const change = { type: 'step', id: job.stepIds[0], attributes: { status: 'failed' } };
    await send(subject(), patch(stepPath(job), change));
    const failed = readRecording('tfoutput_after_failed');
    expect(comparable(await replay('tfoutput_after_failed'))).toEqual(expected(failed, ids));
  });

  test.for([
    ['of an unknown job', 999_999_999, 200],
    ['of a job that is no number', 'x', 400],
  ] as const)('POST /logs %s gets the recorded status', async ([, jobId, status]) => {
    const body = { data: [{ jobId, stepId: 'x', lineNumber: 1, output: 'text' }] };
    const headers = { 'Content-Type': 'application/json' };
    const answer = await send(subject(), { method: 'POST', path: '/logs', headers, body });
    expect(answer.status).toBe(status);
  });
}

async function send(subject: TerrakubeSubject, sent: Sent): Promise<Answered> {
  const authorization = `Bearer ${await token(subject, 'right')}`;
  return exchange(subject.url, { ...sent, headers: { ...sent.headers, authorization } });
}

function patch(path: string, data: object): Sent {
  return { method: 'PATCH', path, headers: { 'Content-Type': JSON_API }, body: { data } };
}

async function token({ internalSecret }: TerrakubeSubject, kind: TokenKind): Promise<string | undefined> {
  switch (kind) {
    case 'none':
      return undefined;
    case 'right':
      return signToken(internalSecret, internalClaims());
    case 'bad signature':
      return signToken(randomBytes(32).toString('base64url'), internalClaims());
    case 'expired':
      return signToken(internalSecret, internalClaims({ exp: NOW - 120 }));
    case 'dispatch issuer':
      return signToken(internalSecret, internalClaims({ iss: 'TERRAKUBE_INTERNAL' }));
  }
}

/** The ids of the recordings: most are about one job in `queue` (946281), some about jobs of their own. */
function idsOf(job: QueuedJob): Ids {
  const [plan, approve, apply] = job.stepIds;
  return {
    'd9b58bd3-f3fc-4056-a026-1163297e80a8': job.organizationId,
    'bb3c7675-f247-4f61-8838-37ba2cd11e99': job.workspaceId,
    '1b8b9e47-4424-43d8-8e3e-3e265fbbaabb': plan,
    '0f433967-33c8-4c1d-9966-add22fc52327': approve,
    'f0132da3-886d-4d3b-9250-197e1a008991': apply,
    '2248946d-9311-4a62-bd49-d950814f9517': plan,
    ...Object.fromEntries(['946281', '60', '62', '67', '84'].map((id) => [id, job.jobId])),
  };
}

function jobPath({ organizationId, jobId }: QueuedJob): string {
  return `/api/v1/organization/${organizationId}/job/${jobId}`;
}

function stepPath(job: QueuedJob): string {
  return `${jobPath(job)}/step/${job.stepIds[0]}`;
}
