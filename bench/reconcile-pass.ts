// One measured process of bench/reconcile.ts: the passes of one sandbox, or the same pages fetched, parsed and dropped, or
// nothing at all. It is told what to do in a message, and answers with figures.
import { readFileSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { createKeepAliveHttp } from '../lib/clients/keep-alive-http.ts';
import { createKubernetesReconciler } from '../lib/clients/kubernetes-reconciler.ts';
import { createFixedSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakubeCall } from '../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../lib/clients/terrakube-jobs.ts';
import { keepYoungGenerationSmall } from '../lib/clients/young-generation.ts';
import { hasEnded } from '../lib/domain/next-start.ts';
import { readWorlds, sinceOf } from '../lib/flows/read-worlds.ts';
import { isOfNote, planPass } from '../lib/flows/reconcile.ts';
import { createReconcileMemory } from '../lib/flows/reconcile-memory.ts';
import { INSTALLATION } from '../test/support/builders.ts';
import { verdictSettings } from '../test/support/verdict-builders.ts';

/** What to do. */
export type Order =
  | { readonly mode: 'nothing' }
  | { readonly mode: 'plain'; readonly caPem: string; readonly urls: readonly string[] }
  | { readonly mode: 'passes'; readonly caPem: string; readonly clusterUrl: string; readonly terrakubeUrl: string };

/** What something cost. */
export interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Resident memory before it, after garbage collection. */
  readonly restMb: number;
  /** The highest resident memory meanwhile. */
  readonly peakMb: number;
}

/** What a process answers. */
export type Answer =
  | { readonly mode: 'nothing'; readonly restMb: number }
  | { readonly mode: 'plain'; readonly cost: Cost }
  | {
      readonly mode: 'passes';
      readonly first: Cost;
      readonly later: Cost;
      /** CPU time of planning alone for what the first pass read, as a run does each second while it watches. */
      readonly planMs: number;
      /** Jobs of the world, those settled after the first pass, and what the plans hold. */
      readonly jobs: number;
      readonly settled: number;
      readonly planned: number;
      readonly deeds: number;
      /** Heap that the worlds and the plan hold, and what is still held without them. */
      readonly heldMb: number;
      readonly retainedMb: number;
    };

const clock = createSystemClock();
const MB = 2 ** 20;

process.once('message', (order: Order) => {
  void obey(order).then((answer) => process.send?.(answer, () => process.disconnect()));
});

async function obey(order: Order): Promise<Answer> {
  switch (order.mode) {
    case 'nothing':
      return { mode: 'nothing', restMb: restMb() };
    case 'plain':
      return { mode: 'plain', cost: (await measured(() => fetchPlainly(order.urls, order.caPem))).cost };
    case 'passes':
      return runPasses(order);
  }
}

async function fetchPlainly(urls: readonly string[], caPem: string): Promise<void> {
  const send = createKeepAliveHttp({ caPem, now: clock.now });
  for (const url of urls) JSON.parse((await send({ method: 'GET', url, headers: {} })).body.toString('utf8'));
}

async function runPasses(order: Extract<Order, { mode: 'passes' }>): Promise<Answer> {
  // As the function does.
  keepYoungGenerationSmall();
  const deps = depsOf(order);
  const before = heapMb();
  const { first, planMs, counts, heldMb } = await firstPass(deps, before);
  // What was looked at through weak references is held until the turn ends.
  await setImmediate();
  const retainedMb = heapMb() - before;
  const { cost: later } = await measured(() => pass(deps));
  return { mode: 'passes', first, later, planMs, ...counts, heldMb, retainedMb };
}

/** What it read is forgotten with its end. */
async function firstPass(deps: PassDeps, before: number) {
  const { cost: first, result } = await measured(() => pass(deps));
  const heldMb = heapMb() - before;
  const { worlds, planned, deeds } = result;
  const planning = await measured(async () => {
    planPass(deps, { ...worlds, unchangedSince: sinceOf(deps, worlds.terrakube) }, isOfNote);
  });
  const ended = worlds.jobs.filter(hasEnded);
  for (const job of ended) deps.memory.settle(job);
  const counts = { jobs: worlds.jobs.length, settled: ended.length, planned, deeds: deeds.length };
  return { first, planMs: planning.cost.cpuMs, counts, heldMb };
}

type PassDeps = ReturnType<typeof depsOf>;

async function pass(deps: PassDeps) {
  const worlds = await readWorlds(deps);
  let planned = 0;
  const { deeds } = planPass(deps, worlds, (line) => {
    planned += 1;
    return isOfNote(line);
  });
  return { worlds, planned, deeds };
}

function depsOf({ caPem, clusterUrl, terrakubeUrl }: Extract<Order, { mode: 'passes' }>) {
  const { now } = clock;
  // The same object each time: another one would be another cluster, with connections of its own.
  const address = { endpoint: clusterUrl, caPem };
  const secret = createFixedSecret(Buffer.from('a secret that is long enough for HS256').toString('base64'));
  return {
    clock,
    memory: createReconcileMemory(),
    installation: INSTALLATION,
    maxStarts: 3,
    settings: verdictSettings(),
    cluster: createKubernetesReconciler({
      cluster: { get: async () => address, forget: () => false },
      token: { get: async () => 'token', forget: () => undefined },
      namespace: 'terrakube',
      now,
    }),
    terrakubeJobs: createTerrakubeJobs(createTerrakubeCall({ apiUrl: terrakubeUrl, secret, now })),
  };
}

async function measured<T>(run: () => Promise<T>): Promise<{ readonly cost: Cost; readonly result: T }> {
  const before = restMb();
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const result = await run();
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = performance.now() - startedAt;
  return { cost: { cpuMs: (user + system) / 1000, wallMs, restMb: before, peakMb: peakMb() }, result };
}

/** After garbage collection; from here on the peak is counted anew, where the system can do that. */
function restMb(): number {
  globalThis.gc?.();
  if (process.platform === 'linux') writeFileSync('/proc/self/clear_refs', '5');
  return process.memoryUsage().rss / MB;
}

function peakMb(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024;
  const [, kilobytes] = /^VmHWM:\s+([0-9]+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

function heapMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / MB;
}
