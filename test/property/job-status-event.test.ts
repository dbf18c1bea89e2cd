import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gunzipLogs } from '../../lib/clients/cloudwatch-logs.ts';
import { isJobName, jobNameOfPod, LABEL, jobName as nameOf } from '../../lib/domain/job-name.ts';
import { packedLogs, readJobStatusEvent } from '../../lib/schemas/job-status-event.ts';
import { anyIds, anyInstallation, anyText } from '../support/arbitraries.ts';
import { auditLife, batchText, OWN } from '../support/audit.ts';
import { INSTALLATION, kubernetesJob } from '../support/builders.ts';

const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withObjectString: true });
const lines = auditLife('ours-success-ttl').lines.map((line): Readonly<Record<string, unknown>> => JSON.parse(line));

/** Values that a form knows, and some that it does not. */
const words = fc.constantFrom(
  'Job',
  'Pod',
  'Event',
  'jobs',
  'pods',
  'status',
  'update',
  'patch',
  'create',
  'terrakube',
);
const name = fc.oneof(
  anyText,
  words,
  anyIds.map((ids) => nameOf(ids, OWN.installation, 1)),
);
const value = fc.oneof(words, name, fc.nat(700), anything);
const object = fc.record(
  {
    kind: value,
    apiVersion: value,
    namespace: value,
    name,
    detail: anything,
    'detail-type': value,
    involvedObject: fc.record({ kind: value, namespace: value, name: value }, { requiredKeys: [] }),
    metadata: fc.record(
      {
        namespace: value,
        name,
        labels: fc.oneof(anything, fc.dictionary(fc.constantFrom(LABEL.installation, 'app', '__proto__'), value)),
        ownerReferences: fc.oneof(anything, fc.array(fc.record({ apiVersion: value, kind: value, name: value }))),
        resourceVersion: value,
        creationTimestamp: value,
      },
      { requiredKeys: [] },
    ),
    status: anything,
    spec: anything,
  },
  { requiredKeys: [] },
);

/** A recorded line with a few of its fields replaced. */
const line = fc
  .tuple(
    fc.constantFrom(...lines),
    fc.record(
      {
        kind: value,
        verb: value,
        stage: value,
        requestURI: value,
        user: value,
        objectRef: fc.oneof(
          value,
          fc.record({ resource: value, namespace: value, name, subresource: value }, { requiredKeys: [] }),
        ),
        responseStatus: fc.oneof(value, fc.record({ code: value, details: value }, { requiredKeys: [] })),
        requestObject: fc.oneof(anything, object),
        responseObject: fc.oneof(anything, object),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([recorded, changes]) => textOf({ ...recorded, ...changes }));

/** JSON, or a text that is none. */
function textOf(content: unknown): string {
  try {
    return JSON.stringify(content) ?? '';
  } catch {
    return '{';
  }
}

const anyEvent = fc.oneof(
  anything,
  object,
  fc.record({ awslogs: fc.record({ text: fc.oneof(anyText, anything) }) }),
  fc.array(fc.oneof(line, anyText)).map((messages) => ({ awslogs: { text: batchText(messages) } })),
  fc
    .array(fc.oneof(anything, fc.record({ body: fc.oneof(anyText, object.map(textOf)) })))
    .map((Records) => ({ Records })),
);

describe('a Job status event', () => {
  test('whatever it is, is read without a fault, and rings once for a name that may be ours', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const { doorbells, ignored } = readJobStatusEvent(event, OWN);
        const names = doorbells.map(({ jobName }) => jobName);
        expect(new Set(names).size).toBe(names.length);
        expect(new Set(ignored.map(({ reason }) => reason)).size).toBe(ignored.length);
        for (const { jobName, final } of doorbells) {
          expect(jobName).toMatch(/^(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
          if (final === undefined) continue;
          expect(final.metadata?.name).toBe(jobName);
          expect(final.metadata?.labels?.[LABEL.installation]).toBe(OWN.installation);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('rings for every Job that dispatch makes, with its document, and in no other installation', () => {
    fc.assert(
      fc.property(anyInstallation, fc.integer({ min: 1, max: 12 }), (other, start) => {
        const job = JSON.parse(JSON.stringify(kubernetesJob({ start, ended: 'Failed' })));
        const own = { namespace: 'terrakube', installation: INSTALLATION };
        const { doorbells } = readJobStatusEvent(job, own);
        expect(doorbells.map(({ jobName, final }) => [jobName, final?.metadata?.labels])).toEqual([
          [job.metadata.name, job.metadata.labels],
        ]);
        fc.pre(other !== INSTALLATION);
        expect(readJobStatusEvent(job, { ...own, installation: other }).doorbells).toEqual([]);
      }),
    );
  });
});

test('packed logs are text or nothing, whatever they are', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.base64String()), (data) => {
      expect(packedLogs({ awslogs: { data } })).toBe(data);
      expect(['string', 'undefined']).toContain(typeof gunzipLogs(data));
    }),
  );
  fc.assert(
    fc.property(anything, (event) => {
      expect(['string', 'undefined']).toContain(typeof packedLogs(event));
    }),
  );
});

test('the name of a Job of ours, and that of its pod, are known as such', () => {
  const suffix = fc.stringMatching(/^[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  fc.assert(
    fc.property(anyIds, anyInstallation, fc.integer({ min: 1, max: 9999 }), suffix, (ids, installation, start, end) => {
      const name = nameOf(ids, installation, start);
      expect(isJobName(name)).toBe(true);
      expect(jobNameOfPod(`${name}-${end}`)).toBe(name);
      expect(jobNameOfPod(name)).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
});
