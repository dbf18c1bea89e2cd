// Arbitrary Jobs, Pods and Events: the words that Kubernetes uses in combinations that it does not, and plain junk.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import fc from 'fast-check';
import { scenario, scenarioNames } from './kubernetes-fixtures.ts';

/** A Job with pods and Events that are its own. */
export interface Documents {
  readonly job: V1Job | undefined;
  readonly pods: V1Pod[];
  readonly events: CoreV1Event[];
}

const JOB_UID = 'job-uid';
const POD_UIDS = ['pod-0', 'pod-1', 'pod-2'];

/** Any JSON value in the place of something else. */
export const anyJunk = <T>(): fc.Arbitrary<T> => fc.json().map((text): T => JSON.parse(text));

const some = (parts: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> =>
  fc.record(parts, { requiredKeys: [] });

/** Kubernetes allows each name once. */
const named = <T extends { readonly name: string }>(part: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> =>
  fc.uniqueArray(part, { maxLength, selector: ({ name }) => name });

const words = fc.constantFrom(
  ...[
    '',
    'Error',
    'OOMKilled',
    'StartError',
    'ContainerStatusUnknown',
    'Completed',
    'ContainerCreating',
    'PodInitializing',
  ],
  ...['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName', 'CreateContainerConfigError', 'new'],
);
const times = fc.constantFrom(
  '2026-11-23T19:36:14Z',
  '2026-11-23T19:36:15.751024Z',
  '1970-01-01T00:00:00Z',
  'never',
  '',
  null,
);
const flags = fc.constantFrom('True', 'False', 'Unknown', '');

/** Messages of the recorded Events, so that each pattern is tried on each place. */
const messages = fc.constantFrom(
  '',
  'secret "job" not found',
  ...new Set(scenarioNames.flatMap((name) => scenario(name).events.map(({ message }) => message ?? ''))),
);

const conditions = (types: readonly string[], reasons: readonly string[]) =>
  fc.array(
    some({
      type: fc.constantFrom(...types),
      status: flags,
      reason: fc.constantFrom(...reasons),
      message: messages,
      lastTransitionTime: times,
    }),
    { maxLength: 3 },
  );

const state = some({
  waiting: some({ reason: words, message: messages }),
  running: some({ startedAt: times }),
  terminated: some({
    reason: words,
    message: messages,
    exitCode: fc.constantFrom(0, 1, 2, 128, 137, 143, Number.NaN),
    startedAt: times,
    finishedAt: times,
  }),
});

const status = fc.record({
  name: fc.constantFrom('executor', 'proxy'),
  state,
  lastState: state,
  imageID: fc.constantFrom('', 'sha256:1'),
  started: fc.constantFrom(true, false, undefined),
});

const container = fc.record({
  name: fc.constantFrom('executor', 'proxy'),
  image: fc.constantFrom('r/x:1', `r/${'x'.repeat(200)}:1`, undefined),
});

const podReasons = ['', 'Evicted', 'NodeLost', 'OutOfcpu', 'NodeAffinity', 'DeadlineExceeded', 'NodeShutdown'];
const disruptions = ['PreemptionByScheduler', 'DeletionByTaintManager', 'EvictionByEvictionAPI', 'Unschedulable', ''];

/** Any pod; of no Job. */
export const anyPod: fc.Arbitrary<V1Pod> = fc
  .record({
    metadata: some({ creationTimestamp: times, deletionTimestamp: times }),
    spec: some({
      nodeName: fc.constantFrom('node1', ''),
      containers: named(container, 2),
      initContainers: named(container, 1),
    }),
    status: some({
      phase: fc.constantFrom('Pending', 'Running', 'Succeeded', 'Failed', 'Unknown', ''),
      reason: fc.constantFrom(...podReasons),
      message: messages,
      conditions: conditions(['PodScheduled', 'DisruptionTarget', 'Ready'], disruptions),
      containerStatuses: named(status, 2),
      initContainerStatuses: named(status, 1),
    }),
  })
  .map((pod) => JSON.parse(JSON.stringify(pod)));

/** Any Event; about the Job or one of its pods. */
export const anyEvent: fc.Arbitrary<CoreV1Event> = fc
  .record({
    involvedObject: fc.record({
      uid: fc.constantFrom(JOB_UID, ...POD_UIDS),
      fieldPath: fc.constantFrom('', 'spec.containers{executor}', 'spec.initContainers{init}'),
    }),
    type: fc.constantFrom('Warning', 'Normal'),
    reason: fc.constantFrom(
      ...[
        'FailedCreate',
        'SuccessfulCreate',
        'FailedMount',
        'FailedScheduling',
        'Failed',
        'Pulling',
        'Pulled',
        'Created',
      ],
      ...['Started', 'NodeNotReady', 'ErrImageNeverPull', 'new'],
    ),
    message: messages,
    lastTimestamp: times,
  })
  .map((event) => JSON.parse(JSON.stringify(event)));

const anyJob: fc.Arbitrary<V1Job> = fc
  .record({
    metadata: fc.record(
      {
        uid: fc.constant(JOB_UID),
        name: fc.constant('job'),
        namespace: fc.constant('terrakube'),
        generation: fc.constantFrom(1, 2),
        creationTimestamp: times,
        deletionTimestamp: times,
        annotations: fc.constantFrom(
          {},
          { 'terrakube.io/verdict': '{"action":"fail","title":"x"}' },
          { 'terrakube.io/verdict': '1' },
        ),
      },
      { requiredKeys: ['uid', 'name'] },
    ),
    spec: some({ suspend: fc.boolean(), activeDeadlineSeconds: fc.constantFrom(5, -1, null) }),
    status: some({
      active: fc.constantFrom(0, 1, -1),
      ready: fc.constantFrom(0, 1),
      failed: fc.constantFrom(0, 1, 7),
      succeeded: fc.constantFrom(0, 1),
      startTime: times,
      completionTime: times,
      uncountedTerminatedPods: fc.constantFrom({}, { failed: ['pod-0'] }, null),
      conditions: conditions(
        ['Failed', 'Complete', 'FailureTarget', 'SuccessCriteriaMet', 'Suspended'],
        ['BackoffLimitExceeded', 'DeadlineExceeded', ''],
      ),
    }),
  })
  .map((job) => JSON.parse(JSON.stringify(job)));

/** Any Job with pods that it owns and Events about them. */
export const anyDocuments: fc.Arbitrary<Documents> = fc
  .record({
    job: anyJob,
    pods: fc.array(anyPod, { maxLength: POD_UIDS.length }),
    events: fc.array(anyEvent, { maxLength: 6 }),
  })
  .map(({ job, pods, events }) => ({
    job,
    events,
    pods: pods.map((pod, index) => ({
      ...pod,
      metadata: {
        ...pod.metadata,
        name: `pod-${index}`,
        uid: POD_UIDS[index] ?? '',
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'job', uid: JOB_UID }],
      },
    })),
  }));
