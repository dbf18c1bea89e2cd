// What one pass of the reconciler costs: worlds of 100 to 50,000 Jobs on scripted servers, read by the real clients and
// planned for, the first time in a sandbox and a later time. The baseline of the same run is what nobody can do without:
// the same pages fetched, parsed as JSON and dropped. CPU time and memory are those of the measured process alone.
//   npm run bench:reconcile -- [--json] [--runs N] [--sizes 100,1000] [--cpu-prof DIR]
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import type { Answer, Cost, Order } from './reconcile-pass.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    runs: { type: 'string', default: '3' },
    sizes: { type: 'string', default: '100,1000,10000,50000' },
    'cpu-prof': { type: 'string' },
  },
});
const runs = Number(values.runs);
const sizes = values.sizes.split(',').map(Number);
/** As Lambda starts Node in a function of 512 MB: with 90 % and 5 % of it. */
const NODE_FLAGS = ['--expose-gc', '--max-old-space-size=460', '--max-semi-space-size=25'];
/** As template.yaml has it. */
const ENVIRONMENT = { ...process.env, MALLOC_ARENA_MAX: '1' };
const PROFILED = values['cpu-prof'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values['cpu-prof']}`];

interface Addresses {
  readonly clusterUrl: string;
  readonly terrakubeUrl: string;
  readonly caPem: string;
}

interface Seen {
  readonly url: string;
  readonly bytes: number;
}

type Passes = Extract<Answer, { mode: 'passes' }>;

/** What was measured of one world; of several runs, the one in the middle by CPU time. */
interface Measured extends Pick<Passes, 'planMs' | 'jobs' | 'settled' | 'planned' | 'deeds' | 'heldMb' | 'retainedMb'> {
  readonly size: number;
  readonly first: PassCost;
  readonly later: PassCost;
}

interface PassCost extends Cost {
  readonly requests: number;
  readonly megabytes: number;
  readonly plain: Cost;
  /** Peak memory over that of a process that has loaded the modules only. */
  readonly overEmptyMb: number;
  /** CPU time above that of the plain way, by Job of the world, in microseconds. */
  readonly overPlainUs: number;
}

const dir = mkdtempSync(join(tmpdir(), 'bench-reconcile-'));
try {
  // As one file of plain JavaScript, as in Lambda: what Node needs to read TypeScript must not count.
  const program = join(dir, 'pass.cjs');
  const entryPoints = [join(import.meta.dirname, 'reconcile-pass.ts')];
  await build({ entryPoints, outfile: program, bundle: true, platform: 'node', format: 'cjs', target: 'node24' });
  const measured: Measured[] = [];
  for (const size of sizes) measured.push(await measure(program, size));
  report(measured);
} finally {
  rmSync(dir, { recursive: true });
}

async function measure(program: string, size: number): Promise<Measured> {
  const server = fork(join(import.meta.dirname, 'reconcile-server.ts'), [String(size)]);
  try {
    const addresses = await answerOf<Addresses>(server);
    const found: Measured[] = [];
    for (let run = 0; run < runs; run += 1) found.push(await measureOnce(program, addresses, size));
    const inTheMiddle = found.toSorted((one, other) => one.first.cpuMs - other.first.cpuMs)[Math.floor(runs / 2)];
    if (!inTheMiddle) throw new Error('nothing was measured');
    return inTheMiddle;
  } finally {
    server.disconnect();
  }
}

async function measureOnce(program: string, { caPem, ...urls }: Addresses, size: number): Promise<Measured> {
  const empty = await run(program, { mode: 'nothing' });
  const passes = await run(program, { mode: 'passes', caPem, ...urls }, PROFILED);
  if (empty.mode !== 'nothing' || passes.mode !== 'passes') throw new Error('another order was obeyed');
  const seen = await takeSeen(urls.terrakubeUrl);
  // A later pass begins where Terrakube's list of live jobs is read for the second time.
  const firstUrl = seen[0]?.url;
  const laterAt = seen.findIndex(({ url }, index) => index > 0 && url === firstUrl);
  const costOf = async (cost: Cost, pages: readonly Seen[]): Promise<PassCost> => {
    const plain = await run(program, { mode: 'plain', caPem, urls: pages.map(({ url }) => url) });
    await takeSeen(urls.terrakubeUrl);
    if (plain.mode !== 'plain') throw new Error('another order was obeyed');
    return {
      ...cost,
      requests: pages.length,
      megabytes: pages.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20,
      plain: plain.cost,
      overEmptyMb: cost.peakMb - empty.restMb,
      overPlainUs: ((cost.cpuMs - plain.cost.cpuMs) * 1000) / size,
    };
  };
  const { mode, first, later, ...counts } = passes;
  return {
    size,
    ...counts,
    first: await costOf(first, seen.slice(0, laterAt)),
    later: await costOf(later, seen.slice(laterAt)),
  };
}

/** What the servers were asked since the last time. */
async function takeSeen(terrakubeUrl: string): Promise<readonly Seen[]> {
  return JSON.parse(await (await fetch(`${terrakubeUrl}/seen`)).text());
}

async function run(program: string, order: Order, flags: readonly string[] = []): Promise<Answer> {
  const child = fork(program, { execArgv: [...NODE_FLAGS, ...flags], env: ENVIRONMENT });
  child.send(order);
  return answerOf<Answer>(child);
}

function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: T) => resolve(message));
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the process ended with ${signal ?? code}`)));
  });
}

/** The exponent of a power of the size that the CPU times lie closest to. */
function exponent(measured: readonly Measured[], cpuMsOf: (one: Measured) => number): number {
  const points = measured.map((one) => ({ x: Math.log(one.size), y: Math.log(cpuMsOf(one)) }));
  const mean = (of: (point: { x: number; y: number }) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  return mean((point) => (point.x - x) * (point.y - y)) / mean((point) => (point.x - x) ** 2);
}

function report(measured: readonly Measured[]): void {
  const exponents = {
    first: exponent(measured, ({ first }) => first.cpuMs),
    later: exponent(measured, ({ later }) => later.cpuMs),
    plain: exponent(measured, ({ first }) => first.plain.cpuMs),
  };
  if (values.json) {
    console.log(JSON.stringify({ runs, measured, exponents }));
    return;
  }
  for (const { size, first, later, ...counts } of measured) {
    const { planMs, jobs, settled, planned, deeds, heldMb, retainedMb } = counts;
    console.log(
      `${size} Jobs (${jobs} read, ${planned} planned, ${deeds} deeds; ${settled} settled before the later pass)`,
    );
    console.log(`  ${line('first', first)}`);
    console.log(`  ${line('later', later)}`);
    console.log(
      `  planning alone, again: CPU ${planMs.toFixed(0)} ms; heap held by the first pass ${heldMb.toFixed(1)} MB, after it ${retainedMb.toFixed(1)} MB`,
    );
  }
  const [first, later, plain] = [exponents.first, exponents.later, exponents.plain].map((value) => value.toFixed(2));
  console.log(`CPU time grows with the power ${first} of the size (later ${later}, plain ${plain})`);
}

function line(what: string, cost: PassCost): string {
  const { cpuMs, wallMs, plain, overEmptyMb, peakMb, restMb, requests, megabytes, overPlainUs } = cost;
  return [
    `${what}: CPU ${cpuMs.toFixed(0)} ms (plain ${plain.cpuMs.toFixed(0)}, ratio ${(cpuMs / plain.cpuMs).toFixed(2)}`,
    `${overPlainUs.toFixed(0)} µs a Job above it), wall ${wallMs.toFixed(0)} ms`,
    `memory +${overEmptyMb.toFixed(0)} MB over empty (+${(peakMb - restMb).toFixed(0)} over itself, plain +${(plain.peakMb - plain.restMb).toFixed(0)})`,
    `${requests} requests, ${megabytes.toFixed(1)} MB`,
  ].join(', ');
}
