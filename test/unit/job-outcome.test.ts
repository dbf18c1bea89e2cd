import { describe, expect, test } from 'vitest';
import { reasonOf } from '../../lib/domain/failure-reasons.ts';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { scenario, scenarioNames } from '../support/kubernetes-fixtures.ts';
import { type OutcomeRow, outcomeTable } from '../support/outcome-table.ts';

const NOW = epochMs(Date.UTC(2026, 10, 23, 20, 10));

/** A recorded Job as a row of the table. */
function rowOf(name: string): OutcomeRow {
  const { job, pods, events } = scenario(name);
  const outcome = jobOutcome(job, pods, events, NOW);
  const found = outcome.kind === 'waiting' ? outcome.blocker : outcome.kind === 'failed' ? outcome : undefined;
  return {
    scenario: name,
    kind: outcome.kind,
    ...(found ? { cause: found.cause, restartable: found.restartable } : {}),
    ...(outcome.kind === 'waiting' && outcome.blocker ? { grace: outcome.blocker.grace } : {}),
    everStarted: outcome.kind === 'missing' ? 'unknown' : (outcome.everStarted ?? 'unknown'),
    ...reasonOf(outcome, 'terraformApply'),
  };
}

describe('a recorded Job', () => {
  test.each(outcomeTable)('$scenario: $kind $cause', (row) => {
    expect(rowOf(row.scenario)).toEqual(row);
  });

  test('is in the table, whichever it is', () => {
    expect(outcomeTable.map((row) => row.scenario)).toEqual(scenarioNames);
  });
});
