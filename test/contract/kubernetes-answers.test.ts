import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiRefusal } from '../../lib/domain/create-answer.ts';
import { buildPayloadSecret } from '../../lib/domain/payload-secret.ts';
import type { ApiAnswer, JobStore } from '../../lib/ports.ts';
import { isObject, type Json, listAt, objectAt, textAt } from '../../local/json.ts';
import { kubernetesJob, payload, recordedVerdict } from '../support/builders.ts';
import { type KubernetesBench, startKubernetesBench } from '../support/kubernetes-bench.ts';
import { refusedWith } from '../support/refused-with.ts';
import type { Reply } from '../support/scripted-server.ts';

const folder = new URL('../fixtures/kubernetes/api/', import.meta.url);

/** An exchange with a real API server. */
interface Recording {
  readonly file: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Json;
  readonly reply: Reply;
}

function recording(name: string): Recording {
  const exchange: Json = JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
  const response = objectAt(exchange, 'response');
  const status = Number(response['status']);
  const body = response['body'] ?? '';
  const headers = objectAt(response, 'headers');
  const contentType = textAt(headers, 'Content-Type');
  const retryAfter = textAt(headers, 'Retry-After');
  return {
    file: name,
    method: textAt(exchange, 'request', 'method') ?? '',
    path: textAt(exchange, 'request', 'path') ?? '',
    status,
    retryAfter,
    body,
    reply: {
      status,
      headers: {
        ...(contentType === undefined ? {} : { 'Content-Type': contentType }),
        ...(retryAfter === undefined ? {} : { 'Retry-After': retryAfter }),
      },
      body: typeof body === 'string' ? body : Object(body),
    },
  };
}

const recordings = readdirSync(folder).map((file) => recording(file.replace('.json', '')));
const creates = recordings.filter(({ method, path }) => method === 'POST' && /\/jobs(\?|$)/.test(path));

let bench: KubernetesBench;
beforeAll(async () => {
  bench = await startKubernetesBench(() => 'reset');
});
afterAll(() => bench.close());

const job = kubernetesJob();
const secret = buildPayloadSecret(job, { name: 'job-17', uid: 'uid-17' }, payload());

function answering({ reply }: Recording) {
  bench.server.script(() => reply);
  return bench.store;
}

const refused = (refusal: ApiRefusal): ApiAnswer<never> => ({ kind: 'refused', refusal });

/** What a recording says, as the port says it. */
function refusalIn({ status, body, retryAfter }: Recording): ApiRefusal {
  const isStatus = isObject(body) && body['kind'] === 'Status';
  const reason = isStatus ? textAt(body, 'reason') : undefined;
  const kind = isStatus ? textAt(body, 'details', 'kind') : undefined;
  return {
    status,
    message: (isStatus ? textAt(body, 'message') : undefined) ?? '',
    causes: (isStatus ? listAt(body, 'details', 'causes') : []).map((cause) => {
      const field = textAt(cause, 'field');
      return { message: textAt(cause, 'message') ?? '', ...(field === undefined ? {} : { field }) };
    }),
    ...(reason === undefined ? {} : { reason }),
    ...(kind === undefined ? {} : { kind }),
    ...(retryAfter === undefined ? {} : { retryAfterSeconds: Number(retryAfter) }),
  };
}

describe('a recorded answer to a create', () => {
  test('is one of at least thirty', () => {
    expect(creates.length).toBeGreaterThanOrEqual(30);
  });

  test.each(creates.filter(({ status }) => status >= 400))(
    'that refuses it is given back as it was said ($file)',
    async (one) => {
      const store = answering(one);
      expect(await store.createJob(job)).toEqual(refused(refusalIn(one)));
      expect(await store.createSecret(secret)).toEqual(refused(refusalIn(one)));
    },
  );

  test.each(creates.filter(({ status }) => status === 201))('that did it is the object ($file)', async (one) => {
    const answer = await answering(one).createJob(job);
    const created = answer.kind === 'ok' ? answer.object : undefined;
    expect({ name: created?.metadata?.name, uid: created?.metadata?.uid }).toEqual({
      name: textAt(one.body, 'metadata', 'name'),
      uid: textAt(one.body, 'metadata', 'uid'),
    });
    expect(created?.spec?.template.spec?.containers[0]?.image).toMatch(/./);
  });

  // The same in full, so that nobody has to believe the reading of the recordings above.
  test.each<[string, ApiRefusal]>([
    ['429-too-many-requests', { status: 429, message: '', causes: [], retryAfterSeconds: 1 }],
    [
      '403-quota-exceeded',
      {
        status: 403,
        reason: 'Forbidden',
        message:
          'jobs.batch "q2" is forbidden: exceeded quota: terrakube-quota, requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=1',
        kind: 'jobs',
        causes: [],
      },
    ],
    [
      '404-namespace',
      { status: 404, reason: 'NotFound', message: 'namespaces "nothere" not found', kind: 'namespaces', causes: [] },
    ],
    [
      '422-request-over-limit',
      {
        status: 422,
        reason: 'Invalid',
        message:
          'Job.batch "inv" is invalid: spec.template.spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi',
        kind: 'Job',
        causes: [
          {
            field: 'spec.template.spec.containers[0].resources.requests',
            message: 'Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi',
          },
        ],
      },
    ],
  ])('reads in full (%s)', async (file, refusal) => {
    expect(await answering(recording(file)).createJob(job)).toEqual(refused(refusal));
  });

  test('may be a time-out of the server, whose text has no kind', async () => {
    expect(await answering(recording('504-etcd-stalled-get')).createJob(job)).toEqual(
      refused({ status: 504, message: '', causes: [] }),
    );
  });

  test('may ask for a longer wait in its details than in its header', async () => {
    const body = { kind: 'Status', message: 'slow down', details: { retryAfterSeconds: 9 } };
    bench.server.script(() => ({ status: 429, headers: { 'Retry-After': '1' }, body }));
    expect(await bench.store.createJob(job)).toMatchObject({ refusal: { retryAfterSeconds: 9 } });
  });
});

/** The error that a read of `what` ends with. */
const fault = (code: string, status: number, what: string, more: object = {}) => ({
  code,
  status,
  message: `The Kubernetes API answered ${status} about ${what}.`,
  ...more,
});

describe('a recorded answer to a read', () => {
  test.each<[string, unknown]>([
    ['401-deleted-serviceaccount', fault('clusterUnauthorized', 401, 'Job job-17')],
    ['403-anonymous', fault('clusterUnauthorized', 403, 'Job job-17')],
    ['403-rbac-get', fault('clusterRefused', 403, 'Job job-17')],
    ['404-path', fault('clusterRefused', 404, 'Job job-17')],
    ['404-namespace', fault('clusterRefused', 404, 'Job job-17')],
    ['429-too-many-requests-get', fault('clusterUnavailable', 429, 'Job job-17', { retryAfterSeconds: 1 })],
    ['500-bad-resource-version', fault('clusterUnavailable', 500, 'Job job-17')],
    ['504-etcd-stalled-get', fault('clusterUnavailable', 504, 'Job job-17')],
    ['504-rv-too-large', fault('clusterUnavailable', 504, 'Job job-17', { retryAfterSeconds: 1 })],
  ])('that gives no object is an error (%s)', async (file, error) => {
    expect(await refusedWith(answering(recording(file)).getJob('job-17'))).toEqual(error);
  });

  test('says that a Job is not there', async () => {
    expect(await answering(recording('404-job-get')).getJob('nothere')).toBe('notFound');
  });

  test.each(['404 page not found\n', '<html>Not Found</html>'])(
    'says nothing about a Job when it is a 404 of something else: %j',
    async (body) => {
      bench.server.script(() => ({ status: 404, headers: { 'content-type': 'text/plain' }, body }));
      expect(await refusedWith(bench.store.getJob('job-17'))).toEqual(fault('clusterRefused', 404, 'Job job-17'));
      expect(await refusedWith(bench.store.getSecretOwners('job-17'))).toEqual(
        fault('clusterRefused', 404, 'Secret job-17'),
      );
      expect(await refusedWith(bench.store.stopJob('job-17', '1', recordedVerdict()))).toEqual(
        fault('clusterRefused', 404, 'Job job-17'),
      );
    },
  );

  test.each<[string, unknown]>([
    ['403-rbac-get', { answered: 'forbidden' }],
    ['403-anonymous', fault('clusterUnauthorized', 403, 'Secret job-17')],
    ['404-job-get', fault('clusterRefused', 404, 'Secret job-17')],
  ])('of a Secret tells a missing right from an unknown token and a strange answer (%s)', async (file, expected) => {
    expect(await refusedWith(answering(recording(file)).getSecretOwners('job-17'))).toEqual(expected);
  });

  test.each<[string, unknown]>([
    ['403-rbac-create', fault('clusterRefused', 403, 'list of Jobs')],
    ['410-bad-continue', fault('clusterRefused', 410, 'list of Jobs')],
    ['404-job-get', fault('clusterRefused', 404, 'list of Jobs')],
    ['429-too-many-requests-get', fault('clusterUnavailable', 429, 'list of Jobs', { retryAfterSeconds: 1 })],
  ])('that gives no list is an error, never an empty list (%s)', async (file, error) => {
    expect(await refusedWith(answering(recording(file)).listJobs('a=b'))).toEqual(error);
  });
});

describe.each([
  ['stops', (store: JobStore) => store.stopJob('job-17', '1', recordedVerdict())],
  ['resumes', (store: JobStore) => store.resumeJob('job-17', '1')],
] as const)('a recorded answer to a patch that %s', (_, run) => {
  const patch = (one: Recording) => run(answering(one));

  test('says that the Job has changed', async () => {
    expect(await patch(recording('409-stale-resource-version'))).toBe('conflict');
  });

  test('says that the Job is gone', async () => {
    expect(await patch(recording('404-job-get'))).toBe('notFound');
  });

  test.each<[string, unknown]>([
    ['415-content-type', fault('clusterRefused', 415, 'Job job-17')],
    ['422-immutable-template', fault('clusterRefused', 422, 'Job job-17')],
    ['500-webhook-unreachable', fault('clusterUnavailable', 500, 'Job job-17')],
  ])('that did not do it is an error (%s)', async (file, error) => {
    expect(await refusedWith(patch(recording(file)))).toEqual(error);
  });
});
