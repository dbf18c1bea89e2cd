// No secret leaves: markers in payload, tokens and settings are looked for in everything that the product writes, over
// runs that go well and runs that do not.
import { expect, test } from 'vitest';
import { internalSecretKey } from '../../lib/domain/internal-secret.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { catchDispatch } from '../../local/own-dispatch.ts';
import { signDispatchToken } from '../../local/terrakube/internal-key.ts';
import { queueEvent } from '../support/queue-event.ts';
import { type RunningStack, startRunningStack, until } from '../support/running-stack.ts';

const INTERNAL_SECRET = Buffer.from('marker-internal-secret-0123456789abcdef').toString('base64url');
const payloadSecrets = {
  accessToken: 'marker-vcs-token',
  environmentVariables: { AWS_SECRET_ACCESS_KEY: 'marker-cloud-key', workspaceName: 'demo' },
  variables: { password: 'marker-variable' },
};
/** What must not appear anywhere but in its Secret, on the queue, and at the executor. */
const MARKERS = [
  'marker-vcs-token',
  'marker-cloud-key',
  'marker-variable',
  INTERNAL_SECRET,
  'marker-internal-secret',
  LOCAL_CREDENTIALS.secretAccessKey,
  LOCAL_CREDENTIALS.sessionToken ?? 'local-session-token',
  'k8s-aws-v1.',
  'X-Amz-Signature',
  'eyJhbGciOi',
];

test('nothing secret is in a log line, an answer, a manifest or what Terrakube is told', async () => {
  const seen: string[] = [];
  const running = await startRunningStack({
    internalSecret: INTERNAL_SECRET,
    terrakube: { onEvent: (event) => void seen.push(JSON.stringify(event)) },
    onClusterChange: ({ object }) => {
      if (object['kind'] !== 'Secret') seen.push(JSON.stringify(object));
    },
  });
  try {
    await runWell(running);
    await runBadly(running);
    seen.push(...(await observe(running)));
    seen.push(...(await badPosts(running)), ...running.lines);
    for (const { path } of running.stack.terrakube.requests) seen.push(path);
    for (const { path } of running.stack.cluster.stats.requests) seen.push(path);
  } finally {
    await running.stack.close();
  }

  const outcomes = new Set(running.logs.flatMap(({ outcome }) => (typeof outcome === 'string' ? [outcome] : [])));
  expect([...outcomes].sort()).toEqual(
    [
      ...['created', 'failed', 'invalid_body', 'payload', 'refused', 'retried', 'skipped', 'unauthorized', 'waiting'],
      ...['succeeded', 'missing'],
    ].sort(),
  );
  expect(seen.length).toBeGreaterThan(100);
  const leaks = MARKERS.flatMap((marker) =>
    seen.filter((text) => holds(text, marker)).map((text) => ({ marker, text })),
  );
  expect(leaks).toEqual([]);
});

test('the search for markers finds them, also as base64', () => {
  const hidden = Buffer.from(`{"x":"marker-variable"}`).toString('base64');

  expect([holds('a marker-variable b', 'marker-variable'), holds(`{"v":"${hidden}"}`, 'marker-variable')]).toEqual([
    true,
    true,
  ]);
  expect(holds('nothing', 'marker-variable')).toBe(false);
});

/** Says whether a text holds a marker, as it is or within a base64 value. */
function holds(text: string, marker: string): boolean {
  if (text.includes(marker)) return true;
  const encoded = text.match(/[A-Za-z0-9+/_-]{16,}/g) ?? [];
  return encoded.some((word) => Buffer.from(word, 'base64').toString('latin1').includes(marker));
}

async function runWell({ stack }: RunningStack): Promise<void> {
  const { jobId } = stack.terrakube.createJob({ steps: [{ type: 'terraformPlan' }], ...payloadSecrets });
  await until('the job to complete', () => stack.terrakube.job(jobId).status === 'completed');
}

/** Each kind of failure of dispatch: refused by Kubernetes, out of quota, Terrakube down, cluster down, unreadable, too large. */
async function runBadly({ stack }: RunningStack): Promise<void> {
  const jobs = /\/jobs$/;
  const answers = [
    {
      status: 422,
      body: status(422, 'Invalid', 'Job.batch is invalid: spec: Invalid value: {"env":"marker-variable"}'),
    },
    {
      status: 403,
      body: status(
        403,
        'Forbidden',
        'jobs.batch is forbidden: exceeded quota: q, requested: a=1, used: a=1, limited: a=1',
      ),
    },
    { status: 500, body: status(500, 'InternalError', 'Internal error occurred') },
    { status: 401, body: status(401, 'Unauthorized', 'Unauthorized'), times: 2 },
  ];
  for (const answer of answers) {
    const { payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan' }], ...payloadSecrets });
    stack.cluster.answerNext({ method: 'POST', path: jobs, ...answer });
    await stack.lambda.invoke('dispatch', queueEvent({ body: payload.toString('utf8') }));
  }
  const { payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan' }], ...payloadSecrets });
  const body = payload.toString('utf8');
  stack.terrakube.answerNext({ method: 'GET', path: /\/job\//, status: 500, body: body });
  await stack.lambda.invoke('dispatch', queueEvent({ body }));
  await stack.lambda.invoke(
    'dispatch',
    queueEvent({ body: body.slice(0, -1) }, { body, attributes: { encoding: 'zip' } }),
  );
  await stack.lambda.invoke('dispatch', { Records: [{ body }] });
  const large = { ...JSON.parse(body), variables: { large: `marker-variable ${'x'.repeat(800_000)}` } };
  await stack.lambda.invoke('dispatch', queueEvent({ body: JSON.stringify(large) }));
  await stack.lambda.invoke('dispatch', queueEvent({ body: body.replace(/"jobId":"\d+"/, '"jobId":"999999"') }));
}

/** Job-status: a Job as its watcher sends it, one that is gone, a cluster that is down, and an event that nobody can read. */
async function observe({ stack, kubernetes }: RunningStack): Promise<readonly string[]> {
  const { items } = await kubernetes.batch.listNamespacedJob({ namespace: 'terrakube' });
  const ended = items.find(({ status: shown }) => shown?.conditions?.some(({ type }) => type === 'Complete'));
  const job = { ...ended, kind: 'Job', apiVersion: 'batch/v1' };
  const name = ended?.metadata?.name ?? '';
  const gone = JSON.parse(JSON.stringify(job).replaceAll(name, 'job-999999-0123456789'));
  const answers: string[] = [];
  const invoke = async (detail: unknown) => {
    const event = { source: 'terrakube.executor', 'detail-type': 'Kubernetes Job', detail };
    answers.push((await stack.lambda.invoke('job-status', event)).payload);
  };
  await invoke(job);
  await invoke({ ...gone, spec: { ...gone.spec, marker: 'marker-variable' } });
  const words = status(500, 'InternalError', 'marker-variable');
  stack.cluster.answerNext({ method: 'GET', path: new RegExp(`/jobs/${name}$`), status: 500, body: words });
  await invoke(job);
  await invoke({ kind: 'Job', metadata: payloadSecrets });
  return answers;
}

/** What a stranger gets to read. */
async function badPosts({ stack }: RunningStack): Promise<readonly string[]> {
  const key = internalSecretKey(INTERNAL_SECRET);
  if ('problem' in key) throw new Error(key.problem);
  const token = await signDispatchToken({ bytes: key.key, algorithm: 'HS256' });
  const bodies = [
    { headers: { authorization: `Bearer ${token}x` }, body: JSON.stringify(payloadSecrets) },
    { headers: { authorization: `Bearer ${token}` }, body: `${JSON.stringify(payloadSecrets)}` },
    { headers: { authorization: `Bearer ${token}` }, body: '{"variables":{"password":"marker-variable"' },
  ];
  const texts = bodies.map(async (post) => (await fetch(stack.dispatchUrl, { method: 'POST', ...post })).text());
  return Promise.all(texts);
}

const status = (code: number, reason: string, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
});
