// Jobs, pods and Events without what nobody here reads of them: 10,000 Jobs would otherwise not fit into a function's
// memory. Whoever acts on an object reads it again, whole.

/** The parts of an object that are kept; `true` keeps one whole. A list keeps the same parts of each item. */
export interface Parts {
  readonly [key: string]: Parts | true;
}

/** Without `managedFields`, a third of most documents. */
const METADATA: Parts = {
  name: true,
  namespace: true,
  uid: true,
  resourceVersion: true,
  generation: true,
  creationTimestamp: true,
  deletionTimestamp: true,
  labels: true,
  annotations: true,
  ownerReferences: true,
};

const CONTAINERS: Parts = { name: true, image: true, resources: { limits: true } };

/**
 * What lib/domain reads of each kind: `job-sight.ts` the outcome, `payload-transport.ts` whether there is a payload Secret.
 * Values of variables are left out although the evidence of a failure names the longest one: where the payload is a
 * variable, it would be held in memory once for each Job and pod, and a failed Job is read again for its evidence.
 */
export const KEPT_PARTS: Readonly<Record<'Job' | 'Pod' | 'Event', Parts>> = {
  Job: {
    kind: true,
    metadata: METADATA,
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
    status: true,
  },
  Pod: {
    kind: true,
    metadata: METADATA,
    spec: {
      nodeName: true,
      activeDeadlineSeconds: true,
      containers: CONTAINERS,
      initContainers: CONTAINERS,
    },
    status: true,
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
