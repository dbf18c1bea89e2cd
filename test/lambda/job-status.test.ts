// job-status as it is deployed: every form of its event through the built bundle, in Lambda's own runtime client.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { V1Job } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { type DispatchIds, dispatchIds } from '../../lib/domain/dispatch-request.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import type { InvokeResult } from '../../local/lambda/sandbox.ts';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { executorSettings } from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { queueEvent } from '../support/queue-event.ts';
import { until, useStack } from '../support/running-stack.ts';

const EVENTS = path.resolve(import.meta.dirname, '../../events');
const read = (file: string): string => readFileSync(path.join(EVENTS, file), 'utf8');
const FILES = readdirSync(EVENTS).filter((file) => file.startsWith('job-status.'));
/** The installation of the event files, and their only Job. */
const INSTALLATION = '8f03dc2e';
const NAME = 'job-1-09c9bacf25';
const INTERNAL_SECRET = Buffer.from('marker-internal-secret-0123456789abcdef').toString('base64url');

const running = useStack({
  pollers: false,
  internalSecret: INTERNAL_SECRET,
  parameters: { Installation: INSTALLATION },
});

interface Answer {
  readonly result: InvokeResult;
  /** What the function wrote meanwhile. */
  readonly logs: readonly Readonly<Record<string, unknown>>[];
}

async function invoke(event: unknown): Promise<Answer> {
  const { stack, logs } = running();
  const before = logs.length;
  const result = await stack.lambda.invoke('job-status', event);
  return { result, logs: logs.slice(before).filter(({ service }) => service === 'job-status') };
}

/** EventBridge's envelope around the name of a Job. */
const nameEvent = (name: string) => ({
  source: 'terrakube.executor',
  'detail-type': 'Kubernetes Job Name',
  detail: { namespace: 'terrakube', name },
});

describe('the event files', () => {
  test('are there in every form', () => {
    expect(FILES).toEqual([
      'job-status.audit.json',
      'job-status.control-message.json',
      'job-status.eventbridge-event.json',
      'job-status.eventbridge-job.json',
      'job-status.eventbridge-name.json',
      'job-status.eventbridge-pod.json',
      'job-status.sqs-event.json',
      'job-status.sqs-job.json',
      'job-status.sqs-name.json',
      'job-status.sqs-pod.json',
    ]);
  });

  // Neither world has the Job: what is written of it says whether the event brought its last document.
  test.each(FILES.filter((file) => !file.includes('control-message')))(
    '%s makes the function look at its Job once',
    async (file) => {
      const { result, logs } = await invoke(JSON.parse(read(file)));

      expect(result).toEqual({ status: 200, payload: 'null' });
      const document = /audit|-job\./.test(file);
      expect(logs.filter(({ message }) => message === 'job observed')).toEqual([
        expect.objectContaining({
          level: 'INFO',
          jobName: NAME,
          outcome: 'missing',
          reason: expect.stringMatching(document ? /^row 7: leave, none$/ : /^row 0: leave, none$/),
          ...(document ? { terrakubeJobId: '1' } : {}),
        }),
      ]);
      expect(logs.filter(({ level }) => level !== 'INFO')).toEqual([]);
    },
  );
});

describe('an event that speaks of no Job gives one line and no error:', () => {
  test.each<[string, unknown, string]>([
    ['a control message of CloudWatch Logs', JSON.parse(read('job-status.control-message.json')), 'controlMessage'],
    ['logs that are no gzip', { awslogs: { data: 'bm90IGd6aXA=' } }, 'unreadable'],
    ['an empty object', {}, 'unknownForm'],
    ['null', null, 'unknownForm'],
    ['a text', 'job-1-09c9bacf25', 'unknownForm'],
    ['a list', [1, 2], 'unknownForm'],
    ['a record without a body', { Records: [{}] }, 'unknownForm'],
    ['a record that is not JSON', queueEvent({ body: '{"namespace":' }), 'unreadable'],
    ['another kind of object', { kind: 'Deployment', metadata: { namespace: 'terrakube', name: NAME } }, 'unknownForm'],
    ['a Job of another namespace', nameEventIn('default'), 'otherNamespace'],
    ['a Job of somebody else', nameEvent('nightly-backup'), 'otherName'],
    [
      'a Job of another installation',
      JSON.parse(read('job-status.eventbridge-job.json').replaceAll(INSTALLATION, '00000000')),
      'otherInstallation',
    ],
  ])('%s', async (_, event, reason) => {
    const { result, logs } = await invoke(event);

    expect(result).toEqual({ status: 200, payload: 'null' });
    expect(logs).toEqual([expect.objectContaining({ level: 'INFO', message: 'event ignored', reason })]);
  });
});

function nameEventIn(namespace: string) {
  return { ...nameEvent(NAME), detail: { namespace, name: NAME } };
}

describe('a Job that cannot be observed', () => {
  const names = ['job-7-0000000001', 'job-7-0000000002', 'job-7-0000000003'];
  const event = queueEvent(...names.map((name) => ({ body: JSON.stringify(nameEvent(name)) })));

  test('makes the invocation fail, after all others were observed', async () => {
    const { stack } = running();
    stack.cluster.answerNext({ method: 'GET', path: new RegExp(`/jobs/${names[0]}$`), ...failure(500) });

    const { result, logs } = await invoke(event);

    expect(result.functionError).toBe('Unhandled');
    expect(JSON.parse(result.payload)).toMatchObject({ errorMessage: '1 of 3 Jobs could not be observed.' });
    expect(
      logs
        .filter(({ message }) => message === 'job observed')
        .map(({ jobName: name }) => name)
        .sort(),
    ).toEqual(names.slice(1));
    expect(logs.filter(({ message }) => message === 'job not observed')).toEqual([
      expect.objectContaining({
        level: 'ERROR',
        jobName: names[0],
        code: 'clusterUnavailable',
        status: 500,
        reason: `The Kubernetes API answered 500 about Job ${names[0]}.`,
      }),
    ]);
  });

  test('is observed when the event comes again', async () => {
    const { result, logs } = await invoke(event);

    expect(result).toEqual({ status: 200, payload: 'null' });
    expect(logs.map(({ message }) => message)).toEqual(['job observed', 'job observed', 'job observed']);
  });

  test('because Terrakube is down makes the invocation fail, too', async () => {
    const { stack } = running();
    const job = await suspendedJob(await waitingStep());
    stack.terrakube.answerNext({ method: 'GET', path: /\/job\/\d+$/, status: 500 });

    const { result, logs } = await invoke(nameEvent(job.metadata?.name ?? ''));

    expect(JSON.parse(result.payload)).toMatchObject({ errorMessage: '1 of 1 Jobs could not be observed.' });
    expect(logs[0]).toMatchObject({ message: 'job not observed', code: 'terrakubeUnavailable' });
  });
});

describe('a Job that is gone', () => {
  test.each(['job-status.eventbridge-job.json', 'job-status.sqs-job.json', 'job-status.audit.json'])(
    'is told by the final document in %s',
    async (file) => {
      const { stack } = running();
      const ids = await waitingStep();
      const event = withIds(file, ids);

      const { result, logs } = await invoke(event);

      expect(result).toEqual({ status: 200, payload: 'null' });
      expect(logs.at(-1)).toMatchObject({
        message: 'job observed',
        jobName: jobName(ids, INSTALLATION, 1),
        terrakubeJobId: ids.jobId,
        stepId: ids.stepId,
        outcome: 'missing',
        reason: 'row 3: fail, done',
      });
      const { status, output, steps } = stack.terrakube.job(ids.jobId);
      expect({ status, step: steps[0]?.status }).toEqual({ status: 'failed', step: 'failed' });
      expect(output).toMatch(/^terrakube-dispatcher: /);
      expect(steps[0]?.name).toMatch(/^Plan: /);
    },
  );

  test('is left alone without one: the events of pods and names hold none', async () => {
    const { stack } = running();
    const ids = await waitingStep();

    const { result } = await invoke(withIds('job-status.eventbridge-pod.json', ids));

    expect(result.functionError).toBeUndefined();
    expect(stack.terrakube.job(ids.jobId)).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
  });
});

describe('connections to the cluster', () => {
  test('are kept: one TLS handshake a sandbox for one call after the other', async () => {
    const { stack } = running();
    await stack.lambda.kill('job-status');
    const [handshakes, sandboxes] = [stack.cluster.stats.handshakes, stack.lambda.startedSandboxes('job-status')];

    for (let index = 1; index <= 5; index += 1) await invoke(nameEvent(`job-8-000000000${index}`));

    expect(stack.lambda.startedSandboxes('job-status') - sandboxes).toBe(1);
    expect(stack.cluster.stats.handshakes - handshakes).toBe(1);
  });

  test('are as many as calls go side by side, and none are added by the next event', async () => {
    const { stack } = running();
    const job = await suspendedJob(await waitingStep());
    await stack.lambda.kill('job-status');
    const before = stack.cluster.stats.handshakes;

    await invoke(nameEvent(job.metadata?.name ?? ''));
    const first = stack.cluster.stats.handshakes - before;
    for (let index = 1; index <= 3; index += 1) await invoke(nameEvent(job.metadata?.name ?? ''));

    // Pods, Events, and the Jobs of the Terrakube job are read at the same time; a connection whose answer has just been
    // read is free only a moment later, so the Events of a pod may open one more. A connection for each call would be five
    // in the first event alone.
    expect(first).toBeLessThanOrEqual(4);
    expect(stack.cluster.stats.handshakes - before).toBeLessThanOrEqual(4);
  });
});

test('nothing secret is in a log line, an error, or what Terrakube is told', async () => {
  const { stack, lines } = running();
  const answers: InvokeResult[] = [];
  const ids = await waitingStep();
  const job = await suspendedJob(ids, 'marker-payload');
  const name = job.metadata?.name ?? '';
  const observe = async (event: unknown) => void answers.push((await invoke(event)).result);
  const path = new RegExp(`/jobs/${name}$`);
  for (const status of [500, 403, 401, 401]) stack.cluster.answerNext({ method: 'GET', path, ...failure(status) });
  stack.terrakube.answerNext({ method: 'GET', path: /\/job\/\d+$/, status: 500, body: 'marker-answer' });
  for (let index = 1; index <= 4; index += 1) await observe(nameEvent(name));
  await observe(nameEvent(name));
  await observe({ Records: [{ body: '{"token":"marker-body"' }] });
  await observe({ kind: 'marker-kind', metadata: { name: 'marker-name' } });
  await observe({ awslogs: { data: gzipSync('{"messageType":"marker-type"}').toString('base64') } });
  const gone = await waitingStep();
  await observe(
    withIds('job-status.eventbridge-job.json', gone, (text) =>
      text
        .replaceAll('"value": "true"', '"value": "marker-environment"')
        .replace(
          'Job has reached the specified backoff limit',
          'Job has reached the specified backoff limit password=marker-message',
        ),
    ),
  );
  expect(stack.terrakube.job(gone.jobId).status).toBe('failed');

  expect(answers.map(({ functionError }) => functionError !== undefined)).toEqual([
    ...[true, true, true, true],
    ...[false, false, false, false, false],
  ]);
  const secrets = [
    'marker-',
    INTERNAL_SECRET,
    LOCAL_CREDENTIALS.secretAccessKey,
    LOCAL_CREDENTIALS.sessionToken ?? 'no session token',
    'k8s-aws-v1.',
    'X-Amz-Signature',
    'eyJhbGciOi',
    Buffer.from('marker-payload').toString('base64'),
  ];
  expect(lines.length).toBeGreaterThan(10);
  const told = [gone, ids].map(({ jobId }) => [stack.terrakube.job(jobId), stack.terrakube.logs(jobId)]);
  expect(leaksIn([lines, answers, told], secrets)).toEqual([]);
});

/** A refusal whose words nobody should see. */
const failure = (code: number) => ({
  status: code,
  body: {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'marker-words',
    reason: 'No',
    code,
  },
});

/** A step that waits for its executor, of a job whose dispatch went to nobody. */
async function waitingStep(): Promise<DispatchIds> {
  const { stack } = running();
  const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan', name: 'Plan' }] });
  await until('its step', () => stack.terrakube.job(jobId).steps.length > 0);
  return dispatchIds(JSON.parse(payload.toString('utf8')));
}

/** The Job of a step, suspended: no executor takes part. */
async function suspendedJob(ids: DispatchIds, payload = 'x'): Promise<V1Job> {
  const now = epochMs(Date.now());
  const job = buildJob({
    request: { ids, payload: Buffer.from(payload), acceptedAt: now },
    settings: executorSettings({ transport: 'env' }),
    installation: INSTALLATION,
    start: 1,
    now,
  });
  const body = { ...job, ...(job.spec === undefined ? {} : { spec: { ...job.spec, suspend: true } }) };
  return running().kubernetes.batch.createNamespacedJob({ namespace: 'terrakube', body });
}

/** An event file as if it were about another step. */
function withIds(file: string, ids: DispatchIds, change = (text: string): string => text): unknown {
  const event = JSON.parse(read(file));
  if (event.awslogs === undefined) return JSON.parse(change(rewritten(JSON.stringify(event, null, 2), ids)));
  const text = rewritten(gunzipSync(Buffer.from(event.awslogs.data, 'base64')).toString('utf8'), ids);
  return { awslogs: { data: gzipSync(text).toString('base64') } };
}

/** JSON, and JSON within JSON. */
const rewritten = (text: string, ids: DispatchIds): string =>
  text
    .replaceAll(NAME, jobName(ids, INSTALLATION, 1))
    .replace(
      /(terrakube\.io\/(organization|workspace|job|step)\\?": ?\\?")[^"\\]+/g,
      (_, start: string, label: string) => {
        const values: Readonly<Record<string, string>> = {
          organization: ids.organizationId,
          workspace: ids.workspaceId,
          job: ids.jobId,
          step: ids.stepId,
        };
        return `${start}${values[label]}`;
      },
    );
