// What the benchmarks found, as it lies in docs/bench, and what is demanded of it.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ColdStartResult } from './cold-start.ts';
import type { IntakeResult } from './intake-rate.ts';
import type { MemoryResult } from './memory.ts';
import type { WarmDispatchResult } from './warm-dispatch.ts';

/** One part's result, with when and where it was measured. */
export interface Taken<T> {
  readonly takenAt: string;
  readonly commit: string;
  readonly node: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly system: string;
    /** Processes that wanted to run, in the minute before: more than cores means that others were at work. */
    readonly load: number;
  };
  readonly result: T;
}

/** From Terrakube's POST until the Job exists, on the local stack. */
export interface PostToJobResult {
  readonly runs: number;
  readonly postToJobMs: { readonly median: number; readonly p99: number };
  readonly bareCreateMs: { readonly median: number; readonly p99: number };
  readonly ratio: number;
}

/** From a Job's end until its step is failed. */
export interface StatusResult {
  readonly runs: number;
  readonly failedToToldMs: { readonly median: number; readonly worst: number };
  readonly bareMs: { readonly median: number; readonly worst: number };
  readonly ratio: number;
}

/** Steps a second on a real API server. */
export interface DispatchRateResult {
  readonly runs: number;
  readonly one: { readonly perSecond: number; readonly cpuMs: number };
  readonly ten: { readonly perSecond: number; readonly cpuMs: number };
  readonly bare: { readonly perSecond: number; readonly cpuMs: number };
  readonly perDispatch: { readonly requests: number; readonly handshakes: number };
  readonly cpuRatio: number;
}

/** What one pass of the reconciler cost. */
export interface PassResult {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly requests: number;
  readonly megabytes: number;
  readonly peakMb: number;
  readonly overEmptyMb: number;
  readonly overPlainUs: number;
  readonly plain: { readonly cpuMs: number; readonly wallMs: number };
}

/** Passes of the reconciler over worlds of several sizes. */
export interface ReconcileResult {
  readonly runs: number;
  readonly measured: readonly { readonly size: number; readonly first: PassResult; readonly later: PassResult }[];
  readonly exponents: { readonly first: number; readonly later: number; readonly plain: number };
}

/** The parts, by the names of their files. */
export interface Parts {
  readonly 'cold-start': ColdStartResult;
  readonly 'warm-dispatch': WarmDispatchResult;
  readonly 'post-to-job': PostToJobResult;
  readonly 'status-to-terrakube': StatusResult;
  readonly 'dispatch-rate': DispatchRateResult;
  readonly reconcile: ReconcileResult;
  readonly 'intake-rate': IntakeResult;
  readonly memory: MemoryResult;
}

/** What there is of the parts. */
export type Results = { readonly [Part in keyof Parts]?: Taken<Parts[Part]> };

/** Reads the results in a folder; a part that was never measured is absent. */
export function readResults(folder: string): Results {
  const read = <T>(part: keyof Parts): { readonly [part: string]: Taken<T> } => {
    const file = path.join(folder, `${part}.json`);
    return existsSync(file) ? { [part]: JSON.parse(readFileSync(file, 'utf8')) } : {};
  };
  return {
    ...read<ColdStartResult>('cold-start'),
    ...read<WarmDispatchResult>('warm-dispatch'),
    ...read<PostToJobResult>('post-to-job'),
    ...read<StatusResult>('status-to-terrakube'),
    ...read<DispatchRateResult>('dispatch-rate'),
    ...read<ReconcileResult>('reconcile'),
    ...read<IntakeResult>('intake-rate'),
    ...read<MemoryResult>('memory'),
  };
}

/** A demand, and what was measured. */
export interface Target {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: '×' | 'MB' | 'ms' | 'µs' | '';
}

/** Whether a demand is met. */
export const isMet = ({ value, limit }: Target): boolean => value <= limit;

/** All demands on what was measured. */
export function targetsOf(results: Results): readonly Target[] {
  return [
    ...coldTargets(results['cold-start']?.result),
    ...warmTargets(results['warm-dispatch']?.result),
    ...reconcileTargets(results.reconcile?.result),
    ...memoryTargets(results.memory?.result),
  ];
}

function coldTargets(result: ColdStartResult | undefined): readonly Target[] {
  const dispatch = result?.subjects.find(({ name }) => name === 'dispatch');
  if (!dispatch) return [];
  const { processOverEmpty, firstCpuOverFloor } = dispatch;
  return [
    {
      what: 'a process that loads dispatch, over one with an empty handler',
      value: processOverEmpty.median,
      limit: 1.7,
      unit: '×',
    },
    { what: 'CPU of the first dispatch, over the floor', value: firstCpuOverFloor.median, limit: 1.3, unit: '×' },
  ];
}

function warmTargets(result: WarmDispatchResult | undefined): readonly Target[] {
  const dispatch = result?.subjects.find(({ name }) => name === 'dispatch');
  const batch = result?.batches.find(({ thinkMs }) => thinkMs > 0);
  if (!dispatch || !batch) return [];
  return [
    { what: 'CPU of a warm dispatch, over the floor', value: dispatch.cpuOverFloor.median, limit: 1.4, unit: '×' },
    {
      what: `a batch of ten, over one dispatch, where servers take ${batch.thinkMs} ms`,
      value: batch.tenOverOne.median,
      limit: 2,
      unit: '×',
    },
  ];
}

function reconcileTargets(result: ReconcileResult | undefined): readonly Target[] {
  const largest = result?.measured.at(-1);
  if (!result || !largest) return [];
  const { first, later } = result.exponents;
  const before = result.measured.at(-2);
  const overPlainUs = Math.max(largest.first.overPlainUs, largest.later.overPlainUs);
  const tenThousand = result.measured.find(({ size }) => size === 10_000);
  return [
    ...(tenThousand ? passTargets(tenThousand) : []),
    {
      what: 'exponent of reconcile’s CPU over the size of the world',
      value: Math.max(first, later),
      limit: 1.05,
      unit: '',
    },
    ...(before
      ? [
          {
            what: `the same between the two largest, ${before.size.toLocaleString('en')} and ${largest.size.toLocaleString('en')} Jobs`,
            value: Math.max(...(['first', 'later'] as const).map((pass) => growth(before, largest, pass))),
            limit: 1.05,
            unit: '' as const,
          },
        ]
      : []),
    {
      what: `CPU for each of ${largest.size.toLocaleString('en')} Jobs, above parsing alone`,
      value: overPlainUs,
      limit: 100,
      unit: 'µs',
    },
  ];
}

type MeasuredSize = ReconcileResult['measured'][number];

/** What a pass costs whatever its size hides growth in the small worlds, and so in a line through all of them. */
const growth = (from: MeasuredSize, to: MeasuredSize, pass: 'first' | 'later'): number =>
  Math.log(to[pass].cpuMs / from[pass].cpuMs) / Math.log(to.size / from.size);

function passTargets({ first, later }: Readonly<Record<'first' | 'later', PassResult>>): readonly Target[] {
  const largest = (of: (pass: PassResult) => number): number => Math.max(of(first), of(later));
  return [
    {
      what: 'CPU of a pass over 10,000 Jobs and 2,000 live Terrakube jobs',
      value: largest(({ cpuMs }) => cpuMs),
      limit: 1500,
      unit: 'ms',
    },
    {
      what: 'memory of such a pass, over the empty process',
      value: largest(({ overEmptyMb }) => overEmptyMb),
      limit: 80,
      unit: 'MB',
    },
  ];
}

/** Below a megabyte, or within what the points lie off their line anyway, is no growth. */
function memoryTargets(result: MemoryResult | undefined): readonly Target[] {
  if (!result) return [];
  const { growthMb, spreadMb } = result.heap;
  const limit = Math.max(1, 2 * spreadMb);
  return [
    {
      what: `growth of the heap over ${result.count.toLocaleString('en')} dispatches`,
      value: growthMb,
      limit,
      unit: 'MB',
    },
  ];
}
