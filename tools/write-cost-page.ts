// Prints docs/cost.md from the recorded measurement and the list prices:
//   node tools/write-cost-page.ts > docs/cost.md
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  billedMs,
  choices,
  type Invocation,
  type Measured,
  monthlyCost,
  type Standing,
  sum,
  WATCH_MS,
} from '../bench/cost/model.ts';
import { PRICES, PRICES_OF } from '../bench/cost/prices.ts';

const STEPS_PER_DAY = [1_000, 10_000, 100_000];

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const dollars = (value: number): string => value.toFixed(2);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map((_, index) => (index === 0 ? '---' : '---:'))) + rows.map(line).join('');
}

/** The bill, one column for each number of steps a day. */
function bill(measured: Measured, standing: Standing): string {
  const columns = STEPS_PER_DAY.map((steps) => monthlyCost(measured, steps, standing));
  const [first = []] = columns;
  const rows = first.map(({ what }, index) => [what, ...columns.map((lines) => dollars(lines[index]?.usd ?? 0))]);
  const totals = ['**Sum**', ...columns.map((lines) => `**${dollars(sum(lines))}**`)];
  const each = columns.map((lines, index) => ((sum(lines) / (STEPS_PER_DAY[index] ?? 1) / 30) * 1000).toFixed(2));
  return table(
    ['US dollars a month', ...STEPS_PER_DAY.map(stepsADay)],
    [...rows, totals, ['Per 1,000 steps', ...each]],
  );
}

const stepsADay = (steps: number): string => `${whole(steps)} steps a day`;

function changes(measured: Measured): string {
  const columns = STEPS_PER_DAY.map((steps) => choices(measured, steps));
  const [first = []] = columns;
  const rows = first.map(({ what }, index) => [
    what,
    ...columns.map((lines) => (lines[index]?.usd ?? 0).toFixed(2).replace(/^(?!-)/, '+')),
  ]);
  return table(['US dollars a month', ...STEPS_PER_DAY.map(stepsADay)], rows);
}

/** What was measured, as `npm run bench:cost` prints it. */
export function measurements(measured: Measured): string {
  const tenths = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });
  const row = (what: string, one: Invocation, billed = billedMs(one)): readonly string[] => [
    what,
    whole(one.count),
    tenths(one.durationMs),
    tenths(one.cpuMs),
    whole(billed),
    whole(one.peakMb),
    whole(one.logBytes),
  ];
  const { intake, dispatch, jobStatus, reconcile, reconcileIdle } = measured;
  return table(
    ['Invocation', 'Measured', 'Duration, ms', 'Processor, ms', 'Billed, ms', 'Peak memory, MiB', 'Log, bytes'],
    [
      row('intake', intake),
      row('dispatch', dispatch),
      row('job-status', jobStatus),
      row(`reconcile, ${whole(reconcile.steps)} steps meanwhile`, reconcile, WATCH_MS),
      row('reconcile, idle, `WatchWhenIdle=false`', reconcileIdle),
    ],
  );
}

/** The tables that depend on what was measured. */
export function costTables(measured: Measured, standing: Standing): string {
  return `${bill(measured, standing)}\n${changes(measured)}\n${measurements(measured)}`;
}

/** The whole page. @param template the text of template.yaml. */
export function costPage(measured: Measured, template: string): string {
  const count = (type: string): number => template.split(`Type: AWS::CloudWatch::${type}\n`).length - 1;
  const standing = { alarms: count('Alarm'), dashboards: count('Dashboard') };
  const prices = Object.values(PRICES).map(({ what, usd, per, unit, source }) => [
    `[${what}](${source})`,
    `${usd} per ${per === 2 ** 30 || per === 1 ? '' : `${whole(per)} `}${unit}`,
  ]);
  return `# Cost

What a month of 30 days costs in us-east-1, with the defaults of \`template.yaml\`, at list prices of ${PRICES_OF}, without
free tiers and discounts. **Nothing here was measured on AWS**: durations come from the bundles on one machine, which
others used at the same time, and prices from public texts. Check both before you rely on a sum. This page is written by \`tools/write-cost-page.ts\` from
\`bench/cost/measured.json\`, \`bench/cost/prices.ts\` and \`bench/cost/model.ts\`.

## A month

${bill(measured, standing)}
Executors, their nodes and the cluster are not in it, nor is the API of Terrakube. They cost the same without the dispatcher.

**Reconcile is most of it, and costs the same at any number of steps**: 43,200 runs of 90 s with 0.5 GB, an overlap of a half
included, since a Job that is made a moment later needs eyes at once.

A step that waits (for a quota, a cluster) is looked at about every 30 s; each look is one more invocation of dispatch, with
two or three more requests of SQS.

## What changes it

${changes(measured)}
- \`WatchWhenIdle=false\` saves that much when nothing ever runs, and nothing while a step is unfinished. What happens to the
  first step after a pause is then seen up to a minute later.
- \`AuditLog=true\` needs the audit log of the whole cluster in CloudWatch, and that costs by the byte, whoever wrote it. The table
  has what one step adds: ${whole(measured.audit.bytes)} bytes, recorded on a real cluster, reads left out. The rest is the cluster's own: look
  at \`IncomingBytes\` of its log group before you switch it on. The subscription lets ${whole(measured.audit.lines)} lines a step pass, and at worst
  each is an invocation of job-status.
- A network between functions, cluster and Terrakube was not there when the durations were measured. Were intake and dispatch ten
  times as slow, the fourth line would come on top.
- Custom metrics cost by their number, whatever is written to them: ${whole(measured.metrics.length)} while all goes well. Each cause of waiting or failing that
  occurs adds one or two for the hours in which it does.
- Logs are kept for \`LogRetentionDays\` at another 0.03 dollars per GiB and month, compressed. The stack's KMS key is rotated
  once a year; the first two rotations add a dollar a month each.
- 200 KB of payload are four requests of SQS instead of one, each time they are sent or received.

## What was measured

${measurements(measured)}
Measured on ${measured.measuredOn}: ${measured.machine}. Steps ran one after the other, so that each
message was an invocation of its own; with several in a batch dispatch costs less. Medians; the memory is the most that a process
held. A run of reconcile ends 90 s after its start on every machine. Starts of sandboxes:
${startsOf(measured)}.

**Billed** is what 512 MB make of it: Lambda gives a whole processor at 1,769 MB, so 512 MB have 0.29 of one. Waiting takes as long as
here, computing 3.5 times as long. A processor of AWS is not the one of this machine. The log lines that Lambda itself writes about
each invocation are not in the table, and are in the bill.

\`npm run bench:cost\` measures anew, in about four minutes, and prints these tables. With \`-- --json\` it prints what belongs into
\`bench/cost/measured.json\`.

## Prices

${table([`us-east-1, ${PRICES_OF}`, 'US dollars'], prices)}`;
}

function startsOf({ inits }: Measured): string {
  return Object.entries(inits)
    .map(([name, init]) => `${name} ${init.durationMs.toFixed(0)} ms (billed ${whole(billedMs(init))})`)
    .join(', ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  process.stdout.write(costPage(JSON.parse(read('bench/cost/measured.json')), read('template.yaml')));
}
