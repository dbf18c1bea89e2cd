// What a month on AWS would cost, from what invocations of the built bundles take on the local stack: time, processor time,
// memory and log lines. Prices and arithmetic are in bench/cost/; docs/cost.md is written from a recorded measurement.
// It needs Linux, whose /proc tells what a sandbox has used.
//   npm run bench:cost -- [--json] [--runs N]
import { cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Json, listAt, textAt } from '../local/json.ts';
import type { LogLine } from '../local/lambda/sandbox.ts';
import type { UsageReport } from '../local/lambda/usage.ts';
import { type Stack, type StackOptions, startStack } from '../local/stack.ts';
import { auditLife } from '../test/support/audit.ts';
import { filterPattern } from '../test/support/filter-pattern.ts';
import { subscriptionPattern } from '../test/support/subscription.ts';
import { buildFunctions } from '../tools/build.ts';
import { costTables } from '../tools/write-cost-page.ts';
import type { Invocation, Measured } from './cost/model.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string', default: '60' } } });
const runs = Number(values.runs);
/** The first ones start sandboxes, and compile what was not used before. */
const WARM_UP = 5;
/** What CloudWatch Logs adds to each line. */
const LINE_BYTES = 26;

/** What was seen of all functions since `forget`. */
interface Seen {
  readonly usage: UsageReport[];
  readonly lines: LogLine[];
  forget(): void;
}

await buildFunctions();
const busy = await watched({ jobStatus: true }, measureBusy);
const idle = await watched({ parameters: { WatchWhenIdle: 'false' } }, measureIdle);
const measured: Measured = {
  measuredOn: new Date().toISOString().slice(0, 10),
  machine: `Node.js ${process.version.slice(1)}, ${cpus().length} shared processors, ${process.arch}`,
  ...busy,
  reconcileIdle: idle,
  audit: await auditOfOneStep(),
};
if (values.json) console.log(JSON.stringify(measured, null, 2));
else console.log(costTables(measured, { alarms: 0, dashboards: 0 }));

async function watched<T>(options: StackOptions, measure: (stack: Stack, seen: Seen) => Promise<T>): Promise<T> {
  const seen: Seen = {
    usage: [],
    lines: [],
    forget() {
      seen.usage.length = 0;
      seen.lines.length = 0;
    },
  };
  const stack = await startStack({
    ...options,
    onFunctionUsage: (report) => seen.usage.push(report),
    onFunctionLog: (line) => seen.lines.push(line),
  });
  try {
    return await measure(stack, seen);
  } finally {
    await stack.close();
  }
}

/** Steps one after the other; in their middle, a whole run of reconcile. */
async function measureBusy(
  stack: Stack,
  seen: Seen,
): Promise<Omit<Measured, 'measuredOn' | 'machine' | 'reconcileIdle' | 'audit'>> {
  for (let run = 0; run < WARM_UP; run += 1) await completed(stack);
  const inits = medians(seen.usage.filter(({ kind }) => kind === 'init'));
  seen.forget();
  const watching = stack.lambda.invoke('reconcile', scheduleEvent());
  let steps = 0;
  for (let isOver = false; !isOver || steps < runs; steps += 1) {
    await completed(stack);
    isOver = await Promise.race([watching.then(() => true), pause(500).then(() => false)]);
  }
  const reconcileInit = medians(seen.usage.filter(({ kind }) => kind === 'init'));
  return {
    intake: invocationOf(seen, 'intake'),
    dispatch: invocationOf(seen, 'dispatch'),
    jobStatus: invocationOf(seen, 'job-status'),
    reconcile: { ...invocationOf(seen, 'reconcile'), steps },
    inits: { ...inits, ...reconcileInit },
    metrics: [...new Set(seen.lines.flatMap(({ line }) => metricsIn(line)))].sort(),
  };
}

async function measureIdle({ lambda }: Stack, seen: Seen): Promise<Invocation> {
  for (let run = 0; run < WARM_UP; run += 1) await lambda.invoke('reconcile', scheduleEvent());
  seen.forget();
  for (let run = 0; run < runs; run += 1) await lambda.invoke('reconcile', scheduleEvent());
  return invocationOf(seen, 'reconcile');
}

/** Runs a step to its end. */
async function completed({ terrakube }: Stack): Promise<void> {
  const { jobId } = terrakube.createJob({ steps: [{ type: 'terraformPlan' }] });
  while (terrakube.job(jobId)?.status !== 'completed') await pause(20);
}

function scheduleEvent() {
  return { scheduledTime: new Date().toISOString(), executionId: 'cost', attempt: '1' };
}

function invocationOf({ usage, lines }: Seen, name: string): Invocation {
  const all = usage.filter(({ kind, functionName }) => kind === 'invocation' && functionName === name);
  const written = lines.filter(({ functionName }) => functionName === name);
  const bytes = written.reduce((total, { line }) => total + Buffer.byteLength(line) + LINE_BYTES, 0);
  const median = (of: (report: UsageReport) => number): number => round(medianOf(all.map(of)));
  return {
    count: all.length,
    durationMs: median(({ durationMs }) => durationMs),
    cpuMs: median(({ cpuMs }) => cpuMs),
    peakMb: round(Math.max(...all.map(({ peakMb }) => peakMb))),
    logBytes: Math.round(bytes / all.length),
  };
}

function medians(reports: readonly UsageReport[]): Measured['inits'] {
  const names = [...new Set(reports.map(({ functionName }) => functionName))].sort();
  return Object.fromEntries(
    names.map((name) => {
      const own = reports.filter(({ functionName }) => functionName === name);
      const durationMs = round(medianOf(own.map((report) => report.durationMs)));
      return [name, { count: own.length, durationMs, cpuMs: round(medianOf(own.map((report) => report.cpuMs))) }];
    }),
  );
}

function medianOf(sample: readonly number[]): number {
  return sample.toSorted((one, other) => one - other)[Math.floor(sample.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The metrics of a line in CloudWatch's embedded metric format; each set of values of dimensions is one of its own. */
function metricsIn(line: string): readonly string[] {
  if (!line.includes('"CloudWatchMetrics"')) return [];
  const values: Json = JSON.parse(line);
  return listAt(values, '_aws', 'CloudWatchMetrics').flatMap((directive) =>
    listAt(directive, 'Dimensions').flatMap((names) =>
      listAt(directive, 'Metrics').map((metric) => {
        const set = (Array.isArray(names) ? names : []).map((name) => textAt(values, String(name)) ?? '');
        return [textAt(metric, 'Name') ?? '', ...set].join(' ');
      }),
    ),
  );
}

/** From the recorded life of a Job that succeeded on a cluster with a real kubelet. */
async function auditOfOneStep(): Promise<Measured['audit']> {
  const { lines } = auditLife('audit-job-success');
  const passes = filterPattern(await subscriptionPattern('terrakube'));
  const bytes = lines.reduce((total, line) => total + Buffer.byteLength(line) + LINE_BYTES, 0);
  return { bytes, lines: lines.filter(passes).length };
}
