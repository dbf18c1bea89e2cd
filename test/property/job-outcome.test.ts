// Laws of outcomes, over documents that no cluster would write.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CAUSES } from '../../lib/domain/causes.ts';
import { reasonOf } from '../../lib/domain/failure-reasons.ts';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { lastWords, quote } from '../../lib/domain/quote.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { anyText } from '../support/arbitraries.ts';
import { anyDocuments, anyEvent, anyJunk, anyPod, type Documents } from '../support/kubernetes-arbitraries.ts';
import { scenario, scenarioNames } from '../support/kubernetes-fixtures.ts';

const NOW = epochMs(Date.UTC(2026, 10, 23, 20, 10));
const runs = { numRuns: 500 };

const look = ({ job, pods, events }: Documents) => jobOutcome(job, pods, events, NOW);

describe('an outcome', () => {
  test('is there for any documents, with words that fit', () => {
    const junk = fc.record({ job: anyJunk<V1Job>(), pods: anyJunk<V1Pod[]>(), events: anyJunk<CoreV1Event[]>() });
    fc.assert(
      fc.property(fc.oneof(anyDocuments, junk), anyText, (documents, type) => {
        const outcome = look(documents);
        const { title, evidence, advice } = reasonOf(outcome, type);
        expect(title.length).toBeGreaterThan(0);
        expect(title.length).toBeLessThanOrEqual(90);
        expect(evidence.length).toBeLessThanOrEqual(500);
        expect(typeof advice).toBe('string');
        if ('cause' in outcome) expect(CAUSES).toContain(outcome.cause);
        const times = Object.entries(outcome).filter(([key]) =>
          ['since', 'startedAt', 'endedAt', 'graceMs'].includes(key),
        );
        for (const [, time] of times) expect(Number.isFinite(time)).toBe(true);
      }),
      runs,
    );
  });

  test('does not depend on the order of pods and Events', () => {
    const shuffled = anyDocuments.chain((documents) =>
      fc.tuple(
        fc.constant(documents),
        fc.shuffledSubarray(documents.pods, { minLength: documents.pods.length }),
        fc.shuffledSubarray(documents.events, { minLength: documents.events.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([documents, pods, events]) => {
        expect(look({ ...documents, pods, events })).toEqual(look(documents));
      }),
      runs,
    );
  });

  test('does not depend on pods and Events of others', () => {
    const foreign = (pods: V1Pod[]) =>
      pods.map((pod, index) => ({
        ...pod,
        metadata: {
          ...pod.metadata,
          uid: `other-${index}`,
          ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'job', uid: 'other-job' }],
        },
      }));
    const about = (events: CoreV1Event[]) =>
      events.map((event) => ({ ...event, involvedObject: { ...event.involvedObject, uid: 'other-0' } }));
    fc.assert(
      fc.property(anyDocuments, fc.array(anyPod), fc.array(anyEvent), (documents, pods, events) => {
        const more = { pods: [...foreign(pods), ...documents.pods], events: [...about(events), ...documents.events] };
        expect(look({ ...documents, ...more })).toEqual(look(documents));
      }),
      runs,
    );
  });

  test('never says of a container that runs or has run that it did not', () => {
    fc.assert(
      fc.property(anyDocuments, (documents) => {
        const outcome = look(documents);
        const hasRun = documents.pods
          .flatMap((pod) => pod.status?.containerStatuses ?? [])
          .flatMap(({ state, lastState }) => [state, lastState])
          .some((state) => state?.running !== undefined || isReal(state?.terminated?.startedAt));
        expect(hasRun && outcome.kind !== 'missing' && outcome.everStarted === 'no').toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test('never says that a step may be run again which may have run, but for a plan', () => {
    fc.assert(
      fc.property(anyDocuments, (documents) => {
        const outcome = look(documents);
        const { advice } = reasonOf(outcome, 'terraformApply');
        const neverRan = outcome.kind !== 'missing' && outcome.everStarted === 'no';
        expect(advice.includes('safe to run again') && !neverRan).toBe(false);
      }),
      runs,
    );
  });
});

const isReal = (time: unknown): boolean => typeof time === 'string' && Date.parse(time) > 0;

describe('a recorded Job', () => {
  test.each(scenarioNames)('%s has the same outcome in any order, and among the others', (name) => {
    const own = scenario(name);
    const others = scenarioNames.filter((other) => other !== name).map(scenario);
    const outcome = jobOutcome(own.job, own.pods, own.events, NOW);
    expect(jobOutcome(own.job, own.pods.toReversed(), own.events.toReversed(), NOW)).toEqual(outcome);
    const pods = [...others.flatMap((other) => other.pods), ...own.pods];
    const events = [...others.flatMap((other) => other.events), ...own.events];
    expect(jobOutcome(own.job, pods, events, NOW)).toEqual(outcome);
  });
});

describe('a quotation', () => {
  test('is short, well-formed and on one line, whatever is quoted', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const quoted of [quote(text), lastWords(text)]) {
          expect(quoted.length).toBeLessThanOrEqual(200);
          expect(quoted.isWellFormed()).toBe(true);
          expect(quoted).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        }
      }),
      runs,
    );
  });

  test('holds no token, wherever it stands', () => {
    const token = fc.stringMatching(/^[A-Z][a-z][0-9][A-Za-z0-9]{30,60}$/);
    fc.assert(
      fc.property(token, fc.constantFrom('', 'x ', 'a: ', '"', 'key=', 'https://'), (value, before) => {
        expect(quote(`${before}${value} and so on`)).not.toContain(value.slice(0, 20));
        expect(lastWords(`first\n${before}${value}\n`)).not.toContain(value.slice(0, 20));
      }),
      runs,
    );
  });
});
