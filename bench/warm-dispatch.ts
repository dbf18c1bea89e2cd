// What a dispatch costs in a sandbox that has worked before, one after the other and as a batch of ten, against the least
// that it can be and against the documented use of the same libraries. Each round is a new process of each, in an order of
// chance; only processes of one round are compared.
//   node bench/warm-dispatch.ts [--json] [--rounds N] [--count N]
import { parseArgs } from 'node:util';
import { type Middle, middle, middleRatio, quantile, shuffled } from './support/statistics.ts';
import { type Subject, type SubjectBench, type SubjectName, startSubjectBench } from './support/subjects.ts';

/** What was measured of one subject, one dispatch after the other. */
export interface WarmDispatch {
  readonly name: SubjectName;
  readonly p50Ms: Middle;
  readonly p99Ms: Middle;
  readonly cpuMs: Middle;
  /** Over the floor of the same round. */
  readonly cpuOverFloor: Middle;
  readonly requests: number;
  readonly handshakes: number;
}

/** A batch of ten against a single dispatch, with servers that take so long for each answer. */
export interface WarmBatch {
  readonly thinkMs: number;
  readonly oneMs: Middle;
  readonly tenMs: Middle;
  readonly tenOverOne: Middle;
  /** CPU time for each dispatch of a batch. */
  readonly tenCpuMs: Middle;
}

/** The whole result. */
export interface WarmDispatchResult {
  readonly rounds: number;
  readonly count: number;
  readonly subjects: readonly WarmDispatch[];
  readonly batches: readonly WarmBatch[];
}

interface Found {
  readonly wallMs: readonly number[];
  readonly cpuMs: number;
}

/** Of each dispatch. */
interface Round extends Found {
  readonly requests: number;
  readonly handshakes: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '9' },
    count: { type: 'string', default: '1000' },
  },
});
const [rounds, count] = [Number(values.rounds), Number(values.count)];
/** By as many dispatches a process is warmed up: the compiler then has done its work on what runs for each of them. */
const warmUp = count;
/** The documented use takes ten times as long, and its figures do not change from here on. */
const SLOW = { documented: 0.1 } as const;
const BATCH = 10;
/** Servers that answer at once, and ones that take as long as an API server does that writes to its disk. */
const THINK_MS = [0, 20];

const bench = await startSubjectBench();
try {
  const subjects = await measureSubjects(bench);
  const batches: WarmBatch[] = [];
  for (const thinkMs of THINK_MS) batches.push(await measureBatches(bench, thinkMs));
  report({ rounds, count, subjects, batches });
} finally {
  bench.close();
}

async function measureSubjects({ subjects, counts, run }: SubjectBench): Promise<readonly WarmDispatch[]> {
  const compared = subjects.filter(({ name }) => name !== 'empty' && name !== 'dispatchAsksEks');
  const measured = new Map<SubjectName, Round[]>(compared.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const subject of shuffled(compared)) {
      await counts();
      const part = subject.name === 'documented' ? SLOW.documented : 1;
      const sizes = { count: Math.ceil(count * part), warmUp: Math.ceil(warmUp * part) };
      const [found] = (await run<Found>(subject, { mode: 'warm', ...sizes })).found;
      const { requests, handshakes } = await counts();
      const all = sizes.count + sizes.warmUp;
      const each = { requests: requests / all, handshakes: handshakes / all };
      if (found) measured.get(subject.name)?.push({ ...found, ...each });
    }
    process.stderr.write(`\rwarm dispatch: round ${round + 1} of ${rounds}`);
  }
  process.stderr.write('\n');
  return compared.map(({ name }) => summary(name, measured));
}

function summary(name: SubjectName, measured: ReadonlyMap<SubjectName, readonly Round[]>): WarmDispatch {
  const own = measured.get(name) ?? [];
  const cpu = (of: SubjectName): readonly number[] => (measured.get(of) ?? []).map(({ cpuMs }) => cpuMs);
  return {
    name,
    p50Ms: middle(own.map(({ wallMs }) => quantile(wallMs, 0.5))),
    p99Ms: middle(own.map(({ wallMs }) => quantile(wallMs, 0.99))),
    cpuMs: middle(cpu(name)),
    cpuOverFloor: middleRatio(cpu(name), cpu('floor')),
    requests: quantile(
      own.map(({ requests }) => requests),
      0.5,
    ),
    handshakes: quantile(
      own.map(({ handshakes }) => handshakes),
      0.5,
    ),
  };
}

async function measureBatches(bench: SubjectBench, thinkMs: number): Promise<WarmBatch> {
  const dispatch = bench.subjects.find(({ name }) => name === 'dispatch');
  if (!dispatch) throw new Error('dispatch is not there');
  await bench.think(thinkMs);
  const [one, ten]: [Found[], Found[]] = [[], []];
  // Half as many: what is measured is mostly waiting.
  const pairs = Math.ceil(rounds / 2);
  for (let round = 0; round < pairs; round += 1) {
    one.push(await ofBatch(bench, dispatch, 1));
    ten.push(await ofBatch(bench, dispatch, BATCH));
    process.stderr.write(`\rbatches, answers after ${thinkMs} ms: round ${round + 1} of ${pairs}`);
  }
  process.stderr.write('\n');
  const medians = (found: readonly Found[]): readonly number[] => found.map(({ wallMs }) => quantile(wallMs, 0.5));
  return {
    thinkMs,
    oneMs: middle(medians(one)),
    tenMs: middle(medians(ten)),
    tenOverOne: middleRatio(medians(ten), medians(one)),
    tenCpuMs: middle(ten.map(({ cpuMs }) => cpuMs)),
  };
}

async function ofBatch(bench: SubjectBench, dispatch: Subject, batch: number): Promise<Found> {
  const sizes = { count: 30, batch, warmUp: Math.ceil(100 / batch) };
  const [found] = (await bench.run<Found>(dispatch, { mode: 'warm', ...sizes })).found;
  if (!found) throw new Error('the process said nothing');
  return found;
}

function report(result: WarmDispatchResult): void {
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const shown = ({ median, low, high }: Middle): string =>
    `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`.padEnd(24);
  console.log('ms: p50, p99, CPU for each; CPU over the floor; handshakes and requests for each');
  for (const { name, p50Ms, p99Ms, cpuMs, cpuOverFloor, handshakes, requests } of result.subjects) {
    const figures = [p50Ms, p99Ms, cpuMs, cpuOverFloor].map(shown).join('');
    console.log(`${name.padEnd(16)}${figures}${handshakes.toFixed(3)} / ${requests.toFixed(2)}`);
  }
  for (const { thinkMs, oneMs, tenMs, tenOverOne, tenCpuMs } of result.batches) {
    const figures = [oneMs, tenMs, tenOverOne, tenCpuMs].map(shown).join('');
    console.log(`answers after ${thinkMs} ms: one, ten, ratio, CPU for each of ten: ${figures}`);
  }
}
