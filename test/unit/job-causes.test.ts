// Causes that no recording shows: the recorded Job that comes nearest, changed to what Kubernetes writes in this case.
import { describe, expect, test } from 'vitest';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { epochMs } from '../../lib/domain/time.ts';
import {
  type Changes,
  changed,
  eventAbout,
  executorIs,
  type Scenario,
  scenario,
} from '../support/kubernetes-fixtures.ts';

const NOW = epochMs(Date.UTC(2026, 10, 23, 20, 10));

const look = ({ job, pods, events }: Scenario, isReadable = true) =>
  jobOutcome(job, isReadable ? pods : undefined, events, NOW);

/** Why a recorded Job has failed, when it came to something else. */
function failure(name: string, changes: Changes, isReadable = true) {
  const outcome = look(changed(name, changes), isReadable);
  if (outcome.kind !== 'failed') return outcome.kind;
  const { cause, title, evidence, restartable, everStarted } = outcome;
  return { cause, title, evidence, restartable, everStarted };
}

/** What a recorded Job waits for, when it came to something else. */
function blocker(name: string, changes: Changes, isReadable = true) {
  const outcome = look(changed(name, changes), isReadable);
  return outcome.kind === 'waiting' ? outcome.blocker : outcome.kind;
}

const isDisrupted = (reason: string, message: string) => ({
  status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message }] },
});
const endedWith = (terminated: object) =>
  executorIs({ terminated: { startedAt: '2026-11-23T19:33:29Z', finishedAt: '2026-11-23T19:33:30Z', ...terminated } });
const POD = 'Pod s-exit1-n8w98 on node node1';

describe('a pod that was taken away', () => {
  test.each([
    [
      'PreemptionByScheduler',
      'default-scheduler: preempting to accommodate a higher priority pod',
      'the pod was preempted (PreemptionByScheduler)',
    ],
    [
      'DeletionByTaintManager',
      'Taint manager: deleting due to NoExecute taint',
      'the pod was evicted by a taint of its node (DeletionByTaintManager)',
    ],
    [
      'DeletionByPodGC',
      'PodGC: node no longer exists',
      'the pod was removed because its node is gone (DeletionByPodGC)',
    ],
    [
      'TerminationByKubelet',
      'Pod was terminated in response to imminent node shutdown.',
      'the pod was evicted from its node (TerminationByKubelet)',
    ],
  ])('%s', (reason, message, title) => {
    expect(failure('exit-1', { pod: isDisrupted(reason, message) })).toEqual({
      cause: 'disrupted',
      title,
      evidence: `${POD}: condition DisruptionTarget, ${reason}: ${message}`,
      restartable: true,
      everStarted: 'yes',
    });
  });

  test('by a condition that is not True, has another cause', () => {
    const conditions = [{ type: 'DisruptionTarget', status: 'False', reason: 'EvictionByEvictionAPI' }];
    expect(failure('exit-1', { pod: { status: { conditions } } })).toMatchObject({ cause: 'exit' });
  });

  test('with a node that does not answer', () => {
    const lost = {
      cause: 'nodeLost',
      title: 'node node1 does not answer',
      evidence: `${POD} is not heard of any more.`,
      restartable: false,
      everStarted: 'yes',
    };
    const taint = isDisrupted('DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint');
    const notReady = eventAbout(scenario('exit-1').pods[0], { reason: 'NodeNotReady', message: 'Node is not ready' });
    expect(failure('exit-1', { pod: taint, events: [notReady] })).toEqual(lost);
    expect(failure('exit-1', { pod: { status: { reason: 'NodeLost' } } })).toEqual(lost);
    expect(failure('exit-1', { pod: isDisrupted('X', 'taint node.kubernetes.io/unreachable') })).toEqual(lost);
  });

  test('that was never bound to the node that was lost', () => {
    const pod = { spec: { nodeName: null }, status: { reason: 'NodeLost', containerStatuses: null } };
    expect(failure('exit-1', { pod, events: [] })).toMatchObject({
      cause: 'nodeLost',
      title: 'node of the pod does not answer',
      restartable: true,
      everStarted: 'no',
    });
  });

  test('by the kubelet for the memory of the node, which has a condition too', () => {
    const message = 'The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. ';
    const { status } = isDisrupted('TerminationByKubelet', message);
    expect(failure('exit-1', { pod: { status: { ...status, reason: 'Evicted', message } } })).toEqual({
      cause: 'evicted',
      title: 'evicted: the node ran low on memory',
      evidence: `${POD} was evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi.`,
      restartable: false,
      everStarted: 'yes',
    });
  });

  test('by somebody, before it ran', () => {
    const pod = {
      metadata: { deletionTimestamp: '2026-11-23T19:35:00Z' },
      ...executorIs({ terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } }),
    };
    expect(failure('exit-1', { pod, events: [] })).toEqual({
      cause: 'podDeleted',
      title: 'the pod was deleted',
      evidence: `${POD} was deleted before it ran.`,
      restartable: false,
      everStarted: 'no',
    });
  });

  test('by somebody, with all that was known of it', () => {
    expect(failure('exit-1', { pods: [] })).toEqual({
      cause: 'podDeleted',
      title: 'the pod was deleted',
      evidence: 'Job s-exit1 has failed (BackoffLimitExceeded) and its pod is gone.',
      restartable: false,
      everStarted: 'unknown',
    });
  });

  test('by somebody, with an executor that did not end by itself', () => {
    const pod = {
      metadata: { deletionTimestamp: '2026-11-23T19:35:00Z' },
      ...endedWith({ exitCode: 137, reason: 'Error' }),
    };
    expect(failure('exit-1', { pod })).toMatchObject({ cause: 'podDeleted', everStarted: 'yes' });
    expect(failure('exit-1', { pod: { ...pod, metadata: {} } })).toMatchObject({ cause: 'exit' });
    expect(failure('exit-1', { pod: { ...pod, ...endedWith({ exitCode: 1 }) } })).toMatchObject({ cause: 'exit' });
  });
});

describe('a node that refuses the pod', () => {
  test.each(['OutOfcpu', 'OutOfmemory', 'OutOfpods', 'NodeAffinity', 'UnexpectedAdmissionError'])('%s', (reason) => {
    const message =
      "Pod was rejected: Node didn't have enough resource: cpu, requested: 2000, used: 1500, capacity: 2000";
    const pod = { status: { reason, message, containerStatuses: null } };
    expect(failure('exit-1', { pod, events: [] })).toEqual({
      cause: 'nodeRejected',
      title: `node refused the pod (${reason})`,
      evidence: `${POD}: ${reason}: ${message}`,
      restartable: true,
      everStarted: 'no',
    });
  });
});

describe('a container that failed', () => {
  test('says why in its last line', () => {
    const message = 'Starting\njava.lang.IllegalStateException: no payload\n\tat x.Y(Z.java:1)\n';
    expect(failure('exit-1', { pod: endedWith({ exitCode: 1, reason: 'Error', message }) })).toEqual({
      cause: 'exit',
      title: 'executor ended with exit code 1',
      evidence: `${POD}: container executor ended with exit code 1 (Error, after 1 s). It said: java.lang.IllegalStateException: no payload`,
      restartable: false,
      everStarted: 'yes',
    });
  });

  test('for memory, whatever its exit code', () => {
    const resources = { limits: { memory: '512Mi' } };
    const pod = {
      spec: { containers: [{ name: 'executor', resources }] },
      ...endedWith({ exitCode: 3, reason: 'OOMKilled' }),
    };
    expect(failure('exit-1', { pod })).toMatchObject({ cause: 'outOfMemory', title: 'out of memory (limit 512Mi)' });
  });

  test('for its environment', () => {
    const message = 'exec /bin/sh: argument list too long';
    const pod = endedWith({ exitCode: 1, message });
    expect(failure('exit-1', { pod })).toMatchObject({
      cause: 'envTooLarge',
      evidence: `${POD}: container executor ended with exit code 1 (after 1 s). It said: ${message}`,
    });
  });

  test.each([
    [131_072, 'envTooLarge'],
    [131_071, 'exit'],
  ])('with a variable of %i characters', (length, cause) => {
    const env = [{ name: 'X', value: 'x'.repeat(length - 2) }, { name: 'Y' }];
    const pod = { spec: { containers: [{ name: 'executor', env }] } };
    expect(failure('exit-1', { pod })).toMatchObject({ cause });
    expect(failure('exit-1', { pod: { ...pod, ...endedWith({ exitCode: 2 }) } })).toMatchObject({ cause: 'exit' });
    expect(failure('exit-1', { pod: { ...pod, ...endedWith({ exitCode: 1, message: 'no' }) } })).toMatchObject({
      cause: 'exit',
    });
  });

  test('before it started', () => {
    const never = { startedAt: '1970-01-01T00:00:00Z' };
    const cannot = { exitCode: 127, reason: 'ContainerCannotRun', message: 'no such file', ...never };
    expect(failure('exit-1', { pod: endedWith(cannot), events: [] })).toEqual({
      cause: 'startError',
      title: 'container could not start: no such file',
      evidence: `${POD}: container executor ended with exit code 127 (ContainerCannotRun). It said: no such file`,
      restartable: false,
      everStarted: 'unknown',
    });
    expect(failure('exit-1', { pod: endedWith({ exitCode: 128, reason: 'Error', ...never }) })).toMatchObject({
      cause: 'startError',
    });
    expect(failure('exit-1', { pod: endedWith({ exitCode: 128, reason: 'Error' }) })).toMatchObject({ cause: 'exit' });
  });

  test('beside an executor that did not', () => {
    const statuses = [
      { name: 'executor', state: { terminated: { exitCode: 0, startedAt: '2026-11-23T19:33:29Z' } } },
      { name: 'proxy', state: { terminated: { exitCode: 2, reason: 'Error' } } },
    ];
    expect(failure('exit-1', { pod: { status: { containerStatuses: statuses } } })).toMatchObject({
      cause: 'exit',
      title: 'container proxy ended with exit code 2',
    });
  });
});

describe('a time limit', () => {
  const exceeded = {
    spec: { activeDeadlineSeconds: 21_000 },
    status: {
      conditions: [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded', message: 'too long' }],
      failed: null,
    },
  };

  test('of the pod', () => {
    const pod = { spec: { activeDeadlineSeconds: 7 }, status: { reason: 'DeadlineExceeded' } };
    expect(failure('exit-1', { pod })).toMatchObject({ cause: 'deadline', title: 'time limit of 7 s exceeded' });
  });

  test('that nobody can read any more', () => {
    const job = { ...exceeded, spec: { activeDeadlineSeconds: null } };
    expect(failure('exit-1', { job })).toMatchObject({ cause: 'deadline', title: 'time limit exceeded' });
  });

  test('of a Job that could not create its pod', () => {
    expect(failure('quota-pods-exceeded', { job: exceeded })).toEqual({
      cause: 'deadline',
      title: 'time limit of 21000 s exceeded; pods quota 0/0 used in tk-podq',
      evidence:
        'It never ran. Job s-podq cannot create its pod: exceeded quota: pods-quota, requested: pods=1, used: pods=0, limited: pods=0',
      restartable: false,
      everStarted: 'no',
    });
  });

  test('of a Job whose pod is gone', () => {
    expect(failure('exit-1', { job: exceeded, pods: [] })).toEqual({
      cause: 'deadline',
      title: 'time limit of 21000 s exceeded',
      evidence: 'Job s-exit1 was stopped by activeDeadlineSeconds.',
      restartable: false,
      everStarted: 'unknown',
    });
  });
});

describe('what is not known', () => {
  test('is quoted from the pod', () => {
    const pod = {
      status: {
        reason: 'NodeShutdown',
        message: 'Pod was rejected as the node is shutting down.',
        containerStatuses: null,
      },
    };
    expect(failure('exit-1', { pod, events: [] })).toEqual({
      cause: 'unknown',
      title: 'Kubernetes says: NodeShutdown: Pod was rejected as the node is shutting down.',
      evidence: `${POD}: NodeShutdown: Pod was rejected as the node is shutting down.`,
      restartable: false,
      everStarted: 'unknown',
    });
  });

  test('is quoted from the container', () => {
    const message = 'The container could not be located when the pod was terminated';
    const pod = executorIs({ terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message } });
    expect(failure('exit-1', { pod })).toMatchObject({
      cause: 'unknown',
      evidence: `${POD}: ContainerStatusUnknown: ${message}`,
    });
  });

  test('is quoted from the Job', () => {
    const pod = { status: { containerStatuses: null } };
    const said = 'BackoffLimitExceeded: Job has reached the specified backoff limit';
    expect(failure('exit-1', { pod })).toMatchObject({
      cause: 'unknown',
      title: `Kubernetes says: ${said}`,
      evidence: `${POD}: ${said}`,
    });
  });

  test('is quoted from the Job whose pods may not be read', () => {
    expect(failure('oomkilled', {}, false)).toEqual({
      cause: 'unknown',
      title: 'Kubernetes says: BackoffLimitExceeded: Job has reached the specified backoff limit',
      evidence:
        'Job s-oom: BackoffLimitExceeded: Job has reached the specified backoff limit. Its pod cannot be seen, so the cause is not known.',
      restartable: false,
      everStarted: 'unknown',
    });
  });
});

describe('a pod that waits', () => {
  const event = (reason: string, message: string, name = 'missing-secret-envfrom', more: object = {}) =>
    eventAbout(scenario(name).pods[0], { reason, message, ...more });
  const creating = executorIs({ waiting: { reason: 'ContainerCreating' } });
  const WAITS = 'Pod s-nosecret-fmxgl on node node1';

  test('for the payload that belongs to it', () => {
    const message = 'MountVolume.SetUp failed for volume "payload" : secret "s-nosecret" not found';
    expect(blocker('missing-secret-envfrom', { pod: creating, events: [event('FailedMount', message)] })).toEqual({
      cause: 'payloadMissing',
      title: 'the payload Secret was not created',
      evidence: `${WAITS}: FailedMount: ${message}`,
      restartable: true,
      grace: 240_000,
    });
  });

  test('for the payload as a variable', () => {
    const pod = executorIs({
      waiting: { reason: 'CreateContainerConfigError', message: 'secret "s-nosecret" not found' },
    });
    expect(blocker('missing-secret-envfrom', { pod })).toMatchObject({ cause: 'payloadMissing', grace: 240_000 });
  });

  test('for a volume that comes in the end', () => {
    const mount = event('FailedMount', 'MountVolume.SetUp failed for volume "payload" : secret "s-nosecret" not found');
    for (const reason of ['Pulling', 'Pulled', 'Created']) {
      expect(
        blocker('missing-secret-envfrom', {
          pod: creating,
          events: [mount, event(reason, '', undefined, { type: 'Normal' })],
        }),
      ).toBe(undefined);
    }
  });

  test('for something in the way of its volumes', () => {
    const events = [
      event('FailedScheduling', 'no node yet'),
      event('FailedMount', 'Unable to attach or mount volumes: timed out waiting for the condition'),
      event('Scheduled', 'assigned', undefined, { type: 'Normal', lastTimestamp: '2026-11-23T20:00:00Z' }),
    ];
    const said = 'FailedMount: Unable to attach or mount volumes: timed out waiting for the condition';
    expect(blocker('missing-secret-envfrom', { pod: creating, events })).toEqual({
      cause: 'unknown',
      title: 'Kubernetes says: FailedMount: Unable to attach or mount volumes: timed out waiting for th…',
      evidence: `${WAITS}: ${said}`,
      restartable: false,
      grace: 900_000,
    });
    const named = [
      ...events,
      event('FailedMount', 'configmap "x" not found', undefined, { lastTimestamp: '2026-11-23T19:00:00Z' }),
    ];
    expect(blocker('missing-secret-envfrom', { pod: creating, events: named })).toMatchObject({
      cause: 'configMissing',
      title: 'ConfigMap "x" not found',
    });
  });

  test('for a key, and for a setting that the kubelet refuses', () => {
    const config = (message: string) => executorIs({ waiting: { reason: 'CreateContainerConfigError', message } });
    expect(
      blocker('missing-secret-envfrom', { pod: config("couldn't find key A in Secret terrakube/b") }),
    ).toMatchObject({
      cause: 'configMissing',
      title: 'Secret "b" has no key "A"',
      grace: 120_000,
    });
    const root = 'container has runAsNonRoot and image will run as root';
    expect(blocker('missing-secret-envfrom', { pod: config(root) })).toEqual({
      cause: 'configMissing',
      title: `the container cannot be configured: ${root}`,
      evidence: `${WAITS}: CreateContainerConfigError: ${root}`,
      restartable: false,
      grace: 120_000,
    });
  });

  test('for a claim that is not there', () => {
    const message = '0/1 nodes are available: persistentvolumeclaim "plugins" not found.';
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    expect(blocker('unschedulable-nodeselector', { pod: { status: { conditions } } })).toEqual({
      cause: 'configMissing',
      title: 'PersistentVolumeClaim "plugins" not found',
      evidence: `Pod s-nosel-pkpww has no node: ${message}`,
      restartable: false,
      grace: 120_000,
    });
  });

  test('for a scheduler that has only said so in an Event', () => {
    expect(blocker('unschedulable-nodeselector', { pod: { status: { conditions: null } } })).toMatchObject({
      cause: 'unschedulable',
      grace: 'payloadAge',
      restartable: true,
    });
  });

  test('for a gate of its scheduling', () => {
    const conditions = [
      { type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message: 'Scheduling is blocked' },
    ];
    expect(blocker('unschedulable-nodeselector', { pod: { status: { conditions } } })).toMatchObject({
      cause: 'unknown',
      title: 'Kubernetes says: SchedulingGated: Scheduling is blocked',
      grace: 900_000,
    });
  });

  test.each([
    ['ErrImagePull', 'toomanyrequests: You have reached your pull rate limit.', 'rate limit', 120_000, true],
    ['ErrImagePull', 'dial tcp 10.0.0.1:443: i/o timeout', 'time-out', 120_000, true],
    ['ImagePullBackOff', 'Back-off pulling image "r/x:1": ErrImagePull: r/x:1: not found', 'not found', 0, false],
    ['InvalidImageName', "couldn't parse image name: invalid reference format", 'invalid name', 0, false],
    ['ErrImagePull', 'unexpected status from HEAD request: 401 Unauthorized', 'unauthorized', 120_000, false],
  ])('for an image: %s: %s', (reason, message, short, grace, restartable) => {
    const pod = executorIs({ waiting: { reason, message } });
    expect(blocker('image-never-pull', { pod, events: [] })).toMatchObject({
      cause: 'imagePull',
      title: `image localhost/nothere:1 cannot be pulled: ${short}`,
      grace,
      restartable,
    });
  });

  test('for an image whose back-off does not say what for', () => {
    const message = 'Back-off pulling image "r/x:1"';
    const pod = executorIs({ waiting: { reason: 'ImagePullBackOff', message } });
    const failed = event('Failed', 'Failed to pull image "r/x:1": r/x:1: not found', 'image-never-pull');
    expect(blocker('image-never-pull', { pod, events: [failed] })).toMatchObject({
      title: 'image localhost/nothere:1 cannot be pulled: not found',
    });
    expect(blocker('image-never-pull', { pod, events: [] })).toMatchObject({
      evidence: 'Pod s-neverpull-8dtdf on node node1: ImagePullBackOff: Back-off pulling image "r/x:1"',
    });
  });

  test('for an image with a long name, of which the end is said', () => {
    const image = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/${'team/'.repeat(8)}executor:2.33.0`;
    const pod = { spec: { containers: [{ name: 'executor', image }] } };
    expect(blocker('image-never-pull', { pod })).toMatchObject({
      title: 'image …m/team/team/team/team/team/team/executor:2.33.0 cannot be pulled: pull policy Never',
    });
  });

  test('for the image of an init container', () => {
    const pod = {
      spec: { initContainers: [{ name: 'init', image: 'r/init:1' }] },
      status: {
        initContainerStatuses: [{ name: 'init', state: { waiting: { reason: 'ErrImagePull', message: 'not found' } } }],
        containerStatuses: [{ name: 'executor', state: { waiting: { reason: 'PodInitializing' } } }],
      },
    };
    expect(look(changed('image-never-pull', { pod, events: [] }))).toMatchObject({
      blocker: { cause: 'imagePull', title: 'image r/init:1 cannot be pulled: not found' },
      everStarted: 'unknown',
    });
  });

  test('for a node that does not answer', () => {
    const events = [event('NodeNotReady', 'Node is not ready')];
    expect(blocker('missing-secret-envfrom', { pod: creating, events })).toEqual({
      cause: 'nodeLost',
      title: 'node node1 does not answer',
      evidence: `${WAITS} is not heard of any more.`,
      restartable: false,
      grace: 900_000,
    });
  });

  test('for a runtime that fails at something', () => {
    const pod = executorIs({
      waiting: { reason: 'CreateContainerError', message: 'failed to reserve container name' },
    });
    expect(blocker('missing-secret-envfrom', { pod })).toMatchObject({
      cause: 'unknown',
      title: 'Kubernetes says: CreateContainerError: failed to reserve container name',
      grace: 900_000,
    });
  });

  test.each([
    ['its container is being created', creating],
    ['its init containers run', executorIs({ waiting: { reason: 'PodInitializing' } })],
    ['nothing is said yet', { status: { containerStatuses: null } }],
  ])('for nothing special: %s', (_, pod) => {
    expect(blocker('missing-secret-envfrom', { pod, events: [] })).toBeUndefined();
  });

  test('for the scheduler to look at it', () => {
    expect(
      blocker('unschedulable-nodeselector', { pod: { status: { conditions: null } }, events: [] }),
    ).toBeUndefined();
  });
});

describe('a Job without a pod', () => {
  const refusal = (message: string, at: string) =>
    eventAbout(scenario('quota-pods-exceeded').job, { reason: 'FailedCreate', message, lastTimestamp: at });
  const forbidden = 'Error creating: pods "s-podq-x" is forbidden: ';
  const quota = `${forbidden}exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`;
  const range = `${forbidden}maximum memory usage per Container is 1Gi, but limit is 2Gi`;
  const webhook = 'Error creating: admission webhook "v.example.com" denied the request: no';

  test('waits for what was said last', () => {
    const events = [refusal(quota, '2026-11-23T19:37:00Z'), refusal(range, '2026-11-23T19:38:00Z')];
    const expected = {
      cause: 'podRefused',
      title: 'pod refused by LimitRange: maximum memory usage per Container is 1Gi, but limit is 2Gi',
      evidence: 'Job s-podq cannot create its pod: maximum memory usage per Container is 1Gi, but limit is 2Gi',
      restartable: false,
      grace: 60_000,
    };
    expect(blocker('quota-pods-exceeded', { events })).toEqual(expected);
    expect(blocker('quota-pods-exceeded', { events: events.toReversed() })).toEqual(expected);
  });

  test('waits for a webhook', () => {
    expect(blocker('quota-pods-exceeded', { events: [refusal(webhook, '2026-11-23T19:37:00Z')] })).toMatchObject({
      cause: 'podRefused',
      title: 'pod refused by webhook v.example.com: no',
    });
  });

  test('waits for nothing special at its beginning', () => {
    expect(blocker('quota-pods-exceeded', { events: [] })).toBeUndefined();
  });

  test('waits no more for what it got after all', () => {
    const created = eventAbout(scenario('quota-pods-exceeded').job, {
      reason: 'SuccessfulCreate',
      lastTimestamp: '2026-11-23T19:39:00Z',
    });
    expect(
      blocker('quota-pods-exceeded', { events: [refusal(quota, '2026-11-23T19:37:00Z'), created] }),
    ).toBeUndefined();
  });

  test('says so even when pods may not be read', () => {
    expect(blocker('quota-pods-exceeded', {}, false)).toMatchObject({ cause: 'quota', grace: 'payloadAge' });
  });
});
