// The table of `plan`, in terminals of any width.
import { describe, expect, test } from 'vitest';
import type { PlanLine, PlanReport } from '../../cli/plan-report.ts';
import { planText } from '../../cli/plan-text.ts';

const STEP = '3fed47b3-cbb9-427c-b9e7-5bc0469c7201';
const WHY = 'the pod waits for its image, and the registry says that nobody knows it there';

const line = (changes: Partial<PlanLine> = {}): PlanLine => ({
  action: 'stop',
  terrakubeJobId: '17',
  stepId: STEP,
  jobName: 'job-17-09c9bacf25',
  row: 16,
  why: WHY,
  ...changes,
});

const report = (deeds: readonly PlanLine[]): PlanReport => ({
  installation: 'prod',
  namespace: 'terrakube',
  deeds,
  left: 0,
  heldBack: 0,
  invariants: {},
  deadLetters: 0,
  problems: [],
});

const tableOf = (deeds: readonly PlanLine[], columns?: number): readonly string[] =>
  planText(report(deeds), columns)
    .split('\n')
    .slice(0, deeds.length + 1);

describe('the table', () => {
  test('is as wide as its texts where nobody says how wide it may be', () => {
    expect(tableOf([line(), line({ action: 'deletePayload', terrakubeJobId: '4711', row: 0, why: 'ended' })])).toEqual([
      'ACTION         KUBERNETES JOB     TERRAKUBE JOB  ROW  WHY',
      `stop           job-17-09c9bacf25  17             16   ${WHY}`,
      'deletePayload  job-17-09c9bacf25  4711           -    ended',
    ]);
  });

  test('is cut to the width of the terminal', () => {
    const lines = tableOf([line(), line({ why: 'short' })], 80);

    expect(lines).toEqual([
      'ACTION  KUBERNETES JOB     TERRAKUBE JOB  ROW  WHY',
      'stop    job-17-09c9bacf25  17             16   the pod waits for its image, and…',
      'stop    job-17-09c9bacf25  17             16   short',
    ]);
    expect(lines.map(({ length }) => length)).toEqual([50, 80, 52]);
  });

  test.each([1, 40, 66])('never cuts an id, nor the reason to nothing, in %i columns', (columns) => {
    expect(tableOf([line()], columns)[1]).toBe('stop    job-17-09c9bacf25  17             16   the pod waits for i…');
  });

  test('names a step without a Kubernetes Job by its number, or by its id where Terrakube does not have it', () => {
    const { jobName: _, ...alone } = line({ why: 'x' });

    expect(tableOf([{ ...alone, step: 100 }, alone], 30).slice(1)).toEqual([
      'stop    none (step 100)                                   17             16   x',
      `stop    none (step ${STEP})  17             16   x`,
    ]);
  });
});
