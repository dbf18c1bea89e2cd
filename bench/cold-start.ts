// What a cold start of dispatch costs: a whole process that loads the bundle, and the first dispatch in it, against a handler
// that does nothing, against the least that a dispatch can be, and against the documented use of the same libraries. All in
// the same rounds, in an order of chance; only processes of one round are compared.
//   node bench/cold-start.ts [--json] [--rounds N]
import { parseArgs } from 'node:util';
import { type Middle, middle, middleRatio, shuffled } from './support/statistics.ts';
import { type SubjectName, startSubjectBench } from './support/subjects.ts';

/** What was measured of one subject. */
export interface ColdStart {
  readonly name: SubjectName;
  /** Wall and CPU time of a whole process that loads the bundle and ends. */
  readonly processMs: Middle;
  readonly processCpuMs: Middle;
  readonly importMs: Middle;
  readonly peakMb: Middle;
  /** The first dispatch after it. */
  readonly firstMs: Middle;
  readonly firstCpuMs: Middle;
  /** Loading and first dispatch together. */
  readonly bothCpuMs: Middle;
  readonly firstRequests: number;
  readonly firstHandshakes: number;
  /** Over the empty handler, and over the floor, of the same round. */
  readonly processOverEmpty: Middle;
  readonly firstCpuOverFloor: Middle;
  readonly bothCpuOverFloor: Middle;
}

/** The whole result. */
export interface ColdStartResult {
  readonly rounds: number;
  readonly subjects: readonly ColdStart[];
}

interface Found {
  readonly importMs: number;
  readonly importCpuMs: number;
  readonly processCpuMs: number;
  readonly peakMb: number;
  readonly firstMs?: number;
  readonly firstCpuMs?: number;
}

interface Round {
  readonly loaded: Found & { readonly processMs: number };
  readonly first: Found;
  readonly requests: number;
  readonly handshakes: number;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '40' } } });
const rounds = Number(values.rounds);
const bench = await startSubjectBench();
try {
  const measured = new Map<SubjectName, Round[]>(bench.subjects.map(({ name }) => [name, []]));
  // One round more: the first one reads files that are not in the page cache.
  for (let round = -1; round < rounds; round += 1) {
    for (const subject of shuffled(bench.subjects)) {
      const { found: loaded, processMs } = await bench.run<Found>(subject, { mode: 'import' });
      await bench.counts();
      const { found: first } = await bench.run<Found>(subject, { mode: 'first' });
      const { requests, handshakes } = await bench.counts();
      if (!loaded[0] || !first[0]) throw new Error('a process said nothing');
      if (round < 0) continue;
      measured.get(subject.name)?.push({ loaded: { ...loaded[0], processMs }, first: first[0], requests, handshakes });
    }
    if (round >= 0) process.stderr.write(`\rcold start: round ${round + 1} of ${rounds}`);
  }
  process.stderr.write('\n');
  report({ rounds, subjects: [...measured.keys()].map((name) => summary(name, measured)) });
} finally {
  bench.close();
}

function summary(name: SubjectName, measured: ReadonlyMap<SubjectName, readonly Round[]>): ColdStart {
  const of = (subject: SubjectName, value: (round: Round) => number): readonly number[] =>
    (measured.get(subject) ?? []).map(value);
  const own = (value: (round: Round) => number): Middle => middle(of(name, value));
  const over = (base: SubjectName, value: (round: Round) => number): Middle =>
    middleRatio(of(name, value), of(base, value));
  const firstCpuMs = ({ first }: Round): number => first.firstCpuMs ?? Number.NaN;
  const bothCpuMs = ({ first }: Round): number => first.importCpuMs + (first.firstCpuMs ?? Number.NaN);
  return {
    name,
    processMs: own(({ loaded }) => loaded.processMs),
    processCpuMs: own(({ loaded }) => loaded.processCpuMs),
    importMs: own(({ loaded }) => loaded.importMs),
    peakMb: own(({ first }) => first.peakMb),
    firstMs: own(({ first }) => first.firstMs ?? Number.NaN),
    firstCpuMs: own(firstCpuMs),
    bothCpuMs: own(bothCpuMs),
    firstRequests: own(({ requests }) => requests).median,
    firstHandshakes: own(({ handshakes }) => handshakes).median,
    processOverEmpty: over('empty', ({ loaded }) => loaded.processMs),
    firstCpuOverFloor: over('floor', firstCpuMs),
    bothCpuOverFloor: over('floor', bothCpuMs),
  };
}

function report(result: ColdStartResult): void {
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const shown = ({ median, low, high }: Middle): string =>
    `${median.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})`.padEnd(22);
  const ratio = ({ median, low, high }: Middle): string =>
    `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`.padEnd(20);
  console.log('ms: process, its CPU, import; first dispatch, its CPU; ratios: process, first CPU, import + first CPU');
  for (const one of result.subjects) {
    const times = [one.processMs, one.processCpuMs, one.importMs, one.firstMs, one.firstCpuMs].map(shown).join('');
    const ratios = [one.processOverEmpty, one.firstCpuOverFloor, one.bothCpuOverFloor].map(ratio).join('');
    console.log(`${one.name.padEnd(16)}${times}${ratios}${one.firstHandshakes} / ${one.firstRequests}`);
  }
}
