// From Terrakube's POST to an executor that has reported: the built bundles in Lambda's runtime client.
import { describe, expect, test } from 'vitest';
import { internalSecretKey } from '../../lib/domain/internal-secret.ts';
import { signDispatchToken } from '../../local/terrakube/internal-key.ts';
import { until, useStack } from '../support/running-stack.ts';

const running = useStack();

const ON_REJECT = {
  runtime: 'BASH',
  script: 'echo rejected',
  priority: 100,
  before: true,
  after: false,
  verbose: false,
  beforeInit: false,
} as const;

describe('a Terrakube job', () => {
  test('with a plan and an apply ends completed, with one Kubernetes Job a step', async () => {
    const { stack, kubernetes, startedPods } = running();
    const { jobId } = stack.terrakube.createJob({ steps: [{ type: 'terraformPlan' }, { type: 'terraformApply' }] });

    await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');

    expect(stack.terrakube.job(jobId).steps.map(({ type, status }) => ({ type, status }))).toEqual([
      { type: 'terraformPlan', status: 'completed' },
      { type: 'terraformApply', status: 'completed' },
    ]);
    expect(startedPods(jobId)).toBe(2);
    const jobs = await kubernetes.batch.listNamespacedJob({
      namespace: 'terrakube',
      labelSelector: `terrakube.io/job=${jobId}`,
    });
    expect(jobs.items.map(({ metadata }) => metadata?.labels?.['terrakube.io/type']).sort()).toEqual([
      'terraformApply',
      'terraformPlan',
    ]);
    const secrets = await kubernetes.core.listNamespacedSecret({
      namespace: 'terrakube',
      labelSelector: `terrakube.io/job=${jobId}`,
    });
    expect(secrets.items.map(({ metadata }) => metadata?.ownerReferences?.[0]?.uid).sort()).toEqual(
      jobs.items.map(({ metadata }) => metadata?.uid).sort(),
    );
  });

  test('with an approval runs its steps one after the other', async () => {
    const { stack, startedPods } = running();
    const { jobId } = stack.terrakube.createJob({
      steps: [{ type: 'terraformPlan' }, { type: 'approval' }, { type: 'terraformApply' }],
    });
    await until('the approval', () => stack.terrakube.job(jobId).status === 'waitingApproval');

    await stack.terrakube.approve(jobId);
    await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');

    expect(startedPods(jobId)).toBe(3);
  });

  test('that is rejected runs its onReject commands once, and stays rejected', async () => {
    const { stack, startedPods } = running();
    const { jobId } = stack.terrakube.createJob({ steps: [{ type: 'terraformPlan' }, { type: 'approval' }] });
    await until('the approval', () => stack.terrakube.job(jobId).status === 'waitingApproval');

    await stack.terrakube.reject(jobId, [ON_REJECT]);
    await until('the onReject run', () => startedPods(jobId) === 2);
    await until('its report', () => stack.terrakube.job(jobId).steps[1]?.output !== null);

    expect(stack.terrakube.job(jobId).status).toBe('rejected');
  });

  test('with 700 KB of variables reaches its executor', async () => {
    const { stack } = running();
    const variables = { large: 'ü'.repeat(350_000) };
    const { jobId } = stack.terrakube.createJob({ steps: [{ type: 'terraformPlan' }], variables });

    await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');
  });

  test('with characters that SQS refuses reaches its executor', async () => {
    const { stack } = running();
    const { jobId } = stack.terrakube.createJob({
      steps: [{ type: 'terraformPlan' }],
      variables: { odd: '\uffff\ufffe' },
    });

    await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');
  });

  test('with more data than an executor can be given fails with both sizes', async () => {
    const { stack, kubernetes } = running();
    const variables = { large: 'x'.repeat(1_100_000) };
    const { jobId } = stack.terrakube.createJob({ steps: [{ type: 'terraformPlan', name: 'Plan' }], variables });

    await until('the job to fail', () => stack.terrakube.job(jobId).status === 'failed');

    const [step] = stack.terrakube.job(jobId).steps;
    expect(step?.status).toBe('failed');
    expect(step?.name).toMatch(/^Plan: the job's data is too large \(1,100,\d{3} bytes, limit 786,432\)$/);
    expect(decodeURIComponent(step?.output ?? '')).toMatch(
      /^data:\/\/text\/plain;charset=utf-8,terrakube-dispatcher: the job's data is too large .*\nWhat was seen: Terrakube sent .*\nWhat to do: Make the variables/,
    );
    expect(stack.terrakube.job(jobId).output).toContain('too large');
    const jobs = await kubernetes.batch.listNamespacedJob({
      namespace: 'terrakube',
      labelSelector: `terrakube.io/job=${jobId}`,
    });
    expect(jobs.items).toEqual([]);
  });
});

describe('the front door', () => {
  const body = '{"organizationId":"o","workspaceId":"w","jobId":"1","stepId":"s","type":"terraformPlan"}';
  const post = async (path: string, init: RequestInit & { token?: string } = {}) => {
    const { stack } = running();
    const key = internalSecretKey(stack.internalSecret);
    if ('problem' in key) throw new Error(key.problem);
    const token = init.token ?? (await signDispatchToken({ bytes: key.key, algorithm: 'HS256' }));
    const url = stack.dispatchUrl.replace('/api/v1/terraform-rs', path);
    const answer = await fetch(url, { method: 'POST', body, ...init, headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
  };
  const refused = (status: number, code: string, message: string) => ({
    status,
    type: 'application/json',
    body: `${JSON.stringify({ code, message })}\n`,
  });

  test('answers 202 with an empty body, under any prefix', async () => {
    expect(await post('/api/v1/terraform-rs')).toMatchObject({ status: 202, body: '' });
    expect(await post('/team-a/x/api/v1/terraform-rs')).toMatchObject({ status: 202, body: '' });
  });

  test('says what is wrong, in the order path, method, sign-in, body', async () => {
    const notFound = refused(
      404,
      'not_found',
      'Dispatches are taken at URLs that end in /api/v1/terraform-rs, without a query.',
    );
    const unauthorized = refused(401, 'unauthorized', 'The sign-in is missing, expired, or made with another secret.');
    expect(await post('/api/v1/other', { method: 'PUT', token: 'x' })).toEqual(notFound);
    expect(await post('/api/v1/terraform-rs', { method: 'PUT', token: 'x' })).toEqual(
      refused(405, 'method_not_allowed', 'Dispatches are sent with POST.'),
    );
    expect(await post('/api/v1/terraform-rs', { token: 'x', body: 'nonsense' })).toEqual(unauthorized);
    expect(await post('/api/v1/terraform-rs', { body: 'nonsense' })).toEqual(
      refused(400, 'invalid_body', 'The body must be JSON with organizationId, workspaceId, jobId, stepId and type.'),
    );
  });
});
