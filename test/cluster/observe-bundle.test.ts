// The whole product on a real control plane, job-status among it: the built bundle in Lambda's runtime client, under its own
// role, invoked with nothing but what the subscription of the audit log hands on.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditTail, startAuditTail } from '../../local/audit-tail.ts';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { startRealCluster } from '../../local/control-plane/real-cluster.ts';
import type { LocalCluster } from '../../local/local-cluster.ts';
import { NAMESPACE, type Stack, startStackOn } from '../../local/stack.ts';
import { filterPattern } from '../support/filter-pattern.ts';
import { until } from '../support/running-stack.ts';
import { subscriptionPattern } from '../support/subscription.ts';

const programs = await buildControlPlane();
const hasControllers = programs.kind === 'module' || programs.controllers !== undefined;
/** The process of an executor that ends before its first word. */
const executor = [process.execPath, '-e', 'process.exit(3)'];

describe.skipIf(!hasControllers)('job-status on a real control plane', () => {
  const running: { stack?: Stack<LocalCluster>; tail?: AuditTail; folder?: string } = {};
  const answers: { readonly status: number; readonly payload: string }[] = [];
  beforeAll(async () => {
    running.folder = await mkdtemp(join(tmpdir(), 'stack-'));
    const auditLog = join(running.folder, 'audit.log');
    const stack = await startStackOn((options) => startRealCluster(programs, options, { auditLog }), { executor });
    running.stack = stack;
    running.tail = await startAuditTail({
      file: auditLog,
      passes: filterPattern(await subscriptionPattern(NAMESPACE)),
      everyMs: 500,
      invoke: async (batch) => {
        const { status, functionError, payload } = await stack.lambda.invoke('job-status', batch);
        answers.push({ status, payload });
        if (functionError !== undefined) throw new Error(payload);
      },
    });
  });
  afterAll(async () => {
    await running.tail?.close();
    await running.stack?.close();
    await rm(running.folder ?? '', { recursive: true, force: true });
  });

  test('an executor that ends before its first word: the run says with which code', async () => {
    const { terrakube } = running.stack ?? {};
    if (!terrakube) throw new Error('The stack did not start.');
    const { jobId } = terrakube.createJob({ steps: [{ type: 'terraformPlan', name: 'Plan' }] });

    await until('the job to fail', () => terrakube.job(jobId).status === 'failed', 50_000);

    expect(terrakube.job(jobId).steps).toMatchObject([
      { status: 'failed', name: 'Plan: executor ended with exit code 3' },
    ]);
    // Terrakube knows before the invocation that told it has ended.
    await until('job-status to answer', () => answers.length > 0, 20_000);
    expect(answers).toEqual(answers.map(() => ({ status: 200, payload: 'null' })));
  });
});
