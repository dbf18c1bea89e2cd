// The answer of `plan` for people: a table of what would be done, then the sums.
import { cut } from '../lib/domain/failure-text.ts';
import type { PlanLine, PlanReport } from './plan-report.ts';

/**
 * Writes the answer as text, with a newline at its end.
 *
 * @param columns width of the terminal: the last column is cut there, and nothing else. Undefined where there is none.
 */
export function planText(report: PlanReport, columns: number | undefined): string {
  const { deeds, left, heldBack, problems, namespace, installation } = report;
  const isAll = typeof left !== 'number';
  const lines = [...deeds, ...(isAll ? left : [])];
  const sums = `${deeds.length - heldBack} to do, ${isAll ? left.length : left} left alone`;
  return [
    ...(lines.length === 0 ? [] : [...table([HEAD, ...lines.map(cellsOf)], columns), '']),
    `${sums}; ${heldBack} stops held back by the brake.`,
    invariantText(report),
    deadLetterText(report),
    `Kubernetes Jobs: namespace ${namespace}, installation ${installation}.`,
    ...problems.map((problem) => `Not complete: ${problem}`),
    '',
  ].join('\n');
}

/** A row of the table; only its last cell may be cut. */
type Cells = readonly [action: string, job: string, terrakubeJob: string, row: string, why: string];

const HEAD: Cells = ['ACTION', 'KUBERNETES JOB', 'TERRAKUBE JOB', 'ROW', 'WHY'];

const cellsOf = ({ action, heldBack, jobName, step, stepId, terrakubeJobId, row, why }: PlanLine): Cells => [
  heldBack ? `${action}, held back` : action,
  jobName ?? `none (step ${step ?? stepId})`,
  terrakubeJobId,
  row === 0 ? '-' : String(row),
  why,
];

const GAP = 2;
/** Less of a reason says nothing; a terminal that is narrower wraps it. */
const SHORTEST_WHY = 20;

function table(rows: readonly Cells[], columns: number | undefined): readonly string[] {
  const widths = HEAD.slice(0, -1).map((_, at) => Math.max(...rows.map((cells) => cells[at]?.length ?? 0)));
  const before = widths.reduce((sum, width) => sum + width + GAP, 0);
  const room = columns === undefined ? Number.POSITIVE_INFINITY : Math.max(SHORTEST_WHY, columns - before);
  return rows.map(([...cells]) => {
    const why = cut(cells.pop() ?? '', room);
    return [...cells.map((cell, at) => cell.padEnd((widths[at] ?? 0) + GAP)), why].join('').trimEnd();
  });
}

function invariantText({ invariants }: PlanReport): string {
  const broken = Object.entries(invariants).filter(([, count]) => count > 0);
  if (broken.length === 0) return 'No invariant is broken.';
  return `Broken: ${broken.map(([name, count]) => `${name} ${count}`).join(', ')}.`;
}

const deadLetterText = ({ deadLetters }: PlanReport): string =>
  deadLetters === undefined ? 'Dead letters: not counted (DeadLetterQueueUrl).' : `Dead letters: ${deadLetters}.`;
