// `npm run bench`: all parts one after the other, unattended. Results go to docs/bench, with plots of them, and from them
// docs/performance.md is written; at the end stands what was demanded and what was measured. A quick try goes to
// .cache/bench and changes no page.
//   npm run bench -- [--quick] [PART …]
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { isMet, type Parts, readResults, type Taken, type Target, targetsOf } from './results.ts';

/** The arguments of each part: of a whole run, and of a quick one. */
const PARTS: Readonly<Record<keyof Parts, readonly [whole: readonly string[], quick: readonly string[]]>> = {
  'cold-start': [
    ['--rounds', '40'],
    ['--rounds', '3'],
  ],
  'warm-dispatch': [
    ['--rounds', '9'],
    ['--rounds', '2', '--count', '200'],
  ],
  'post-to-job': [
    ['--runs', '100'],
    ['--runs', '10'],
  ],
  'status-to-terrakube': [
    ['--runs', '50'],
    ['--runs', '5'],
  ],
  'dispatch-rate': [
    ['--runs', '300'],
    ['--runs', '30'],
  ],
  reconcile: [
    ['--runs', '3'],
    ['--runs', '1', '--sizes', '100,1000'],
  ],
  'intake-rate': [
    ['--seconds', '10'],
    ['--seconds', '2'],
  ],
  memory: [
    ['--count', '100000'],
    ['--count', '4000'],
  ],
};

const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true });
const isQuick = values.quick === true;
const root = path.dirname(import.meta.dirname);
const folder = path.join(root, ...(isQuick ? ['.cache', 'bench'] : ['docs', 'bench']));

process.exitCode = await main();

async function main(): Promise<number> {
  const unknown = positionals.filter((name) => !isPart(name));
  if (unknown.length > 0) {
    console.error(`No such part: ${unknown.join(', ')}. There are ${Object.keys(PARTS).join(', ')}.`);
    return 2;
  }
  const asked = Object.keys(PARTS).filter(isPart);
  const parts = positionals.length === 0 ? asked : asked.filter((part) => positionals.includes(part));
  mkdirSync(folder, { recursive: true });
  const failed: string[] = [];
  for (const [index, part] of parts.entries()) {
    process.stderr.write(`── ${part} (${index + 1} of ${parts.length})\n`);
    const startedAt = performance.now();
    if (!(await measure(part))) failed.push(part);
    process.stderr.write(`── ${part} took ${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`);
  }
  execFileSync(process.execPath, ['tools/draw-bench.ts', folder], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (!isQuick) {
    const page = execFileSync(process.execPath, ['tools/write-performance-page.ts'], { cwd: root });
    writeFileSync(path.join(root, 'docs', 'performance.md'), page);
  }
  report(targetsOf(readResults(folder)));
  if (failed.length > 0) console.error(`not measured: ${failed.join(', ')}`);
  return failed.length > 0 ? 1 : 0;
}

function isPart(name: string): name is keyof Parts {
  return name in PARTS;
}

/** A part that fails leaves its last result as it was. */
async function measure(part: keyof Parts): Promise<boolean> {
  const args = PARTS[part][isQuick ? 1 : 0];
  const load = loadavg()[0] ?? 0;
  const child = spawn(process.execPath, [path.join('bench', `${part}.ts`), '--json', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(1));
    child.once('exit', (code) => resolve(code));
  });
  const [printed, code] = await Promise.all([text(child.stdout), ended]);
  const last = printed.trim().split('\n').at(-1) ?? '';
  if (code !== 0 || !last.startsWith('{')) return false;
  const result: unknown = JSON.parse(last);
  const taken: Taken<unknown> = { ...whereAndWhen(load), result };
  writeFileSync(path.join(folder, `${part}.json`), `${JSON.stringify(taken, rounded, 1)}\n`);
  return true;
}

function whereAndWhen(load: number): Omit<Taken<unknown>, 'result'> {
  const [cpu] = cpus();
  return {
    takenAt: new Date().toISOString(),
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim(),
    node: process.version,
    machine: {
      cpu: cpu?.model ?? '',
      cores: cpus().length,
      memoryGb: totalmem() / 2 ** 30,
      system: `${type()} ${release().split('.').slice(0, 2).join('.')}`,
      load,
    },
  };
}

/** Four digits are more than any of these figures deserves. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}

function report(targets: readonly Target[]): void {
  for (const target of targets) {
    const { what, value, limit, unit } = target;
    const figures = `${value.toFixed(2)} ${unit}`.padStart(11) + `at most ${limit.toFixed(2)} ${unit}`.padStart(20);
    console.log(`${isMet(target) ? 'met   ' : 'MISSED'} ${what.padEnd(66)}${figures}`);
  }
}
