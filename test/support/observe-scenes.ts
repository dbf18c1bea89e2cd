// Scenes in which an observer has something to do: a world at the moment at which its door is rung, and where it ends.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { kubernetesJob, laterStep, reason, recordedVerdict, step, terrakubeJob } from './builders.ts';
import {
  createObserveWorld,
  endedJob,
  type ObserveOptions,
  type ObserveWorld,
  podOf,
  running,
  terminated,
} from './observe-world.ts';
import type { Around } from './tap.ts';

/** One scene. */
export interface Scene {
  readonly what: string;
  readonly options: ObserveOptions;
  /** Time since the Job was created, in milliseconds. */
  readonly afterMs: number;
  /** The document that the event holds. */
  readonly final?: V1Job;
  readonly maxStarts?: number;
  /** The end: statuses of the job and of our step, and what the last look does. */
  readonly ends: { readonly job: string; readonly step: string; readonly action: string };
}

/** Sets a scene up. */
export function createScene({ options, afterMs, maxStarts }: Scene, around?: Around): ObserveWorld {
  const world = createObserveWorld({ ...options, ...(around ? { around } : {}) });
  world.clock.advance(afterMs);
  if (maxStarts !== undefined) Object.assign(world.deps, { maxStarts });
  return world;
}

/** A step that its executor has begun. */
export const executing = (status = 'running'): TerrakubeJob =>
  terrakubeJob({ status, steps: [step({ status: 'running', output: 'https://log' })] });

/** A step that was cancelled, with its job. */
export const cancelled = (output: string | null): TerrakubeJob =>
  terrakubeJob({ status: 'cancelled', steps: [step({ status: 'cancelled', output })] });

/** A step that we have failed, under a job of this status. */
export function told(status: string): TerrakubeJob {
  const { stepName: name, stepOutput: output } = failureTexts(reason(), step());
  return terrakubeJob({ status, steps: [step({ status: 'failed', name, output })] });
}

/** A Job that waits to be resumed. */
export function suspendedJob(): V1Job {
  const job = kubernetesJob();
  return { ...job, metadata: { ...job.metadata, generation: 1 }, spec: { template: {}, suspend: true }, status: {} };
}

/** A Job whose executor runs. */
export const startedJob = (look: Parameters<typeof kubernetesJob>[0] = {}): V1Job => ({
  ...kubernetesJob(look),
  status: { active: 1, ready: 1 },
});

/** The status of a pod whose container waits for something. */
export const waitingFor = (why: string, message: string): V1Pod['status'] => ({
  phase: 'Pending',
  containerStatuses: [
    {
      ...{ name: 'executor', image: 'azbuilder/executor:2.33.0', imageID: '', ready: false, restartCount: 0 },
      state: { waiting: { reason: why, message } },
    },
  ],
});

/** The status of a pod that was evicted. */
export const EVICTED: V1Pod['status'] = {
  phase: 'Failed',
  reason: 'Evicted',
  message: 'Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ',
};

const FAILED = { job: 'failed', step: 'failed', action: 'leave' } as const;
const CANCELLED = { job: 'cancelled', step: 'cancelled', action: 'leave' } as const;
const killed = [podOf({ status: terminated('OOMKilled', 137) })];
const pulling = [podOf({ status: waitingFor('ImagePullBackOff', 'unauthorized') })];
const noPings = { keepAlive: false };

/** The scenes. */
export const SCENES: readonly Scene[] = [
  {
    what: 'an executor that ran out of memory',
    options: { job: endedJob({ ended: 'Failed' }), pods: killed, terrakube: executing() },
    afterMs: 61_000,
    ends: FAILED,
  },
  {
    what: 'an evicted executor of a job that still reads pending',
    options: {
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: EVICTED })],
      terrakube: terrakubeJob({ status: 'pending', steps: [step({ status: 'running' }), laterStep()] }),
    },
    afterMs: 61_000,
    ends: FAILED,
  },
  {
    what: 'a suspended Job that is too old, and no start left',
    options: { job: suspendedJob() },
    afterMs: 1_600_000,
    maxStarts: 1,
    ends: FAILED,
  },
  {
    what: 'a suspended Job that is too old, to be started again',
    options: { job: suspendedJob() },
    afterMs: 1_600_000,
    ends: { job: 'queue', step: 'pending', action: 'restart' },
  },
  {
    what: 'a suspended Job of a cancelled job',
    options: { job: suspendedJob(), terrakube: cancelled(null) },
    afterMs: 10_000,
    ends: CANCELLED,
  },
  {
    what: 'a job that is cancelled while its executor boots',
    options: { job: startedJob(), pods: [podOf({ status: running() })], terrakube: cancelled(null) },
    afterMs: 10_000,
    ends: CANCELLED,
  },
  {
    what: 'a cancelled job that an executor has revived',
    options: {
      job: endedJob({ ended: 'Failed', verdict: recordedVerdict({ action: 'cancel', cause: 'cancelled' }) }),
      terrakube: terrakubeJob({ status: 'running', steps: [step({ status: 'cancelled' })] }),
    },
    afterMs: 61_000,
    ends: CANCELLED,
  },
  {
    what: 'a callback that was lost',
    options: { job: endedJob({ ended: 'Complete' }), terrakube: executing() },
    afterMs: 61_000,
    ends: FAILED,
  },
  {
    what: 'a Job that somebody has deleted',
    options: { job: null, terrakube: executing() },
    afterMs: 61_000,
    final: startedJob(),
    ends: FAILED,
  },
  {
    what: 'a Job that went as soon as it had ended well',
    options: { job: null, terrakube: executing() },
    afterMs: 61_000,
    final: endedJob({ ended: 'Complete' }),
    ends: FAILED,
  },
  {
    what: 'a step that is told and its job that is not',
    options: { job: endedJob({ ended: 'Failed' }), terrakube: told('running') },
    afterMs: 61_000,
    ends: FAILED,
  },
  {
    what: 'an image that cannot be pulled, for too long',
    options: { job: kubernetesJob(), pods: pulling },
    afterMs: 130_000,
    ends: FAILED,
  },
  {
    what: 'an image that cannot be pulled yet',
    options: { job: kubernetesJob(), pods: pulling, settings: noPings },
    afterMs: 5000,
    ends: { job: 'queue', step: 'pending', action: 'explain' },
  },
  {
    what: 'a pod that its node has refused',
    options: {
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ nodeName: '', status: { phase: 'Failed', reason: 'OutOfcpu' } })],
    },
    afterMs: 61_000,
    ends: { job: 'queue', step: 'pending', action: 'restart' },
  },
  {
    what: 'a step that failed without its cause',
    options: {
      job: endedJob({ ended: 'Failed' }),
      pods: [podOf({ status: EVICTED })],
      terrakube: terrakubeJob({ status: 'failed', steps: [step({ status: 'failed', output: 'https://log' })] }),
    },
    afterMs: 61_000,
    ends: FAILED,
  },
  {
    what: 'a step that was left running under a failed job',
    options: { job: endedJob({ ended: 'Failed' }), pods: killed, terrakube: executing('failed') },
    afterMs: 61_000,
    ends: FAILED,
  },
];
