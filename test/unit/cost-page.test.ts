// The page about cost, and the arithmetic behind it.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { billedMs, choices, type Invocation, type Measured, monthlyCost, sum } from '../../bench/cost/model.ts';
import { costOf, PRICES } from '../../bench/cost/prices.ts';
import { costPage } from '../../tools/write-cost-page.ts';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('docs/cost.md is what tools/write-cost-page.ts writes from the recorded measurement', () => {
  expect(read('docs/cost.md')).toBe(costPage(JSON.parse(read('bench/cost/measured.json')), read('template.yaml')));
});

test('alarms and dashboards are counted in the template', () => {
  const template =
    'A:\n  Type: AWS::CloudWatch::Alarm\nB:\n  Type: AWS::CloudWatch::Alarm\nC:\n  Type: AWS::CloudWatch::Dashboard\n';
  const page = costPage(aMeasurement(), template);
  expect(page).toContain('| CloudWatch: alarms, dashboard | 3.20 | 3.20 | 3.20 |');
});

test('every price names its source', () => {
  for (const { what, usd, source } of Object.values(PRICES)) {
    expect(source, what).toMatch(/^https:\/\/aws\.amazon\.com\/[a-z-]+\/pricing\/$/);
    expect(usd).toBeGreaterThan(0);
  }
  expect(costOf('sqs', 2_500_000)).toBe(1);
});

describe('what an invocation is billed for', () => {
  test('is its waiting as it is, and its computing on 512 of 1,769 MB', () => {
    expect(billedMs({ durationMs: 100, cpuMs: 0 })).toBe(100);
    expect(billedMs({ durationMs: 100, cpuMs: 100 })).toBe(346);
    expect(billedMs({ durationMs: 100, cpuMs: 10 })).toBe(125);
  });

  test('is never less than its computing, when several threads worked at once', () => {
    expect(billedMs({ durationMs: 10, cpuMs: 100 })).toBe(346);
  });
});

describe('a month', () => {
  test('has these lines with 10,000 steps a day', () => {
    const lines = monthlyCost(aMeasurement(), 10_000, { alarms: 10, dashboards: 1 });
    const cents = Object.fromEntries(lines.map(({ what, usd }) => [what, Math.round(usd * 1000) / 1000]));
    expect(cents).toEqual({
      'API Gateway': 1.05, // 300,000 × 3.50 / 1e6
      'Lambda: intake': 0.26, // 300,000 × (0.20 / 1e6 + 0.5 GB × 0.1 s × 0.0000133334)
      'Lambda: dispatch': 0.26,
      'Lambda: reconcile': 25.929, // 43,200 × (0.20 / 1e6 + 0.5 GB × 90 s × 0.0000133334)
      SQS: 0.636, // (3 × 300,000 + 43,200 × 3 × 5 + 43,200) × 0.40 / 1e6
      KMS: 1.104, // 1 + 4 × 8,640 × 0.03 / 1e4
      'Secrets Manager': 0.918, // 0.40 + 12 × 8,640 × 0.05 / 1e4
      'CloudWatch: logs': 0.518, // (300,000 × 2 × (1,000 + 731) + 43,200 × (1,000 + 731)) / 2^30 × 0.50
      'CloudWatch: metrics': 0.6, // 2 × 0.30
      'CloudWatch: alarms, dashboard': 4, // 10 × 0.10 + 3
      'EventBridge Scheduler': 0.043, // 43,200 / 1e6
      'X-Ray': 3.216, // (2 × 300,000 + 43,200) × 5 / 1e6
    });
    expect(sum(lines)).toBeCloseTo(38.53, 2);
  });

  test('costs the same for reconcile at any number of steps, and ten times as much for the API', () => {
    const [few, many] = [1_000, 10_000].map((steps) =>
      monthlyCost(aMeasurement(), steps, { alarms: 0, dashboards: 0 }),
    );
    const of = (lines = few, wanted = ''): number => lines?.find(({ what }) => what === wanted)?.usd ?? Number.NaN;
    expect(of(many, 'Lambda: reconcile')).toBe(of(few, 'Lambda: reconcile'));
    expect(of(many, 'API Gateway')).toBeCloseTo(10 * of(few, 'API Gateway'), 10);
  });

  test('changes so with its settings', () => {
    const cents = Object.fromEntries(
      choices(aMeasurement(), 10_000).map(({ what, usd }) => [what, Math.round(usd * 1000) / 1000]),
    );
    expect(cents).toEqual({
      '`WatchWhenIdle=false`, at most': -25.891, // 43,200 × 0.5 GB × (0.1 − 90) s × 0.0000133334
      '`AuditLog=true`: audit log of the executors': 8.382, // 300,000 × 60,000 / 2^30 × 0.50
      '`AuditLog=true`: job-status': 5.018, // 3,000,000 × (0.20 / 1e6 + 0.05 GB-s × 0.0000133334 + 1,731 / 2^30 × 0.50)
      'intake and dispatch ten times as slow': 3.6, // 300,000 × 0.5 GB × 9 × 0.2 s × 0.0000133334
      'a cold start at every invocation of both': 2, // 300,000 × 0.5 GB × 2 × 0.5 s × 0.0000133334
    });
  });
});

/** Round figures. */
function aMeasurement(): Measured {
  const one: Invocation = { count: 1, durationMs: 100, cpuMs: 0, peakMb: 80, logBytes: 1000 };
  const init = { count: 1, durationMs: 500, cpuMs: 0 };
  return {
    measuredOn: '2026-01-01',
    machine: 'a machine',
    intake: one,
    dispatch: one,
    jobStatus: one,
    reconcile: { ...one, durationMs: 90_000, steps: 10 },
    reconcileIdle: one,
    inits: { intake: init, dispatch: init },
    metrics: ['Accepted', 'Dispatched'],
    audit: { bytes: 60_000, lines: 10 },
  };
}
