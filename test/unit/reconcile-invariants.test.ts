// Which promise each row of the verdicts' table says was broken: what the counters, and with them the alarms, go by.
import { describe, expect, test } from 'vitest';
import { INVARIANTS } from '../../lib/domain/metric-names.ts';
import type { PlannedAction } from '../../lib/domain/plan-types.ts';
import { countInvariants, invariantOf } from '../../lib/domain/reconcile-invariants.ts';
import { verdict } from '../../lib/domain/verdict.ts';
import { caseOf } from '../../lib/domain/verdict-case.ts';
import { leave } from '../../lib/domain/verdict-row.ts';
import type { Action } from '../../lib/domain/verdict-types.ts';
import { laterStep, step, terrakubeJob } from '../support/builders.ts';
import { noNode, verdictInput, waiting } from '../support/verdict-builders.ts';
import { job, stops, told } from '../support/verdict-words.ts';

const STOP = stops('cancel', 'cancelled')('title', 'evidence');
const SWEPT = stops('quiet', 'swept')('title', 'evidence');

const BY_ROW: Readonly<Record<number, string>> = {
  4: 'NeverCreatedStep',
  5: 'HalfToldJob',
  6: 'LostCallback',
  8: 'FailedJobNotTold',
  11: 'FailedJobNotTold',
  12: 'Revived',
  13: 'FailedJobNotTold',
  16: 'CancelledButAlive',
  17: 'OrphanJob',
  22: 'CancelledButAlive',
  23: 'CancelledButAlive',
  24: 'OrphanJob',
  25: 'SilentExecutor',
  27: 'HalfToldJob',
  28: 'LostCallback',
  29: 'LostCallback',
  31: 'FailedJobNotTold',
  32: 'LostCallback',
  34: 'FailedJobNotTold',
  35: 'StepLeftPending',
  38: 'StepLeftPending',
};

/** What a stop, or another action, of this row breaks, with the step's Terrakube job in this state. */
const broken = (row: number, action: Action = STOP, terrakube = job('cancelled', step({ status: 'cancelled' }))) =>
  invariantOf(caseOf(verdictInput({ terrakube })), { row, action });

describe('a row', () => {
  test.each(Array.from({ length: 38 }, (_, at) => at + 1))('%d breaks what it says', (row) => {
    expect(broken(row)).toBe(BY_ROW[row]);
  });

  test.each([16, 22, 23])('%d breaks nothing when it leaves the Job alone', (row) => {
    expect(broken(row, leave('an apply'))).toBeUndefined();
  });

  test.each([16, 22, 23])('%d finds an orphan when Terrakube does not have the job', (row) => {
    expect(invariantOf(caseOf(verdictInput({ terrakube: 'notFound' })), { row, action: STOP })).toBe('OrphanJob');
  });

  test('13 finds a half-told job where the step bears our words', () => {
    expect(broken(13, STOP, terrakubeJob({ status: 'running', steps: [told] }))).toBe('HalfToldJob');
  });

  test('17 finds what was swept by Terrakube, and what another step has taken the place of', () => {
    expect(broken(17, SWEPT, job('failed', step({ status: 'failed' })))).toBe('SweptButAboutToStart');
    expect(broken(17, SWEPT, job('queue', laterStep()))).toBe('Superseded');
  });
});

test('a verdict that stops a swept Job is counted as one', () => {
  const input = verdictInput({
    outcome: waiting({ blocker: noNode }),
    terrakube: job('failed', step({ status: 'failed' })),
  });
  expect(invariantOf(caseOf(input), verdict(input))).toBe('SweptButAboutToStart');
});

test('counts say 0 of what holds, and leave dead letters to who reads them', () => {
  const planned = { invariant: 'OrphanJob' } as PlannedAction;
  const names = INVARIANTS.filter((name) => name !== 'DeadLetterNotAnswered').map((name) => `Invariant${name}`);
  expect(countInvariants([planned, planned])).toEqual({
    ...Object.fromEntries(names.map((name) => [name, 0])),
    InvariantOrphanJob: 2,
  });
});
