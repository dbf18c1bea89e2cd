// Whether the executor ever ran: proofs of a no, and what looks like one.
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

const started = ({ job, pods, events }: Scenario, isReadable = true) => {
  const outcome = jobOutcome(job, isReadable ? pods : undefined, events, epochMs(0));
  return outcome.kind === 'missing' ? undefined : outcome.everStarted;
};
const startedIn = (name: string, changes: Changes) => started(changed(name, changes));
const [pod] = scenario('exit-1').pods;
const { job } = scenario('exit-1');
const overwritten = {
  terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', startedAt: null, finishedAt: null },
};

describe('the executor never ran', () => {
  test.each([
    ['no pod could be created', 'quota-pods-exceeded', {}],
    ['the pod has no node', 'unschedulable-nodeselector', {}],
    ['its command does not exist', 'command-not-found', {}],
    ['its image cannot be pulled', 'image-pull-backoff-dns', {}],
    ['its image is not there', 'image-never-pull', {}],
    ['a Secret is missing', 'missing-secret-envfrom', {}],
    ['its status is not known and it had no image', 'image-pull-deadline', {}],
    ['the Job was suspended from its creation', 'created-suspended', {}],
    [
      'the kubelet refused the pod',
      'exit-1',
      {
        pod: { status: { reason: 'OutOfcpu', containerStatuses: null } },
        events: [],
      },
    ],
  ] satisfies readonly (readonly [string, string, Changes])[])('%s', (_, name, changes) => {
    expect(startedIn(name, changes)).toBe('no');
  });
});

describe('a kubelet that overwrites what it knew', () => {
  test('has the image of a container that ran: nothing is proved', () => {
    expect(startedIn('exit-1', { pod: executorIs(overwritten, { imageID: 'sha256:1' }), events: [] })).toBe('unknown');
  });

  test('has said in an Event that it started the container', () => {
    expect(startedIn('exit-1', { pod: executorIs(overwritten) })).toBe('yes');
    expect(startedIn('exit-1', { pod: executorIs(overwritten), events: [] })).toBe('no');
  });

  test('refuses a pod after its own restart that it had started before', () => {
    const refused = { status: { reason: 'NodeAffinity', containerStatuses: null } };
    expect(startedIn('exit-1', { pod: refused })).toBe('yes');
  });

  test('writes 1970 for a container that did not start, in either form of a time', () => {
    const state = (startedAt: string | null) => ({ terminated: { exitCode: 128, reason: 'StartError', startedAt } });
    expect(startedIn('command-not-found', { pod: executorIs(state('1970-01-01T00:00:00Z')) })).toBe('no');
    expect(startedIn('command-not-found', { pod: executorIs(state('0001-01-01T00:00:00Z')) })).toBe('no');
    expect(startedIn('command-not-found', { pod: executorIs(state('2026-11-23T19:37:01Z')) })).toBe('yes');
    const { job: failed, pods, events } = scenario('command-not-found');
    const [status] = pods[0]?.status?.containerStatuses ?? [];
    if (status?.state?.terminated) status.state.terminated.startedAt = new Date(0);
    expect(jobOutcome(failed, pods, events, epochMs(0))).toMatchObject({ everStarted: 'no' });
    if (status?.state?.terminated) status.state.terminated.startedAt = new Date('2026-11-23T19:37:01Z');
    expect(jobOutcome(failed, pods, events, epochMs(0))).toMatchObject({ everStarted: 'yes' });
  });
});

describe('a node that is lost', () => {
  const waits = { waiting: { reason: 'ImagePullBackOff' } };
  const notReady = eventAbout(scenario('image-never-pull').pods[0], { reason: 'NodeNotReady' });
  const taken = (reason: string, message = '') => ({
    status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message }] },
  });

  test('may have started what it last said was waiting', () => {
    expect(startedIn('image-never-pull', { pod: executorIs(waits) })).toBe('no');
    expect(startedIn('image-never-pull', { pod: executorIs(waits), events: [notReady] })).toBe('unknown');
    expect(startedIn('image-never-pull', { pod: { status: { reason: 'NodeLost' } } })).toBe('unknown');
    expect(startedIn('image-never-pull', { pod: taken('DeletionByTaintManager') })).toBe('unknown');
    expect(startedIn('image-never-pull', { pod: taken('DeletionByPodGC') })).toBe('unknown');
    expect(startedIn('image-never-pull', { pod: taken('EvictionByEvictionAPI') })).toBe('no');
    expect(startedIn('image-never-pull', { pod: taken('X', 'taint node.kubernetes.io/unreachable') })).toBe('unknown');
  });

  test('never had a pod that was not bound to it', () => {
    expect(startedIn('unschedulable-nodeselector', { events: [notReady] })).toBe('no');
  });

  test('still ran what it said was running', () => {
    const running = executorIs({ running: { startedAt: '2026-11-23T19:37:01Z' } });
    expect(startedIn('image-never-pull', { pod: running, events: [notReady] })).toBe('yes');
  });
});

describe('what proves nothing', () => {
  test.each([
    [
      'a container that is being created',
      'image-never-pull',
      { pod: executorIs({ waiting: { reason: 'ContainerCreating' } }) },
    ],
    ['a container that waits for others', 'init-container-fails', {}],
    [
      'a runtime that failed at something',
      'image-never-pull',
      { pod: executorIs({ waiting: { reason: 'CreateContainerError' } }) },
    ],
    ['a Job that has no pod yet', 'quota-pods-exceeded', { events: [] }],
    ['a pod that is gone', 'exit-1', { pods: [] }],
    ['a pod that is gone beside one that never ran', 'image-never-pull', { job: { status: { failed: 1 } } }],
    ['a Job that was changed while it was suspended', 'created-suspended', { job: { metadata: { generation: 2 } } }],
    [
      'a pod that could be created in the end',
      'quota-pods-exceeded',
      {
        events: [
          eventAbout(scenario('quota-pods-exceeded').job, { reason: 'FailedCreate' }),
          eventAbout(scenario('quota-pods-exceeded').job, { reason: 'SuccessfulCreate' }),
        ],
      },
    ],
    [
      'a pod of which another container has run',
      'image-never-pull',
      {
        pod: {
          status: {
            containerStatuses: [
              { name: 'executor', state: { waiting: { reason: 'ErrImageNeverPull' } } },
              { name: 'proxy', state: { running: { startedAt: '2026-11-23T19:37:01Z' } } },
            ],
          },
        },
      },
    ],
    [
      'a refused pod that has containers',
      'exit-1',
      { pod: { status: { reason: 'OutOfcpu', ...containers() } }, events: [] },
    ],
  ] satisfies readonly (readonly [string, string, Changes])[])('%s', (_, name, changes) => {
    expect(startedIn(name, changes)).toBe('unknown');
  });

  test('pods that may not be read', () => {
    for (const name of ['exit-1', 'quota-pods-exceeded', 'success'])
      expect(started(scenario(name), false)).toBe('unknown');
  });
});

function containers(): object {
  return { containerStatuses: [{ name: 'executor', state: { waiting: { reason: 'ContainerCreating' } } }] };
}

describe('the executor has run', () => {
  test.each([
    [
      'it ended before',
      executorIs(
        { waiting: { reason: 'CrashLoopBackOff' } },
        { lastState: { terminated: { startedAt: '2026-11-23T19:37:01Z' } } },
      ),
    ],
    ['it ran before', executorIs({ waiting: {} }, { lastState: { running: {} } })],
    ['it runs', executorIs({ running: {} })],
    ['it is ready', executorIs({ waiting: { reason: 'ErrImagePull' } }, { started: true })],
    ['its pod runs and says no more', { status: { phase: 'Running', containerStatuses: null } }],
    ['its pod has succeeded and says no more', { status: { phase: 'Succeeded', containerStatuses: null } }],
  ])('%s', (_, change) => {
    expect(startedIn('exit-1', { pod: change, events: [] })).toBe('yes');
  });

  test('also in a pod of which no node is known', () => {
    expect(started(scenario('simulated-oomkilled'))).toBe('yes');
  });

  test('and another pod of the Job has not', () => {
    const { pods } = changed('image-never-pull', {
      pod: { metadata: { ownerReferences: pod?.metadata?.ownerReferences ?? [] } },
    });
    const both = { ...(job ? { job } : {}), events: [], pods: [...pods, ...(pod ? [pod] : [])] };
    expect(started(both)).toBe('yes');
  });
});
