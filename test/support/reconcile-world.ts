// Both worlds in memory, and a reconciler between them, under a virtual clock.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import type { MetricName } from '../../lib/domain/metric-names.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { durationMs } from '../../lib/domain/time.ts';
import type { VerdictSettings } from '../../lib/domain/verdict-types.ts';
import { errorFields } from '../../lib/door.ts';
import { type ReconcileDeps, type Reconciled, reconcile } from '../../lib/flows/reconcile.ts';
import { createReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import { INSTALLATION } from './builders.ts';
import { createInMemoryJobStore, type InMemoryJobStore } from './in-memory-job-store.ts';
import { createInMemoryLog, type InMemoryLog } from './in-memory-log.ts';
import { createInMemoryMetrics, type InMemoryMetrics } from './in-memory-metrics.ts';
import { createInMemoryReconciler, type InMemoryReconciler } from './in-memory-reconciler.ts';
import { createInMemoryTerrakube, type InMemoryTerrakube } from './in-memory-terrakube.ts';
import { type Around, tap } from './tap.ts';
import { verdictSettings } from './verdict-builders.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';

/** The worlds. */
export interface ReconcileWorld {
  readonly store: InMemoryJobStore;
  readonly cluster: InMemoryReconciler;
  readonly terrakube: InMemoryTerrakube;
  readonly clock: VirtualClock;
  readonly log: InMemoryLog;
  readonly deps: ReconcileDeps;
  /** Every call of a reconciler that changes something, with the names of what it was about. */
  readonly writes: readonly string[];
  readonly metrics: InMemoryMetrics;
  /** A metric, added up. */
  metric(name: MetricName): number | undefined;
  /** What another sandbox has for itself: a memory, and ports with something around each of their calls. */
  sandbox(around?: Around): Partial<ReconcileDeps>;
  /** One whole run, with its watch. */
  run(more?: Partial<ReconcileDeps>): Promise<Reconciled>;
  /** Starts a run without waiting for it. */
  begin(more?: Partial<ReconcileDeps>): Promise<Reconciled>;
}

/** How the worlds begin. */
export interface ReconcileOptions {
  readonly jobs?: readonly V1Job[];
  readonly pods?: readonly V1Pod[];
  readonly terrakube?: readonly (readonly [DispatchIds, TerrakubeJob])[];
  readonly settings?: Partial<VerdictSettings>;
  readonly deps?: Partial<ReconcileDeps>;
  readonly around?: Around;
}

const CHANGING = /^(patch|append|stop|annotate|delete)/;

/** Creates the worlds. */
export function createReconcileWorld(options: ReconcileOptions = {}): ReconcileWorld {
  const clock = createVirtualClock();
  const store = createInMemoryJobStore();
  const cluster = createInMemoryReconciler(store, clock);
  const terrakube = createInMemoryTerrakube(clock.now);
  const log = createInMemoryLog();
  const writes: string[] = [];
  const metrics = createInMemoryMetrics();
  const { around = (_, call) => call() } = options;
  for (const job of options.jobs ?? []) store.put(job);
  for (const pod of options.pods ?? []) cluster.putPod(pod);
  for (const [of, job] of options.terrakube ?? []) terrakube.put(of, job);
  const sandbox = (own: Around = around) => {
    const watched: Around = (method, call) =>
      own(method, () => {
        if (CHANGING.test(method)) writes.push(method);
        return call();
      });
    return {
      cluster: { ...tap(cluster, watched), ...streams(cluster) },
      terrakube: tap(terrakube, watched),
      terrakubeJobs: tap({ listJobs: terrakube.listJobs, listLiveJobs: terrakube.listLiveJobs }, watched),
      memory: createReconcileMemory(),
    };
  };
  const deps: ReconcileDeps = {
    ...sandbox(),
    clock,
    log,
    errorFields,
    installation: INSTALLATION,
    settings: { ...verdictSettings(), ...options.settings },
    maxStarts: 3,
    metrics,
    isReportOnly: false,
    watchesWhenIdle: true,
    cancelPoll: durationMs(10_000),
    answerLetters: async () => ({ answered: 0, removed: 0, unreadable: 0, failed: 0, waiting: 0 }),
    ...options.deps,
  };
  const begin = (more: Partial<ReconcileDeps> = {}) => reconcile({ ...deps, ...more }, clock.now());
  return {
    store,
    cluster,
    terrakube,
    clock,
    log,
    deps,
    writes,
    metrics,
    metric: metrics.sum,
    sandbox,
    begin,
    run: (more) => clock.until(begin(more)),
  };
}

const streams = ({ serverNow, watchJobs, watchPods }: InMemoryReconciler) => ({ serverNow, watchJobs, watchPods });
