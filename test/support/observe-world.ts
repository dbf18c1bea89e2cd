// Everything around one Job in memory: the Job, its pods and events, and a Terrakube whose step it runs.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { durationMs } from '../../lib/domain/time.ts';
import type { VerdictSettings } from '../../lib/domain/verdict-types.ts';
import type { LookDeps } from '../../lib/flows/look-at-job.ts';
import { type Observed, observeJob } from '../../lib/flows/observe-job.ts';
import { INSTALLATION, ids, type JobLook, kubernetesJob, NOON, terrakubeJob } from './builders.ts';
import { createInMemoryClock, type InMemoryClock } from './in-memory-clock.ts';
import { createInMemoryJobStore, type InMemoryJobStore } from './in-memory-job-store.ts';
import { createInMemoryObserver, type InMemoryObserver } from './in-memory-observer.ts';
import { createInMemoryTerrakube, type InMemoryTerrakube } from './in-memory-terrakube.ts';
import { type Around, tap } from './tap.ts';

/** The world. */
export interface ObserveWorld {
  readonly store: InMemoryJobStore;
  readonly cluster: InMemoryObserver;
  readonly terrakube: InMemoryTerrakube;
  readonly clock: InMemoryClock;
  readonly deps: LookDeps;
  /** Every call of the observer to cluster and Terrakube that changes something. */
  readonly writes: readonly string[];
  observe(final?: V1Job, name?: string): Promise<Observed>;
}

/** How the world begins. */
export interface ObserveOptions {
  readonly ids?: DispatchIds;
  /** The Job; null when there is none. */
  readonly job?: V1Job | null;
  readonly pods?: readonly V1Pod[];
  readonly terrakube?: TerrakubeJob | null;
  readonly settings?: Partial<VerdictSettings>;
  readonly around?: Around;
}

const CHANGING = /^(patch|append|stop|annotate|delete)/;

/** Creates a world: unless told otherwise, a Job that has just been created, for a step that waits. */
export function createObserveWorld(options: ObserveOptions = {}): ObserveWorld {
  const store = createInMemoryJobStore();
  const clock = createInMemoryClock();
  const cluster = createInMemoryObserver(store, clock);
  const terrakube = createInMemoryTerrakube();
  const writes: string[] = [];
  const { job = kubernetesJob(), pods = [], terrakube: told = terrakubeJob(), around = (_, call) => call() } = options;
  if (job) store.put(job);
  for (const pod of pods) cluster.putPod(pod);
  const of = options.ids ?? ids();
  if (told) terrakube.put(of, told);
  const watched: Around = (method, call) => {
    if (CHANGING.test(method)) writes.push(method);
    return around(method, call);
  };
  const deps: LookDeps = {
    cluster: { ...tap(cluster, watched), serverNow: cluster.serverNow },
    terrakube: tap(terrakube, watched),
    clock,
    installation: INSTALLATION,
    settings: { ...verdictSettings(), ...options.settings },
    maxStarts: 3,
  };
  const own = jobName(of, INSTALLATION, 1);
  return {
    store,
    cluster,
    terrakube,
    clock,
    deps,
    writes,
    observe: (final, name = own) => observeJob(deps, name, final),
  };
}

/** The settings of an installation that sets none. */
export const verdictSettings = (): VerdictSettings => ({
  payloadMaxAge: durationMs(1_500_000),
  silentAfter: durationMs(1_800_000),
  deadline: durationMs(21_000_000),
  ownsAllSteps: false,
  isDispatchPaused: false,
  cancelRunningApply: false,
  keepAlive: true,
});

/** A Job that has ended as the job controller ends it, at this time after {@link NOON}. */
export function endedJob(look: JobLook & { readonly ended: 'Complete' | 'Failed' }, afterMs = 60_000): V1Job {
  const at = new Date(NOON + afterMs);
  const reason = look.ended === 'Complete' ? 'CompletionsReached' : 'BackoffLimitExceeded';
  const job = kubernetesJob(look);
  return {
    ...job,
    metadata: { ...job.metadata, creationTimestamp: new Date(NOON) },
    status: {
      startTime: new Date(NOON),
      ...(look.ended === 'Complete' ? { succeeded: 1, completionTime: at } : { failed: 1 }),
      conditions: [{ type: look.ended, status: 'True', reason, lastTransitionTime: at }],
    },
  };
}

/** How a pod of the first start looks. */
export interface PodLook {
  readonly name?: string;
  readonly of?: DispatchIds;
  readonly start?: number;
  readonly nodeName?: string;
  readonly status?: V1Pod['status'];
}

/** A pod of a Job of ours. */
export const podOf = ({
  name = 'pod-1',
  of = ids(),
  start = 1,
  nodeName = 'ip-10-0-0-7',
  status = {},
}: PodLook = {}): V1Pod => ({
  metadata: {
    name,
    namespace: 'terrakube',
    uid: `uid-of-${name}`,
    creationTimestamp: new Date(NOON),
    labels: { 'batch.kubernetes.io/job-name': jobName(of, INSTALLATION, start) },
    ownerReferences: [
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        name: jobName(of, INSTALLATION, start),
        uid: `uid-of-start-${start}`,
        controller: true,
      },
    ],
  },
  spec: { containers: [{ name: 'executor' }], ...(nodeName === '' ? {} : { nodeName }) },
  status,
});

/** The status of a pod whose executor has ended. */
export const terminated = (reason: string, exitCode: number, startedAfterMs = 5000): V1Pod['status'] => ({
  phase: exitCode === 0 ? 'Succeeded' : 'Failed',
  containerStatuses: [
    {
      name: 'executor',
      image: 'azbuilder/executor:2.33.0',
      imageID: 'sha256:1',
      ready: false,
      restartCount: 0,
      state: {
        terminated: {
          exitCode,
          reason,
          startedAt: new Date(NOON + startedAfterMs),
          finishedAt: new Date(NOON + 60_000),
        },
      },
    },
  ],
});

/** The status of a pod whose executor runs, since this time after {@link NOON}. */
export const running = (startedAfterMs = 5000): V1Pod['status'] => ({
  phase: 'Running',
  containerStatuses: [
    {
      name: 'executor',
      image: 'azbuilder/executor:2.33.0',
      imageID: 'sha256:1',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt: new Date(NOON + startedAfterMs) } },
    },
  ],
});
