// The plots of the benchmarks, as specifications of Vega-Lite. Data and words only; tools/draw-bench.ts draws them.
import type { TopLevelSpec } from 'vega-lite';
import type { Results } from '../bench/results.ts';

/** One plot. */
export interface Plot {
  /** Its file's name, without an ending. */
  readonly name: string;
  readonly title: string;
  readonly spec: TopLevelSpec;
}

/** What the subjects are called for people. */
export const SUBJECT_WORDS: Readonly<Record<string, string>> = {
  empty: 'empty handler',
  floor: 'floor: node:https alone',
  dispatch: 'dispatch',
  dispatchAsksEks: 'dispatch, asking EKS',
  documented: 'documented use',
};

/** The order from cheap to expensive, as expected. */
const SUBJECT_ORDER = Object.values(SUBJECT_WORDS);
const ONE_COLOR = '#4c78a8';
const WIDTH = 520;

/** All plots that the results allow. */
export function plotsOf(results: Results): readonly Plot[] {
  return [
    ...coldStart(results['cold-start']?.result),
    ...warmDispatch(results['warm-dispatch']?.result),
    ...latency(results),
    ...reconcile(results.reconcile?.result),
    ...intakeRate(results['intake-rate']?.result),
    ...memory(results.memory?.result),
  ];
}

type ResultOf<Part extends keyof Results> = NonNullable<Results[Part]>['result'] | undefined;

function coldStart(result: ResultOf<'cold-start'>): readonly Plot[] {
  if (!result) return [];
  const title = 'CPU of a cold start: a process that loads the function, then its first dispatch';
  const values = result.subjects.flatMap(({ name, processCpuMs, firstCpuMs }) => [
    { subject: SUBJECT_WORDS[name], part: 'a process that loads it', order: 0, ms: processCpuMs.median },
    { subject: SUBJECT_WORDS[name], part: 'first dispatch', order: 1, ms: firstCpuMs.median },
  ]);
  return [
    {
      name: 'cold-start',
      title,
      spec: {
        title,
        width: WIDTH,
        data: { values },
        mark: 'bar',
        encoding: {
          y: { field: 'subject', type: 'nominal', sort: SUBJECT_ORDER, title: null },
          x: { field: 'ms', type: 'quantitative', title: 'CPU time, ms (medians)' },
          color: { field: 'part', type: 'nominal', title: null, sort: ['a process that loads it', 'first dispatch'] },
          order: { field: 'order' },
        },
      },
    },
  ];
}

function warmDispatch(result: ResultOf<'warm-dispatch'>): readonly Plot[] {
  if (!result) return [];
  const title = 'A dispatch in a sandbox that has worked before';
  const values = result.subjects.flatMap(({ name, p50Ms, cpuMs }) => [
    { subject: SUBJECT_WORDS[name], what: 'time, p50', ...p50Ms },
    { subject: SUBJECT_WORDS[name], what: 'CPU', ...cpuMs },
  ]);
  const y = { field: 'subject', type: 'nominal', sort: SUBJECT_ORDER, title: null } as const;
  const sort = ['time, p50', 'CPU'];
  const yOffset = { field: 'what', sort };
  return [
    {
      name: 'warm-dispatch',
      title,
      spec: {
        title,
        width: WIDTH,
        data: { values },
        layer: [
          {
            mark: 'bar',
            encoding: {
              y,
              yOffset,
              x: { field: 'median', type: 'quantitative', title: 'ms (medians of rounds, with quartiles)' },
              color: { field: 'what', type: 'nominal', title: null, sort: ['time, p50', 'CPU'] },
            },
          },
          {
            mark: { type: 'rule', strokeWidth: 1.5 },
            encoding: { y, yOffset, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
          },
        ],
      },
    },
  ];
}

function latency(results: Results): readonly Plot[] {
  const [post, status] = [results['post-to-job']?.result, results['status-to-terrakube']?.result];
  const title = 'From end to end on one machine, beside the bare calls';
  const values = [
    ...(post
      ? [
          { what: 'POST → Job created', who: 'product', ms: post.postToJobMs.median },
          { what: 'POST → Job created', who: 'bare calls', ms: post.bareCreateMs.median },
        ]
      : []),
    ...(status
      ? [
          { what: 'Job failed → step failed', who: 'product', ms: status.failedToToldMs.median },
          { what: 'Job failed → step failed', who: 'bare calls', ms: status.bareMs.median },
        ]
      : []),
  ];
  if (values.length === 0) return [];
  return [
    {
      name: 'latency',
      title,
      spec: {
        title,
        width: WIDTH,
        data: { values },
        mark: 'bar',
        encoding: {
          y: { field: 'what', type: 'nominal', title: null },
          yOffset: { field: 'who', sort: ['product', 'bare calls'] },
          x: { field: 'ms', type: 'quantitative', title: 'ms (medians)' },
          color: { field: 'who', type: 'nominal', title: null, sort: ['product', 'bare calls'] },
        },
      },
    },
  ];
}

function reconcile(result: ResultOf<'reconcile'>): readonly Plot[] {
  if (!result) return [];
  const title = 'CPU of a pass of the reconciler over worlds of several sizes';
  const values = result.measured.flatMap(({ size, first, later }) => [
    { size, what: 'first pass', ms: first.cpuMs },
    { size, what: 'later pass', ms: later.cpuMs },
    { size, what: 'its pages parsed and dropped', ms: first.plain.cpuMs },
  ]);
  return [
    {
      name: 'reconcile',
      title,
      spec: {
        title,
        width: WIDTH,
        height: 280,
        data: { values },
        mark: { type: 'line', point: true },
        encoding: {
          x: { field: 'size', type: 'quantitative', scale: { type: 'log' }, title: 'Jobs' },
          y: { field: 'ms', type: 'quantitative', scale: { type: 'log' }, title: 'CPU time, ms' },
          color: { field: 'what', type: 'nominal', title: null },
        },
      },
    },
  ];
}

function intakeRate(result: ResultOf<'intake-rate'>): readonly Plot[] {
  if (!result) return [];
  const title = 'Dispatch POSTs that intake takes on one machine';
  return [
    {
      name: 'intake-rate',
      title,
      spec: {
        title,
        width: WIDTH,
        data: { values: [...result.rates] },
        mark: { type: 'bar', color: ONE_COLOR },
        encoding: {
          y: { field: 'senders', type: 'ordinal', title: 'senders at once' },
          x: { field: 'acceptedPerSecond', type: 'quantitative', title: 'accepted a second' },
        },
      },
    },
  ];
}

function memory(result: ResultOf<'memory'>): readonly Plot[] {
  if (!result) return [];
  const title = `Memory of one process over ${result.count.toLocaleString('en')} dispatches`;
  const values = result.points.flatMap(({ dispatches, heapMb, rssMb }) => [
    { dispatches, what: 'heap after garbage collection', mb: heapMb },
    { dispatches, what: 'resident', mb: rssMb },
  ]);
  return [
    {
      name: 'memory',
      title,
      spec: {
        title,
        width: WIDTH,
        height: 240,
        data: { values },
        mark: { type: 'line', point: true },
        encoding: {
          x: { field: 'dispatches', type: 'quantitative' },
          y: { field: 'mb', type: 'quantitative', title: 'MB', scale: { zero: true } },
          color: { field: 'what', type: 'nominal', title: null },
        },
      },
    },
  ];
}
