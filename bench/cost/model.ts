// What a month costs: the arithmetic between what was measured and the prices. A month has 30 days.
import { costOf } from './prices.ts';

/** What one invocation of a function took; medians but for memory, which is the most. */
export interface Invocation {
  /** How many were measured. */
  readonly count: number;
  /** Wall clock, in milliseconds. */
  readonly durationMs: number;
  /** Processor time of all threads within it, in milliseconds. */
  readonly cpuMs: number;
  /** In MiB, the runtime included. */
  readonly peakMb: number;
  /** What it wrote to its log: the mean, in bytes, with the 26 that CloudWatch adds to each line. */
  readonly logBytes: number;
}

/** What was measured, by `npm run bench:cost -- --json`. */
export interface Measured {
  readonly measuredOn: string;
  readonly machine: string;
  readonly intake: Invocation;
  readonly dispatch: Invocation;
  readonly jobStatus: Invocation;
  /** A run of reconcile that watches while steps run. */
  readonly reconcile: Invocation & { readonly steps: number };
  /** A run of reconcile with WatchWhenIdle=false while nothing is unfinished. */
  readonly reconcileIdle: Invocation;
  /** Starts of sandboxes, by function. */
  readonly inits: Readonly<Record<string, Pick<Invocation, 'count' | 'durationMs' | 'cpuMs'>>>;
  /** The custom metrics that were written: a name, and the values of its dimensions. */
  readonly metrics: readonly string[];
  /** Of one step in the cluster's audit log: its bytes, and how many lines the subscription lets pass. */
  readonly audit: { readonly bytes: number; readonly lines: number };
}

/** What the template has of things that cost by the month. */
export interface Standing {
  readonly alarms: number;
  readonly dashboards: number;
}

/** A line of the bill, in US dollars. */
export interface Line {
  readonly what: string;
  readonly usd: number;
}

const MEMORY_GB = 0.5;
/** Memory at which Lambda gives one whole processor, in MB. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html */
const ONE_PROCESSOR_MB = 1769;
/** The share of a processor that 512 MB get. */
export const PROCESSOR_SHARE: number = (MEMORY_GB * 1024) / ONE_PROCESSOR_MB;

const DAYS = 30;
const MINUTES = DAYS * 24 * 60;
const FIVE_MINUTES = MINUTES / 5;
/** Lambda starts with five pollers, each with a long poll of 20 s. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html */
const EMPTY_POLLS = MINUTES * 3 * 5;
/** Sandboxes that may read the secret: two of reconcile, whose runs overlap, and MaximumConcurrency of dispatch and of intake. */
const SANDBOXES = { reconcile: 2, others: 10 };
/** Lambda's own lines about an invocation, in the form that its documentation shows. */
const PLATFORM_BYTES = [
  '{"time":"2026-11-25T00:00:00.000Z","type":"platform.start","record":{"requestId":"00000000-0000-0000-0000-000000000000","version":"$LATEST","tracing":{"spanId":"0000000000000000","type":"X-Amzn-Trace-Id","value":"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=1"}}}',
  '{"time":"2026-11-25T00:00:00.000Z","type":"platform.report","record":{"requestId":"00000000-0000-0000-0000-000000000000","metrics":{"durationMs":100.000,"billedDurationMs":100,"memorySizeMB":512,"maxMemoryUsedMB":100},"tracing":{"spanId":"0000000000000000","type":"X-Amzn-Trace-Id","value":"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=1"},"status":"success"}}',
].reduce((sum, line) => sum + line.length + 26, 0);

/** How long an invocation is billed for, in milliseconds: waiting takes as long as here, computing longer. */
export function billedMs({ durationMs, cpuMs }: Pick<Invocation, 'durationMs' | 'cpuMs'>): number {
  return Math.ceil(Math.max(0, durationMs - cpuMs) + cpuMs / PROCESSOR_SHARE);
}

/** A run watches until 90 s after its start, whatever the machine. */
export const WATCH_MS = 90_000;

const computeCost = (runs: number, ms: number): number =>
  costOf('lambdaRequest', runs) + costOf('lambdaCompute', (runs * MEMORY_GB * ms) / 1000);

/** The bill of a month with this many steps a day, with the template's defaults. */
export function monthlyCost(measured: Measured, stepsPerDay: number, standing: Standing): readonly Line[] {
  const { intake, dispatch, reconcile, reconcileIdle, metrics } = measured;
  const steps = stepsPerDay * DAYS;
  const perStepBytes =
    intake.logBytes +
    dispatch.logBytes +
    2 * PLATFORM_BYTES +
    Math.max(0, reconcile.logBytes - reconcileIdle.logBytes) / reconcile.steps;
  const secretReads = Math.min(SANDBOXES.others * FIVE_MINUTES, 2 * steps) + SANDBOXES.reconcile * FIVE_MINUTES;
  // SQS asks KMS for a data key every five minutes, for each principal: twice for who sends, once for who receives.
  const kmsRequests = Math.min(3 * FIVE_MINUTES, 3 * steps) + FIVE_MINUTES;
  return [
    { what: 'API Gateway', usd: costOf('restApi', steps) },
    { what: 'Lambda: intake', usd: computeCost(steps, billedMs(intake)) },
    { what: 'Lambda: dispatch', usd: computeCost(steps, billedMs(dispatch)) },
    { what: 'Lambda: reconcile', usd: computeCost(MINUTES, WATCH_MS) },
    { what: 'SQS', usd: costOf('sqs', 3 * steps + EMPTY_POLLS + MINUTES) },
    { what: 'KMS', usd: costOf('kmsKey', 1) + costOf('kmsRequest', kmsRequests) },
    { what: 'Secrets Manager', usd: costOf('secret', 1) + costOf('secretRequest', secretReads) },
    {
      what: 'CloudWatch: logs',
      usd: costOf('logs', steps * perStepBytes + MINUTES * (reconcileIdle.logBytes + PLATFORM_BYTES)),
    },
    { what: 'CloudWatch: metrics', usd: costOf('metric', metrics.length) },
    {
      what: 'CloudWatch: alarms, dashboard',
      usd: costOf('alarm', standing.alarms) + costOf('dashboard', standing.dashboards),
    },
    { what: 'EventBridge Scheduler', usd: costOf('scheduler', MINUTES) },
    { what: 'X-Ray', usd: costOf('xray', 2 * steps + MINUTES) },
  ];
}

/** The sum of some lines. */
export const sum = (lines: readonly Line[]): number => lines.reduce((total, { usd }) => total + usd, 0);

/** What settings change about it, in US dollars a month. */
export function choices(measured: Measured, stepsPerDay: number): readonly Line[] {
  const { audit, jobStatus, reconcileIdle, intake, dispatch, inits } = measured;
  const steps = stepsPerDay * DAYS;
  const watching = computeCost(MINUTES, WATCH_MS);
  const perStep = (ms: number): number => costOf('lambdaCompute', (steps * MEMORY_GB * ms) / 1000);
  const cold = ['intake', 'dispatch'].reduce((total, name) => total + billedMs(inits[name] ?? NONE), 0);
  const jobStatusCost =
    computeCost(steps * audit.lines, billedMs(jobStatus)) +
    costOf('logs', steps * audit.lines * (jobStatus.logBytes + PLATFORM_BYTES));
  return [
    { what: '`WatchWhenIdle=false`, at most', usd: computeCost(MINUTES, billedMs(reconcileIdle)) - watching },
    { what: '`AuditLog=true`: audit log of the executors', usd: costOf('logs', steps * audit.bytes) },
    { what: '`AuditLog=true`: job-status', usd: jobStatusCost },
    { what: 'intake and dispatch ten times as slow', usd: perStep(9 * (billedMs(intake) + billedMs(dispatch))) },
    { what: 'a cold start at every invocation of both', usd: perStep(cold) },
  ];
}

const NONE = { durationMs: 0, cpuMs: 0 };
