// Prints docs/performance.md from the results in docs/bench and from nothing else:
//   node tools/write-performance-page.ts > docs/performance.md
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMet, type Results, readResults, type Taken, targetsOf } from '../bench/results.ts';
import type { Middle } from '../bench/support/statistics.ts';
import type { SubjectName } from '../bench/support/subjects.ts';
import type { WarmDispatch } from '../bench/warm-dispatch.ts';
import { plotsOf, SUBJECT_WORDS } from './bench-plots.ts';
import { CEILINGS, scaleTable } from './performance-scale.ts';

/** The whole page. */
export function performancePage(results: Results): string {
  const parts = [HEAD, targets(results), coldStart(results), warm(results), latency(results), reconcile(results)];
  return [...parts, intake(results), memory(results), CEILINGS, scaleTable(results)].filter(Boolean).join('\n');
}

const HEAD = `# Performance

Written by \`tools/write-performance-page.ts\` from \`docs/bench/*.json\`, which \`npm run bench\` measures (\`-- --quick\` for a try,
\`-- PART\` for some parts). Everything runs on one machine, with stand-ins or a real API server on the loopback: there is no
network, no Lambda and no EKS in these figures. Read the ratios. They compare processes of the same round, in an order of
chance; a figure is the median, the two in brackets are the quartiles.

- **empty handler**: what Node itself costs.
- **floor**: the same four calls over \`node:https\`, signed by hand, with nothing checked and no library.
- **documented use**: the AWS SDK, client-node's KubeConfig and \`fetch\`, bundled with esbuild as its documentation shows it.
- **dispatch**: the built bundle, which has Terrakube's secret and the cluster's address in its settings. *Asking EKS*: without
  \`EksEndpoint\`, so that the SDK is loaded and asks once. A stack has its secret in Secrets Manager, which loads the same SDK at
  the first dispatch of each sandbox: read its cold start there, and everything warm in the row above.
`;

function targets(results: Results): string {
  const rows = targetsOf(results).map((target) => {
    const { what, value, limit, unit } = target;
    const [measured, most] = [value, limit].map((figure) => `${number(figure)} ${unit}`.trim());
    return `| ${what} | ${measured} | ${most} | ${isMet(target) ? 'met' : '**missed**'} |`;
  });
  return table('## What is demanded', ['What', 'Measured', 'At most', ''], rows);
}

function coldStart({ 'cold-start': taken }: Results): string {
  if (!taken) return '';
  const rows = taken.result.subjects.map((one) => {
    const { processMs, processCpuMs, processOverEmpty, firstMs, firstCpuMs, firstCpuOverFloor, peakMb } = one;
    const figures = [processMs, processCpuMs].map(spread);
    const first =
      one.name === 'empty' ? ['', '', ''] : [spread(firstMs), spread(firstCpuMs), spread(firstCpuOverFloor)];
    const calls = one.name === 'empty' ? '' : `${one.firstRequests} / ${one.firstHandshakes}`;
    return `| ${[SUBJECT_WORDS[one.name], ...figures, spread(processOverEmpty), ...first, calls, number(peakMb.median)].join(' | ')} |`;
  });
  const head = [
    '',
    'process, ms',
    'its CPU, ms',
    'process over empty',
    'first dispatch, ms',
    'its CPU, ms',
    'CPU over floor',
    'requests / handshakes',
    'peak, MB',
  ];
  return `${table('## Cold start', head, rows)}\n${plot('cold-start')}\n${where(taken, `${taken.result.rounds} rounds`)}`;
}

function warm({ 'warm-dispatch': taken }: Results): string {
  if (!taken) return '';
  const { rounds, count, subjects, batches } = taken.result;
  const rows = subjects.map(({ name, p50Ms, p99Ms, cpuMs, cpuOverFloor, requests, handshakes }) => {
    const figures = [p50Ms, p99Ms, cpuMs, cpuOverFloor].map(spread);
    return `| ${[SUBJECT_WORDS[name], ...figures, `${number(requests)} / ${number(handshakes)}`].join(' | ')} |`;
  });
  const ofTen = batches.map(({ thinkMs, oneMs, tenMs, tenOverOne, tenCpuMs }) => {
    return `| ${[`${thinkMs} ms`, ...[oneMs, tenMs, tenOverOne, tenCpuMs].map(spread)].join(' | ')} |`;
  });
  const head = ['', 'p50, ms', 'p99, ms', 'CPU, ms', 'CPU over floor', 'requests / handshakes each'];
  return [
    table('## Warm dispatch', head, rows),
    overFloor(subjects),
    plot('warm-dispatch'),
    table(
      `A batch of ten is dispatched side by side over at most eight connections to the cluster. Where servers answer at once, it is
the CPU of one core that counts; an API server waits for its disk, too.`,
      ['servers answer after', 'one, ms', 'ten, ms', 'ten over one', 'CPU for each of ten, ms'],
      ofTen,
    ),
    where(
      taken,
      `${rounds} rounds of ${count} dispatches after as many to warm up (the documented use: a tenth of both)`,
    ),
  ].join('\n');
}

/** What the floor leaves out. */
function overFloor(subjects: readonly WarmDispatch[]): string {
  const cpu = (of: SubjectName): number => subjects.find(({ name }) => name === of)?.cpuMs.median ?? Number.NaN;
  return `The ${number(cpu('dispatch') - cpu('floor'))} ms of CPU above the floor are what the floor leaves out: the message and the payload are parsed and
checked, the workspace's options read and held against the policy, names and hashes made, every answer is checked,
time limits are set on each call, and a log line and a line of metrics are written. No one
of these is large; the connections themselves cost a few hundredths of a millisecond more than the floor's.
`;
}

function latency(results: Results): string {
  const { 'post-to-job': post, 'status-to-terrakube': status, 'dispatch-rate': rate } = results;
  const rows = [
    ...(post
      ? [
          `| Terrakube’s POST → Job created (local stack) | ${number(post.result.postToJobMs.median)} ms | p99 ${number(post.result.postToJobMs.p99)} ms | ${number(post.result.bareCreateMs.median)} ms for a bare create |`,
        ]
      : []),
    ...(status
      ? [
          `| Job failed → step failed in Terrakube (real API server, audit log) | ${number(status.result.failedToToldMs.median)} ms | worst ${number(status.result.failedToToldMs.worst)} ms | ${number(status.result.bareMs.median)} ms for a bare GET and PATCH |`,
        ]
      : []),
    ...(rate
      ? [
          `| dispatches a second, one worker (real API server) | ${number(rate.result.one.perSecond)} | ten workers ${number(rate.result.ten.perSecond)} | ${number(rate.result.bare.perSecond)} bare creates of Job and Secret |`,
        ]
      : []),
  ];
  if (rows.length === 0) return '';
  const made = [post, status, rate].flatMap((taken) => (taken ? [where(taken, `${taken.result.runs} runs`)] : []));
  return [table('## From end to end', ['', 'median', '', 'beside'], rows), plot('latency'), ...new Set(made)].join(
    '\n',
  );
}

function reconcile({ reconcile: taken }: Results): string {
  if (!taken) return '';
  const rows = taken.result.measured.flatMap(({ size, first, later }) =>
    [
      { which: 'first', pass: first },
      { which: 'later', pass: later },
    ].map(({ which, pass }) => {
      const over = pass.cpuMs / pass.plain.cpuMs;
      const cells = [size, which, pass.cpuMs, pass.wallMs, over, pass.overPlainUs, pass.overEmptyMb, pass.requests];
      return `| ${cells.map((cell) => (typeof cell === 'number' ? number(cell) : cell)).join(' | ')} |`;
    }),
  );
  const { first, later, plain } = taken.result.exponents;
  const head = [
    'Jobs',
    'pass',
    'CPU, ms',
    'wall, ms',
    'CPU over parsing',
    'µs above it, a Job',
    'MB over empty',
    'requests',
  ];
  return [
    table('## Reconcile', head, rows),
    `The first pass of a sandbox asks for the Terrakube job of every Job; later ones skip what is settled. CPU grows with the power
${number(first)} of the size (later passes ${number(later)}; fetching the same pages, parsing and dropping them ${number(plain)}).
`,
    plot('reconcile'),
    where(taken, `the middle one of ${taken.result.runs} runs`),
  ].join('\n');
}

function intake({ 'intake-rate': taken }: Results): string {
  if (!taken) return '';
  const rows = taken.result.rates.map(
    ({ senders, acceptedPerSecond, p50Ms, p99Ms, turnedAway, otherAnswers, sandboxes }) => {
      const cells = [senders, acceptedPerSecond, p50Ms, p99Ms, turnedAway, otherAnswers, sandboxes].map(number);
      return `| ${cells.join(' | ')} |`;
    },
  );
  const head = ['senders', 'accepted a second', 'p50, ms', 'p99, ms', 'answered 503', 'other answers', 'sandboxes'];
  return [
    table('## Intake', head, rows),
    `The local Lambda has ten sandboxes, on all cores of this machine; who finds them busy is answered 503 and tries again, as
Terrakube does. The front door alone, with nothing behind it, takes ${number(taken.result.frontDoorPerSecond)} a second from one sender.
`,
    plot('intake-rate'),
    where(taken, `${taken.result.seconds} s each`),
  ].join('\n');
}

function memory({ memory: taken }: Results): string {
  if (!taken) return '';
  const { count, seconds, heap, rss } = taken.result;
  return `## Memory

${number(count)} dispatches in one process, in batches of ten, took ${number(seconds)} s. In its second half, as many dispatches
made the heap after garbage collection grow by ${number(heap.growthMb)} MB (points lie ${number(heap.spreadMb)} MB off that line), and resident memory by
${number(rss.growthMb)} MB (${number(rss.spreadMb)} MB).

${plot('memory')}
${where(taken, 'one run')}`;
}

const table = (above: string, head: readonly string[], rows: readonly string[]): string =>
  [above, '', `| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows, ''].join('\n');

const plot = (name: string): string => `![${PLOT_TITLES[name] ?? name}](bench/${name}.svg)\n`;

const root = path.dirname(import.meta.dirname);
const known = readResults(path.join(root, 'docs', 'bench'));
const PLOT_TITLES: Readonly<Record<string, string>> = Object.fromEntries(
  plotsOf(known).map(({ name, title }) => [name, title]),
);

function where({ takenAt, commit, node, machine }: Omit<Taken<unknown>, 'result'>, how: string): string {
  const { cpu, cores, memoryGb, system, load } = machine;
  return `*${how}; ${takenAt.slice(0, 10)}, commit ${commit}, Node ${node.slice(1)}, ${cores} cores of ${cpu}, ${number(memoryGb)} GB, ${system}; load ${number(load)} before.*\n`;
}

const spread = ({ median, low, high }: Middle): string => `${number(median)} (${number(low)}–${number(high)})`;

/** Three digits, and thousands apart. */
const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(performancePage(known));
