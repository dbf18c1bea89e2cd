// Whether a sandbox of dispatch grows: 100,000 dispatches in one process, in batches of ten, each of another Terrakube job,
// with the memory after garbage collection noted twenty times.
//   node bench/memory.ts [--json] [--count N]
import { parseArgs } from 'node:util';
import { line } from './support/statistics.ts';
import { startSubjectBench } from './support/subjects.ts';

/** Memory at one moment, after garbage collection. */
export interface MemoryPoint {
  readonly dispatches: number;
  readonly heapMb: number;
  readonly externalMb: number;
  readonly rssMb: number;
}

/** How one kind of memory went in the second half of the run. */
export interface MemoryTrend {
  /** What the straight line through those points gains, over as many dispatches as the whole run has. */
  readonly growthMb: number;
  /** How far the points lie off that line, as a standard deviation. */
  readonly spreadMb: number;
}

/** The whole result. */
export interface MemoryResult {
  readonly count: number;
  readonly seconds: number;
  readonly points: readonly MemoryPoint[];
  readonly heap: MemoryTrend;
  readonly rss: MemoryTrend;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, count: { type: 'string', default: '100000' } } });
const count = Number(values.count);
/** As a function of 512 MB has it. */
const FLAGS = ['--expose-gc', '--max-old-space-size=460'];

const bench = await startSubjectBench();
try {
  const dispatch = bench.subjects.find(({ name }) => name === 'dispatch');
  if (!dispatch) throw new Error('dispatch is not there');
  process.stderr.write(`memory: ${count} dispatches in one process\n`);
  const startedAt = performance.now();
  const { found } = await bench.run<MemoryPoint>(dispatch, { mode: 'long', count, batch: 10, flags: FLAGS });
  const seconds = (performance.now() - startedAt) / 1000;
  report({
    count,
    seconds,
    points: found,
    heap: trend(found, ({ heapMb }) => heapMb),
    rss: trend(found, ({ rssMb }) => rssMb),
  });
} finally {
  bench.close();
}

/** The first half is left out: code is compiled, pools are filled, and V8 gives the heap its sizes. */
function trend(points: readonly MemoryPoint[], of: (point: MemoryPoint) => number): MemoryTrend {
  const settled = points.slice(Math.floor(points.length / 2));
  const { slope, spread } = line(settled.map((point) => [point.dispatches, of(point)]));
  return { growthMb: slope * count, spreadMb: spread };
}

function report(result: MemoryResult): void {
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  for (const { dispatches, heapMb, rssMb } of result.points) {
    console.log(
      `${String(dispatches).padStart(8)} dispatches  heap ${heapMb.toFixed(2)} MB  resident ${rssMb.toFixed(1)} MB`,
    );
  }
  const shown = ({ growthMb, spreadMb }: MemoryTrend): string =>
    `${growthMb.toFixed(2)} MB (spread ${spreadMb.toFixed(2)})`;
  console.log(
    `growth over ${count} dispatches in ${result.seconds.toFixed(0)} s: heap ${shown(result.heap)}, resident ${shown(result.rss)}`,
  );
}
