import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { gunzipLogs, unpackLogs } from '../../lib/clients/cloudwatch-logs.ts';
import type { Doorbells } from '../../lib/domain/doorbell.ts';
import { installationOf, isJobName, jobNameOfPod, LABEL } from '../../lib/domain/job-name.ts';
import { readJobStatusEvent } from '../../lib/schemas/job-status-event.ts';
import { isObject, type Json, type JsonObject, objectAt } from '../../local/json.ts';
import { auditLife, batchText, logsEvent, OWN } from '../support/audit.ts';

const NAME = 'job-1-09c9bacf25';
const FORMS = readdirSync('events').filter((file) => file.startsWith('job-status.'));

const eventOf = (form: string): JsonObject => JSON.parse(readFileSync(`events/job-status.${form}.json`, 'utf8'));
const detailOf = (form: string): JsonObject => objectAt(eventOf(`eventbridge-${form}`), 'detail');

/** As the door reads an event. */
const read = (event: unknown): Doorbells => readJobStatusEvent(unpackLogs(event), OWN);

const names = (event: unknown): readonly string[] => read(event).doorbells.map(({ jobName }) => jobName);
const ignored = (...reasons: readonly string[]) => ({ doorbells: [], ignored: reasons.map((reason) => ({ reason })) });
const envelope = (detail: unknown) => ({ ...eventOf('eventbridge-name'), detail });
const records = (...bodies: readonly unknown[]) => ({
  Records: bodies.map((body) => ({ messageId: 'm', body: typeof body === 'string' ? body : JSON.stringify(body) })),
});
/** An object with other metadata; `undefined` takes a field away. */
const withMetadata = (object: JsonObject, changes: Readonly<Record<string, Json | undefined>>): JsonObject =>
  JSON.parse(JSON.stringify({ ...object, metadata: { ...objectAt(object, 'metadata'), ...changes } }));

describe('the event files', () => {
  test('are there in every form', () => {
    expect(FORMS.map((file) => file.split('.')[1])).toEqual([
      'audit',
      'control-message',
      'eventbridge-event',
      'eventbridge-job',
      'eventbridge-name',
      'eventbridge-pod',
      'sqs-event',
      'sqs-job',
      'sqs-name',
      'sqs-pod',
    ]);
  });

  test('speak of a Job of the installation that the other event files are of', () => {
    expect(installationOf('https://terrakube.example.com')).toBe(OWN.installation);
  });

  test.each(FORMS.filter((file) => !file.includes('control-message')))('%s rings for the one Job', (file) => {
    const event = JSON.parse(readFileSync(`events/${file}`, 'utf8'));
    expect(read(event)).toMatchObject({ doorbells: [{ jobName: NAME }], ignored: [] });
  });

  test('a control message of CloudWatch Logs rings for nothing', () => {
    expect(read(eventOf('control-message'))).toEqual(ignored('controlMessage'));
  });

  test.each(['audit', 'eventbridge-job', 'sqs-job'])('%s holds the last document of the Job', (form) => {
    const [{ final } = {}] = read(eventOf(form)).doorbells;
    expect(final?.status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
      'FailureTarget=True',
      'Failed=True',
    ]);
    expect(final?.status?.failed).toBe(1);
  });

  test.each(['eventbridge-pod', 'eventbridge-event', 'eventbridge-name', 'sqs-pod', 'sqs-event', 'sqs-name'])(
    '%s holds no document',
    (form) => {
      expect(read(eventOf(form)).doorbells).toEqual([{ jobName: NAME }]);
    },
  );
});

describe('a document', () => {
  test('is what an outcome is read from, with times as times, and without the environment of the executor', () => {
    const [{ final } = {}] = read(eventOf('eventbridge-job')).doorbells;
    const job = detailOf('job');
    const at = new Date('2026-11-23T19:49:39Z');
    expect(final).toEqual({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { ...objectAt(job, 'metadata'), creationTimestamp: new Date('2026-11-23T19:49:36Z') },
      spec: {
        suspend: false,
        backoffLimit: 0,
        ttlSecondsAfterFinished: 600,
        template: {
          spec: {
            containers: [{ name: 'executor', image: 'localhost/terrakube-runner:test', resources: {} }],
            terminationGracePeriodSeconds: 30,
          },
        },
      },
      status: {
        failed: 1,
        ready: 0,
        terminating: 0,
        startTime: new Date('2026-11-23T19:49:36Z'),
        conditions: ['FailureTarget', 'Failed'].map((type) => ({
          type,
          status: 'True',
          reason: 'BackoffLimitExceeded',
          message: 'Job has reached the specified backoff limit',
          lastProbeTime: at,
          lastTransitionTime: at,
        })),
      },
    });
  });

  test('that is older does not replace a newer one, whatever their order', () => {
    const job = detailOf('job');
    const versions = ['4113', '999', '10000', ''].map((resourceVersion) => withMetadata(job, { resourceVersion }));
    for (const order of [versions, versions.toReversed()]) {
      const { doorbells } = read(records(...order));
      expect(doorbells.map(({ final }) => final?.metadata?.resourceVersion)).toEqual(['10000']);
    }
  });

  test.each<[string, (job: JsonObject) => JsonObject]>([
    ['without labels', (job) => withMetadata(job, { labels: undefined })],
    ['whose times are none', (job) => withMetadata(job, { creationTimestamp: 'yesterday' })],
    ['of another version of the API', (job) => ({ ...job, apiVersion: 'batch/v2' })],
    ['whose status is a text', (job) => ({ ...job, status: 'Failed' })],
    ['whose containers are no list', (job) => ({ ...job, spec: { template: { spec: { containers: {} } } } })],
  ])('%s is left out, the doorbell stays', (_, change) => {
    expect(read(envelope(change(detailOf('job'))))).toEqual({ doorbells: [{ jobName: NAME }], ignored: [] });
  });

  test('that a request has asked for is not one that the API server has answered', () => {
    const lines = auditLife('ours-exit-1').lines.map((line) => JSON.parse(line));
    const requests = lines.map(({ responseObject: _, ...line }) => JSON.stringify({ ...line, level: 'Request' }));
    expect(read(logsEvent(requests)).doorbells).toEqual([{ jobName: 'job-42-ad0097a250' }]);
  });
});

describe('a name', () => {
  test.each([
    ['job-1-09c9bacf25', true],
    ['job-1-09c9bacf25-2', true],
    ['job-9223372036854775807-09c9bacf25-9999', true],
    ['job-1-09c9bacf25-1', false],
    ['job-1-09c9bacf25-02', false],
    ['job-1-09c9bacf2', false],
    ['job-1-09C9BACF25', false],
    ['job-x-09c9bacf25', false],
    ['job--09c9bacf25', false],
    ['job-1-09c9bacf25\n', false],
    ['xjob-1-09c9bacf25', false],
    ['', false],
  ])('%j can be ours: %j', (name, isOurs) => {
    expect(isJobName(name)).toBe(isOurs);
    expect(names(envelope({ namespace: 'terrakube', name }))).toEqual(isOurs ? [name] : []);
  });

  test.each([
    ['job-1-09c9bacf25-pwclc', 'job-1-09c9bacf25'],
    ['job-1-09c9bacf25-3-pwclc', 'job-1-09c9bacf25-3'],
    ['job-1-09c9bacf25-24567', 'job-1-09c9bacf25'],
    ['job-1-09c9bacf25', undefined],
    ['job-1-09c9bacf25-pwcl', undefined],
    ['web-7d4b9c6f5-pwclc', undefined],
  ])('of the pod %s tells the Job %s', (podName, jobName) => {
    expect(jobNameOfPod(podName)).toBe(jobName);
  });
});

describe('what is not ours', () => {
  const job = detailOf('job');
  const pod = detailOf('pod');
  const labels = objectAt(job, 'metadata', 'labels');
  const otherLabels = { ...labels, [LABEL.installation]: 'a1b2c3d4' };

  test.each<[string, unknown, string]>([
    ['a Job of another namespace', withMetadata(job, { namespace: 'default' }), 'otherNamespace'],
    ['a Job of another installation', withMetadata(job, { labels: otherLabels }), 'otherInstallation'],
    ['a Job with labels, none of which is ours', withMetadata(job, { labels: { app: 'x' } }), 'otherInstallation'],
    ['a Job whose label is no text', withMetadata(job, { labels: { [LABEL.installation]: 8 } }), 'otherInstallation'],
    ['a Job without labels and of another name', withMetadata(job, { labels: {}, name: 'backup' }), 'otherName'],
    ['a Job with our label and no name at all', withMetadata(job, { name: '../secrets/x' }), 'otherName'],
    ['a pod of another namespace', withMetadata(pod, { namespace: 'default' }), 'otherNamespace'],
    ['a pod of another installation', withMetadata(pod, { labels: otherLabels }), 'otherInstallation'],
    [
      'a pod of somebody else than a Job',
      withMetadata(pod, { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: NAME, uid: 'u' }] }),
      'otherName',
    ],
    [
      'an Event about a node',
      { kind: 'Event', involvedObject: { kind: 'Node', namespace: '', name: 'n' } },
      'otherName',
    ],
    [
      'an Event about a pod of another name',
      { kind: 'Event', involvedObject: { kind: 'Pod', namespace: 'terrakube', name: 'web-7d4b9c6f5-pwclc' } },
      'otherName',
    ],
    ['a name in another namespace', { namespace: 'default', name: NAME }, 'otherNamespace'],
    ['a Deployment', { kind: 'Deployment', metadata: { namespace: 'terrakube', name: NAME } }, 'unknownForm'],
    ['a Job without metadata', { kind: 'Job' }, 'unknownForm'],
    ['a pod without metadata', { kind: 'Pod' }, 'unknownForm'],
    ['an Event about nothing', { kind: 'Event' }, 'unknownForm'],
    ['a name without a namespace', { name: NAME }, 'unknownForm'],
    ['a kind that is no text', { kind: { Job: 1 }, namespace: 'terrakube', name: NAME }, 'unknownForm'],
  ])('%s rings for nothing', (_, object, reason) => {
    expect(read(envelope(object))).toEqual(ignored(reason));
    expect(read(records(object))).toEqual(ignored(reason));
  });

  test('does not hide what is', () => {
    const found = read(
      records(
        withMetadata(job, { labels: otherLabels }),
        withMetadata(pod, { namespace: 'default' }),
        { namespace: 'terrakube', name: 'job-2-0123456789' },
        withMetadata(job, { name: 'job-1-09c9bacf25-2' }),
        { namespace: 'terrakube', name: 'job-2-0123456789' },
        'no JSON',
        pod,
      ),
    );
    expect(found.doorbells.map(({ jobName, final }) => [jobName, final?.metadata?.name])).toEqual([
      ['job-2-0123456789', undefined],
      ['job-1-09c9bacf25-2', 'job-1-09c9bacf25-2'],
      [NAME, undefined],
    ]);
    expect(found.ignored).toEqual([
      { reason: 'otherInstallation' },
      { reason: 'otherNamespace' },
      { reason: 'unreadable' },
    ]);
  });
});

describe('an envelope', () => {
  test('of EventBridge may come through a queue', () => {
    expect(names(records(eventOf('eventbridge-pod')))).toEqual([NAME]);
  });

  test('may be left away: a rule may send the detail alone', () => {
    expect(names(detailOf('job'))).toEqual([NAME]);
    expect(names(detailOf('name'))).toEqual([NAME]);
  });

  test('may hold an Event without its kind, as typed clients send it', () => {
    const { kind: _, apiVersion: __, ...event } = detailOf('event');
    expect(names(envelope(event))).toEqual([NAME]);
  });

  test('may hold an Event about a pod', () => {
    const event = detailOf('event');
    const involvedObject = { ...objectAt(event, 'involvedObject'), kind: 'Pod', name: `${NAME}-pwclc` };
    expect(names(envelope({ ...event, involvedObject }))).toEqual([NAME]);
  });

  test('may hold a pod without labels and owner: then its name tells', () => {
    expect(names(envelope(withMetadata(detailOf('pod'), { labels: undefined, ownerReferences: undefined })))).toEqual([
      NAME,
    ]);
  });
});

describe('a line of the audit log', () => {
  const lines = auditLife('ours-exit-1').lines.map((line): JsonObject => JSON.parse(line));
  const jobName = 'job-42-ad0097a250';
  const lineOf = (verb: string, subresource?: string): JsonObject =>
    lines.find((line) => line['verb'] === verb && objectAt(line, 'objectRef')['subresource'] === subresource) ?? {};
  const status = lineOf('update', 'status');
  const podStatus = lineOf('patch', 'status');
  const refused = JSON.parse(auditLife('ours-refused-quota').lines[1] ?? '');
  const readLine = (line: unknown) => read(logsEvent([JSON.stringify(line)]));

  test('with its metadata alone rings by the name', () => {
    const { requestObject: _, responseObject: __, ...metadata } = status;
    expect(readLine({ ...metadata, level: 'Metadata' })).toEqual({ doorbells: [{ jobName }], ignored: [] });
  });

  test("of the kubelet rings by the pod's name, for the request holds nothing else", () => {
    const life = auditLife('audit-job-exit-1');
    const line: JsonObject = JSON.parse(life.lines[5] ?? '');
    expect(Object.keys(objectAt(line, 'requestObject', 'metadata'))).toEqual(['uid']);
    expect(readLine(line)).toEqual({ doorbells: [{ jobName: life.jobName }], ignored: [] });
  });

  test('about a refused pod rings by the owner that it would have had', () => {
    expect(readLine(refused)).toEqual({ doorbells: [{ jobName: 'job-45-59faf58044' }], ignored: [] });
  });

  test('about a refused pod rings by the name that it would have had, when the request is not there', () => {
    const { requestObject: _, ...line } = refused;
    expect(readLine(line)).toEqual({ doorbells: [{ jobName: 'job-45-59faf58044' }], ignored: [] });
    const { details: __, ...responseStatus } = line.responseStatus;
    expect(readLine({ ...line, responseStatus })).toEqual(ignored('unknownForm'));
  });

  test.each<[string, JsonObject, string]>([
    ['about a create of a Job', lineOf('create'), 'notStatus'],
    ['about a read', { ...status, verb: 'get' }, 'notStatus'],
    ['about another stage', { ...status, stage: 'RequestReceived' }, 'notStatus'],
    ['about another resource', { ...status, objectRef: { resource: 'nodes', name: 'n' } }, 'notStatus'],
    ['about no resource', { ...status, objectRef: {} }, 'notStatus'],
    ['about a change by a person', { ...lineOf('patch'), user: { username: 'ann' } }, 'notStatus'],
    ['about a change that was refused', { ...status, responseStatus: { code: 409 } }, 'refused'],
    ['about a pod status that was refused', { ...podStatus, responseStatus: { code: 404 } }, 'refused'],
    ['without an answer', { ...status, responseStatus: {} }, 'refused'],
    ['about a trial run', { ...status, requestURI: `${String(status['requestURI'])}?dryRun=All` }, 'dryRun'],
    ['of something else than an audit log', { ...status, apiVersion: 'v1' }, 'unreadable'],
    ['without a name', { ...status, objectRef: { ...objectAt(status, 'objectRef'), name: 7 } }, 'unreadable'],
  ])('%s rings for nothing', (_, line, reason) => {
    expect(isObject(line) && Object.keys(line).length > 3).toBe(true);
    expect(readLine(line)).toEqual(ignored(reason));
  });

  test('believes no document that is of another Job than the request', () => {
    const other = objectAt(JSON.parse(auditLife('ours-success-ttl').lines[3] ?? ''), 'responseObject');
    expect(readLine({ ...status, responseObject: other }).doorbells).toEqual([{ jobName }]);
  });
});

describe('hostile input', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'unknownForm'],
    ['null', null, 'unknownForm'],
    ['a text', 'job-1-09c9bacf25', 'unknownForm'],
    ['a list', [], 'unknownForm'],
    ['an empty object', {}, 'unknownForm'],
    ['an SNS record', { Records: [{ Sns: { Message: '{}' } }] }, 'unknownForm'],
    ['a record that is none', { Records: [null] }, 'unknownForm'],
    ['a record with a list', records('[]'), 'unknownForm'],
    ['a record that is deeper than a stack', records(deep), 'unknownForm'],
    ['an envelope in an envelope', envelope(eventOf('eventbridge-job')), 'unknownForm'],
    ['logs that are no base64', { awslogs: { data: '***' } }, 'unreadable'],
    ['logs that are no gzip', { awslogs: { data: 'aGVsbG8=' } }, 'unreadable'],
    ['logs that could not be unpacked', { awslogs: { text: undefined } }, 'unreadable'],
    ['logs that are no batch', { awslogs: { text: '{}' } }, 'unreadable'],
    ['logs of an unknown type', { awslogs: { text: batchText([], { messageType: 'OTHER' }) } }, 'unreadable'],
    [
      'log events that are none',
      { awslogs: { text: batchText([], { logEvents: [null, { message: 1 }] }) } },
      'unreadable',
    ],
    ['a line that is deeper than a stack', logsEvent([deep]), 'unreadable'],
  ])('%s is ignored', (_, event, reason) => {
    expect(read(event)).toEqual(ignored(reason));
  });

  test('an empty batch and an empty queue event ring for nothing', () => {
    expect(read(logsEvent([]))).toEqual(ignored());
    expect(read({ Records: [] })).toEqual(ignored());
  });

  test('labels that are called like parts of a prototype are none', () => {
    const labels = JSON.parse('{"__proto__": {"terrakube.io/installation": "8f03dc2e"}, "constructor": "x"}');
    const job = withMetadata(detailOf('job'), { labels });
    expect(read(envelope(job))).toEqual({ doorbells: [{ jobName: NAME }], ignored: [] });
    expect(read(envelope(withMetadata(job, { name: 'backup' })))).toEqual(ignored('otherName'));
  });

  test('what unpacks to more than 64 MiB is not unpacked', () => {
    const zeros = (bytes: number) => gzipSync(Buffer.alloc(bytes)).toString('base64');
    expect(gunzipLogs(zeros(64 * 1024 * 1024 + 1))).toBeUndefined();
    expect(gunzipLogs(zeros(1024 * 1024))?.length).toBe(1024 * 1024);
  });
});
