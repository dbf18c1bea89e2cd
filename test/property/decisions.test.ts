import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createVerdict } from '../../lib/domain/create-answer.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { gate } from '../../lib/domain/gate.ts';
import { anotherDeliveryGotThrough, nextStart } from '../../lib/domain/next-start.ts';
import { nextTell } from '../../lib/domain/next-tell.ts';
import { retryDelay } from '../../lib/domain/retry-delay.ts';
import { durationMs, seconds } from '../../lib/domain/time.ts';
import { parseApiRefusal } from '../../lib/schemas/kubernetes-status.ts';
import { anyForeignJob, anyJobOfTheStep, anyTerrakubeJob, anyText } from '../support/arbitraries.ts';
import { INSTALLATION, ids, step } from '../support/builders.ts';

const anyAge = fc.integer({ min: 0, max: 10 ** 9 }).map(durationMs);
const anyWorld = fc.oneof(fc.constant('notFound' as const), anyTerrakubeJob);
const types = fc.constantFrom('terraformPlan', 'approval');

describe('the gate', () => {
  test('decides about any world, and never twice differently', () => {
    fc.assert(
      fc.property(anyWorld, anyAge, types, (job, age, type) => {
        const decision = gate(ids({ type }), job, age);
        expect(['go', 'skip', 'wait', 'finishTelling']).toContain(decision.kind);
        expect(gate(ids({ type }), job, age)).toEqual(decision);
      }),
      { numRuns: 2000 },
    );
  });

  test('lets a step start only while it is pending in a live job, or an onReject run that has not spoken', () => {
    fc.assert(
      fc.property(anyTerrakubeJob, anyAge, types, (job, age, type) => {
        if (gate(ids({ type }), job, age).kind !== 'go') return;
        const found = job.steps.find(({ id }) => id === ids().stepId);
        const isLive = ['pending', 'approved', 'queue', 'running'].includes(job.status);
        const isOnReject = job.status === 'rejected' && type === 'approval' && found?.output === null;
        expect(isOnReject || (isLive && found?.status === 'pending')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('waits for at most two minutes, 15 s at a time', () => {
    fc.assert(
      fc.property(anyWorld, anyAge, types, (job, age, type) => {
        const decision = gate(ids({ type }), job, age);
        if (decision.kind !== 'wait') return;
        expect(age).toBeLessThan(120_000);
        expect(decision.delaySeconds).toBeGreaterThanOrEqual(1);
        expect(decision.delaySeconds).toBeLessThanOrEqual(15);
      }),
    );
  });
});

test('a tell writes only to a job that reads queue', () => {
  fc.assert(
    fc.property(anyWorld, (job) => {
      const next = nextTell(ids().stepId, job);
      expect(['step', 'job', 'done', 'tooEarly']).toContain(next);
      if (next === 'step' || next === 'job') expect(job).toMatchObject({ status: 'queue' });
    }),
    { numRuns: 1000 },
  );
});

describe('which start a delivery is about', () => {
  const next = (jobs: Parameters<typeof nextStart>[2]) => nextStart(ids(), INSTALLATION, jobs);
  /** The Jobs of a step in a cluster have different names. */
  const someJobs = fc.uniqueArray(anyJobOfTheStep, { maxLength: 6, selector: ({ metadata }) => metadata?.name });

  test('does not depend on the order of the Jobs', () => {
    fc.assert(
      fc.property(
        someJobs.chain((jobs) => fc.tuple(fc.constant(jobs), fc.shuffledSubarray(jobs, { minLength: jobs.length }))),
        ([jobs, shuffled]) => {
          expect(next(shuffled)).toEqual(next(jobs));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('does not depend on the Jobs of others', () => {
    fc.assert(
      fc.property(someJobs, fc.array(anyForeignJob, { maxLength: 5 }), (jobs, foreign) => {
        expect(next([...foreign, ...jobs])).toEqual(next(jobs));
        expect(next([...jobs, ...foreign])).toEqual(next(jobs));
        expect(anotherDeliveryGotThrough(ids(), INSTALLATION, [...jobs, ...foreign])).toBe(
          anotherDeliveryGotThrough(ids(), INSTALLATION, jobs),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('is a new one only where there is none, or the newest ended to be started again', () => {
    fc.assert(
      fc.property(someJobs, (jobs) => {
        const decision = next(jobs);
        if (decision.kind !== 'create' || jobs.length === 0) return;
        const newest = jobs.find(({ metadata }) => metadata?.name?.endsWith(suffixOf(decision.start - 1)));
        expect(newest?.status?.conditions).toHaveLength(1);
        expect(newest?.metadata?.annotations?.['terrakube.io/verdict']).toContain('restart');
      }),
      { numRuns: 500 },
    );
  });

  const suffixOf = (start: number): string => (start === 1 ? '' : `-${start}`);
});

describe('the verdict on an answer of the API server', () => {
  const statuses = fc.oneof(
    fc.integer({ min: 100, max: 599 }),
    fc.constantFrom(400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 504),
  );
  const bodies = fc.oneof(
    anyText,
    fc.json(),
    fc.tuple(anyText, anyText).map(([message, reason]) => JSON.stringify({ kind: 'Status', message, reason })),
    anyText.map((words) => JSON.stringify({ kind: 'Status', message: `exceeded quota: ${words}` })),
    fc
      .array(fc.record({ field: anyText, message: anyText }), { maxLength: 5 })
      .map((causes) => JSON.stringify({ kind: 'Status', message: 'm', details: { causes, kind: 'namespaces' } })),
  );

  test('is given for any status and any body, and its words can be told', () => {
    fc.assert(
      fc.property(statuses, bodies, fc.constantFrom('Job' as const, 'Secret' as const), (status, body, created) => {
        const verdict = createVerdict(created, parseApiRefusal(status, body, undefined), 'terrakube');
        if (verdict.kind !== 'terminal') return;
        expect(verdict.reason.title.length).toBeLessThanOrEqual(90);
        expect(verdict.reason.evidence.length).toBeLessThan(1500);
        expect(failureTexts(verdict.reason, step()).stepOutput.length).toBeLessThanOrEqual(1024);
      }),
      { numRuns: 1000 },
    );
  });

  test('is never terminal for what may pass: 401, 409, 429 and 5xx', () => {
    const passing = fc.oneof(fc.constantFrom(401, 409, 429), fc.integer({ min: 500, max: 599 }));
    fc.assert(
      fc.property(passing, bodies, (status, body) => {
        expect(createVerdict('Job', parseApiRefusal(status, body, undefined), 'terrakube').kind).not.toBe('terminal');
      }),
      { numRuns: 500 },
    );
  });
});

describe('a delay', () => {
  const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const counts = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 10 ** 6 }));

  test('is a whole number of seconds, 4 to 30 when nobody asks for more', () => {
    fc.assert(
      fc.property(counts, jitter, (receiveCount, random) => {
        const delay = retryDelay({ receiveCount, jitter: random });
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(4);
        expect(delay).toBeLessThanOrEqual(30);
      }),
    );
  });

  test('never grows shorter with the attempts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), jitter, (receiveCount, random) => {
        const next = retryDelay({ receiveCount: receiveCount + 1, jitter: random });
        expect(next).toBeGreaterThanOrEqual(retryDelay({ receiveCount, jitter: random }));
      }),
    );
  });

  test('is as long as the other side asks, up to five minutes', () => {
    fc.assert(
      fc.property(counts, jitter, fc.double({ min: 0, max: 10 ** 9, noNaN: true }), (receiveCount, random, asked) => {
        const delay = retryDelay({ receiveCount, jitter: random, atLeast: seconds(asked) });
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(Math.min(asked, 300));
        expect(delay).toBeLessThanOrEqual(300);
      }),
    );
  });

  test('is at most as long as the cause allows', () => {
    fc.assert(
      fc.property(counts, jitter, fc.integer({ min: 1, max: 300 }), (receiveCount, random, most) => {
        expect(retryDelay({ receiveCount, jitter: random, atMost: seconds(most) })).toBeLessThanOrEqual(most);
      }),
    );
  });
});
