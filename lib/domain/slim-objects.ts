// Jobs, pods and Events without what nobody here reads of them: 10,000 Jobs would otherwise not fit into a function's
// memory. Whoever acts on an object reads it again, whole.
import { ANNOTATION } from './job-manifest.ts';
import { LABEL } from './job-name.ts';

/** The parts of an object that are kept; `true` keeps one whole. A list keeps the same parts of each item. */
export interface Parts {
  readonly [key: string]: Parts | true;
}

/** Keeps these parts. */
const kept = (...keys: readonly string[]): Parts => Object.fromEntries(keys.map((key) => [key, true]));

// A namespace may give its objects many more labels and annotations, and nobody reads these of ours.
const { name: _name, version: _version, ...READ_LABELS } = LABEL;
const { requestHash: _requestHash, dispatchedAt: _dispatchedAt, ...READ_ANNOTATIONS } = ANNOTATION;

/** Without `managedFields`, a third of most documents. */
const METADATA: Parts = {
  ...kept('name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp'),
  labels: kept(...Object.values(READ_LABELS)),
};

const CONDITIONS = kept('type', 'status', 'reason', 'message', 'lastTransitionTime');

const CONTAINERS: Parts = { name: true, image: true, resources: { limits: true } };

const STATUSES = kept('name', 'image', 'imageID', 'started', 'state', 'lastState');

/**
 * What lib/domain reads of each kind: `job-sight.ts` the outcome, `payload-transport.ts` whether there is a payload Secret.
 * Values of variables are left out although the evidence of a failure names the longest one: where the payload is a
 * variable, it would be held in memory once for each Job and pod, and a failed Job is read again for its evidence.
 */
export const KEPT_PARTS: Readonly<Record<'Job' | 'Pod' | 'Event', Parts>> = {
  Job: {
    kind: true,
    metadata: { ...METADATA, annotations: kept(...Object.values(READ_ANNOTATIONS)) },
    spec: {
      suspend: true,
      activeDeadlineSeconds: true,
      template: {
        spec: {
          terminationGracePeriodSeconds: true,
          volumes: { secret: { secretName: true } },
          containers: { env: { valueFrom: { secretKeyRef: true } } },
        },
      },
    },
    status: {
      ...kept('startTime', 'completionTime', 'active', 'ready', 'failed', 'succeeded', 'uncountedTerminatedPods'),
      conditions: CONDITIONS,
    },
  },
  Pod: {
    kind: true,
    metadata: { ...METADATA, ownerReferences: { uid: true } },
    spec: {
      nodeName: true,
      activeDeadlineSeconds: true,
      containers: CONTAINERS,
      initContainers: CONTAINERS,
    },
    status: {
      ...kept('phase', 'reason', 'message', 'startTime'),
      conditions: CONDITIONS,
      containerStatuses: STATUSES,
      initContainerStatuses: STATUSES,
    },
  },
  Event: {
    metadata: METADATA,
    involvedObject: true,
    type: true,
    reason: true,
    message: true,
    series: true,
    lastTimestamp: true,
    eventTime: true,
  },
};
