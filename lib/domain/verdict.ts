// What should be done about a Job and its Terrakube step: the first row of the table that fits. Pure and total; the table
// in docs/verdicts.md is printed from these very rows.
import { type Case, caseOf } from './verdict-case.ts';
import { firstFit, leave, type VerdictRow } from './verdict-row.ts';
import { ENDED_ROWS } from './verdict-rows-ended.ts';
import { FIRST_ROWS } from './verdict-rows-missing.ts';
import { RECORDED_ROWS } from './verdict-rows-recorded.ts';
import { RUNNING_ROWS } from './verdict-rows-running.ts';
import { WAITING_ROWS } from './verdict-rows-waiting.ts';
import type { Verdict, VerdictInput } from './verdict-types.ts';

export type { Action, StepFacts, Verdict, VerdictInput, VerdictSettings } from './verdict-types.ts';

/** The table, in the order in which its rows are tried. The last one fits everything. */
export const VERDICT_ROWS: readonly VerdictRow[] = [
  ...FIRST_ROWS,
  ...RECORDED_ROWS,
  ...WAITING_ROWS,
  ...RUNNING_ROWS,
  ...ENDED_ROWS,
];

/** Takes the verdict: exactly one row, and its one action. */
export const verdict = (input: VerdictInput): Verdict => verdictOf(caseOf(input));

/** Takes the verdict of what was sorted already. */
export const verdictOf = (seen: Case): Verdict =>
  firstFit(VERDICT_ROWS, seen) ?? { row: 0, action: leave('no row fits') };
