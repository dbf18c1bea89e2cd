import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { areDispatchIds } from '../../lib/domain/dispatch-request.ts';
import { installationOf, jobName, startOf, stepLabels, stepSelector } from '../../lib/domain/job-name.ts';
import { anyIds, anyInstallation, anyText, idText } from '../support/arbitraries.ts';
import { ids } from '../support/builders.ts';

const start = fc.integer({ min: 1, max: 9999 });
/** Two sets of ids that differ in few places, so that equal ones come up, too. */
const few = fc.constantFrom('a', 'b', 'a.b', 'a-b');
const closeIds = fc.record({
  organizationId: few,
  workspaceId: few,
  jobId: fc.constantFrom('1', '11'),
  stepId: few,
  type: few,
});

describe('the name of a Job', () => {
  test('is a DNS label of at most 63 characters, whatever the ids are', () => {
    fc.assert(
      fc.property(anyIds, anyInstallation, start, (of, installation, number) => {
        expect(jobName(of, installation, number)).toMatch(/^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      }),
    );
  });

  test('is the same for the same request and another one for another', () => {
    const named = fc.tuple(closeIds, fc.constantFrom('i', 'ia'), fc.integer({ min: 1, max: 3 }));
    fc.assert(
      fc.property(named, named, ([one, here, first], [other, there, second]) => {
        const key = ({ organizationId, jobId, stepId, type }: typeof one, ...more: readonly unknown[]) =>
          JSON.stringify([organizationId, jobId, stepId, type, ...more]);
        const isSame = key(one, here, first) === key(other, there, second);
        expect(jobName(ids(one), here, first) === jobName(ids(other), there, second)).toBe(isSame);
      }),
      { numRuns: 2000 },
    );
  });

  test('cannot be confused by an id with the character that joins them, for there is none', () => {
    fc.assert(
      fc.property(idText, idText, (before, after) => {
        const joined = { ...ids(), stepId: `${before}/${after}` };
        expect(areDispatchIds(joined)).toBe(false);
        expect(areDispatchIds({ ...ids(), organizationId: `${before}/${after}` })).toBe(false);
        expect(areDispatchIds({ ...ids(), type: `${before}/${after}` })).toBe(false);
      }),
    );
  });

  test('tells its start', () => {
    fc.assert(
      fc.property(anyIds, anyInstallation, start, (of, installation, number) => {
        expect(startOf(jobName(of, installation, number), of, installation)).toBe(number);
      }),
    );
  });

  test('is the only one that tells a start', () => {
    fc.assert(
      fc.property(anyText, start, (text, number) => {
        const name = jobName(ids(), 'i', number);
        const found = startOf(`${name}${text}`, ids(), 'i');
        expect(found === undefined || jobName(ids(), 'i', found) === `${name}${text}`).toBe(true);
        expect(startOf(text, ids(), 'i')).toBeUndefined();
      }),
    );
  });
});

describe('labels', () => {
  test('are values that Kubernetes takes, whatever the ids are', () => {
    fc.assert(
      fc.property(anyIds, anyInstallation, (of, installation) => {
        for (const value of Object.values(stepLabels(of, installation))) {
          expect(value).toMatch(/^(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/);
        }
      }),
    );
  });

  test('fulfil the selector of their own step and installation, and of no other', () => {
    const labelled = fc.tuple(closeIds, fc.constantFrom('i', 'ia'));
    fc.assert(
      fc.property(labelled, labelled, ([one, here], [other, there]) => {
        const labels = stepLabels(ids(one), here);
        const terms = stepSelector(ids(other), there).split(',');
        const isFulfilled = terms.every((term) => labels[term.split('=')[0] ?? ''] === term.split('=')[1]);
        const key = ({ jobId, stepId, type }: typeof one, where: string) =>
          JSON.stringify([jobId, stepId, type, where]);
        expect(isFulfilled).toBe(key(one, here) === key(other, there));
      }),
      { numRuns: 2000 },
    );
  });
});

test('ids are only what fits where we write it', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const isLabel = /^(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(text) && !text.endsWith('\n');
      expect(areDispatchIds({ ...ids(), stepId: text })).toBe(isLabel);
    }),
    { numRuns: 1000 },
  );
});

test('an installation is 8 hex digits of its URL, with or without slashes at the end', () => {
  fc.assert(
    fc.property(fc.webUrl(), fc.integer({ min: 0, max: 5 }), (url, slashes) => {
      const bare = url.replace(/\/+$/, '');
      expect(installationOf(bare)).toMatch(/^[0-9a-f]{8}$/);
      expect(installationOf(`${bare}${'/'.repeat(slashes)}`)).toBe(installationOf(bare));
    }),
  );
});
