// The Kubernetes Job of one step: the shape that Terrakube's own ephemeral executor uses, with its faults repaired. One
// pod, never a second one (a pod that ran half an apply must not be run again by Kubernetes), a clock, a restricted
// security context, and a payload that is mounted instead of written into the pod.
import type { V1Container, V1Job, V1PodSpec } from '@kubernetes/client-node';
import { type DispatchRequest, payloadHash } from './dispatch-request.ts';
import type { ExecutorSettings } from './executor-settings.ts';
import { type Installation, jobName, stepLabels } from './job-name.ts';
import { type TransportParts, transportParts } from './payload-transport.ts';
import { containerOptions, optionEnv, optionVolumes, podOptions } from './pod-options.ts';
import { type EpochMs, isoTime } from './time.ts';

/** Annotation keys on Jobs: everything that this project remembers stands there, for there is no database. */
export const ANNOTATION = {
  requestHash: 'terrakube.io/request-hash',
  acceptedAt: 'terrakube.io/accepted-at',
  dispatchedAt: 'terrakube.io/dispatched-at',
  verdict: 'terrakube.io/verdict',
  /** The line that the run's log has from us: what the Job waits for, behind the cause's code. */
  said: 'terrakube.io/said',
  /** When a reconciler began to carry out the recorded restart. */
  claim: 'terrakube.io/claim',
  /** When the recorded restart was carried out. */
  restartedAt: 'terrakube.io/restarted-at',
  /** When the payload Secret of the ended Job was deleted. */
  payloadDeletedAt: 'terrakube.io/payload-deleted-at',
} as const;

/** Name of the container that runs Terraform. */
export const EXECUTOR_CONTAINER = 'executor';

/** What a manifest is made of. */
export interface ManifestInput {
  readonly request: Pick<DispatchRequest, 'ids' | 'payload' | 'acceptedAt'>;
  readonly settings: ExecutorSettings;
  readonly installation: Installation;
  /** 1 for the first start of the step. */
  readonly start: number;
  readonly now: EpochMs;
}

/**
 * Builds the Job for one start of a step.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
export function buildJob(input: ManifestInput): V1Job {
  const { request, settings, installation, start, now } = input;
  const name = jobName(request.ids, installation, start);
  const { options } = settings;
  // Ours come last: every selector relies on them.
  const labels = { ...options.labels, ...stepLabels(request.ids, installation) };
  const parts = transportParts(settings.transport, name, request.payload);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: settings.namespace,
      labels: { ...labels },
      annotations: {
        ...options.annotations,
        [ANNOTATION.requestHash]: payloadHash(request.payload),
        [ANNOTATION.acceptedAt]: isoTime(request.acceptedAt),
        [ANNOTATION.dispatchedAt]: isoTime(now),
      },
    },
    spec: {
      ...(parts.suspend ? { suspend: true } : {}),
      // A second pod would run the step again, from its beginning, on a state that the first one may have changed.
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: settings.activeDeadlineSeconds,
      ttlSecondsAfterFinished: settings.ttlSecondsAfterFinished,
      template: {
        metadata: {
          labels: { ...labels },
          annotations: {
            'karpenter.sh/do-not-disrupt': 'true',
            'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
            ...options.podAnnotations,
          },
        },
        spec: podSpec(settings, parts),
      },
    },
  };
}

function podSpec(settings: ExecutorSettings, parts: TransportParts): V1PodSpec {
  return {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: settings.terminationGracePeriodSeconds,
    ...podOptions(settings),
    containers: [executorContainer(settings, parts)],
    volumes: [...parts.volumes, ...optionVolumes(settings.options).volumes],
  };
}

function executorContainer(settings: ExecutorSettings, parts: TransportParts): V1Container {
  return {
    name: EXECUTOR_CONTAINER,
    image: settings.image,
    // The last lines of the log explain an exit that the executor could not report to Terrakube.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    ...containerOptions(settings),
    env: [
      { name: 'EphemeralFlagBatch', value: 'true' },
      ...parts.env,
      // Spring otherwise waits 30 s at its end for the very thread that ended it, and 30 s before it reports a SIGTERM.
      { name: 'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE', value: '2s' },
      ...optionEnv(settings),
    ],
    volumeMounts: [...parts.volumeMounts, ...optionVolumes(settings.options).volumeMounts],
  };
}
