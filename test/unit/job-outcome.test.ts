import { describe, expect, test } from 'vitest';
import { reasonOf } from '../../lib/domain/failure-reasons.ts';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { verdictText } from '../../lib/domain/recorded-verdict.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { kubernetesJob, recordedVerdict } from '../support/builders.ts';
import { changed, type Scenario, scenario, scenarioNames } from '../support/kubernetes-fixtures.ts';
import { type OutcomeRow, outcomeTable } from '../support/outcome-table.ts';

const NOW = epochMs(Date.UTC(2026, 10, 23, 20, 10));

/** A recorded Job as a row of the table. */
function rowOf(name: string): OutcomeRow {
  const { job, pods, events } = scenario(name);
  const outcome = jobOutcome(job, pods, events, NOW);
  const found = outcome.kind === 'waiting' ? outcome.blocker : outcome.kind === 'failed' ? outcome : undefined;
  return {
    scenario: name,
    kind: outcome.kind,
    ...(found ? { cause: found.cause, restartable: found.restartable } : {}),
    ...(outcome.kind === 'waiting' && outcome.blocker ? { grace: outcome.blocker.grace } : {}),
    everStarted: outcome.kind === 'missing' ? 'unknown' : (outcome.everStarted ?? 'unknown'),
    ...reasonOf(outcome, 'terraformApply'),
  };
}

describe('a recorded Job', () => {
  test.each(outcomeTable)('$scenario: $kind $cause', (row) => {
    expect(rowOf(row.scenario)).toEqual(row);
  });

  test('is in the table, whichever it is', () => {
    expect(outcomeTable.map((row) => row.scenario)).toEqual(scenarioNames);
  });
});

const { job } = scenario('success');
const look = ({ job: seen, pods, events }: Scenario, readable: 'readable' | 'forbidden' = 'readable') =>
  jobOutcome(seen, readable === 'readable' ? pods : readable, readable === 'readable' ? events : readable, NOW);
const at = (text: string) => epochMs(Date.parse(text));
const NO_CONDITION = { status: { conditions: null, completionTime: null, succeeded: null, failed: null, active: 1 } };
const target = { type: 'FailureTarget', status: 'True', lastTransitionTime: '2026-11-23T19:33:26Z' };

describe('the life of a Job', () => {
  const always = { intent: undefined, start: 0, type: '' };

  test('begins with nothing at all', () => {
    const status = { status: null };
    expect(look(changed('success', { job: status, pods: [], events: [] }))).toEqual({
      ...always,
      kind: 'waiting',
      blocker: undefined,
      everStarted: 'unknown',
      since: at('2026-11-23T19:33:22Z'),
    });
  });

  test('waits for a node, from the creation of its pod', () => {
    const pod = { metadata: { creationTimestamp: '2026-11-23T19:33:24Z' }, spec: { nodeName: null }, status: null };
    expect(look(changed('success', { job: NO_CONDITION, pod, events: [] }))).toEqual({
      ...always,
      kind: 'waiting',
      blocker: undefined,
      everStarted: 'no',
      since: at('2026-11-23T19:33:24Z'),
    });
  });

  test('waits for its container', () => {
    const pod = { status: { phase: 'Pending', ...containerIs({ waiting: { reason: 'ContainerCreating' } }) } };
    expect(look(changed('success', { job: NO_CONDITION, pod, events: [] }))).toMatchObject({
      kind: 'waiting',
      blocker: undefined,
      everStarted: 'unknown',
    });
  });

  test('runs since its container does', () => {
    const running = { running: { startedAt: '2026-11-23T19:33:23Z' } };
    const pod = { status: { phase: 'Running', ...containerIs(running) } };
    expect(look(changed('success', { job: NO_CONDITION, pod }))).toEqual({
      ...always,
      kind: 'running',
      everStarted: 'yes',
      startedAt: at('2026-11-23T19:33:23Z'),
    });
  });

  test('runs as soon as the kubelet has said so, before it is in the status', () => {
    const pod = { status: { phase: 'Pending', ...containerIs({ waiting: { reason: 'ContainerCreating' } }) } };
    expect(look(changed('success', { job: NO_CONDITION, pod }))).toMatchObject({
      kind: 'running',
      everStarted: 'yes',
      startedAt: at('2026-11-23T19:33:22Z'),
    });
  });

  test('waits again when its first pod has ended and the next one cannot start', () => {
    const [first] = scenario('exit-1').pods;
    const next = {
      ...first,
      metadata: { ...first?.metadata, name: 'z', uid: 'z', creationTimestamp: '2026-11-23T19:33:40Z' },
      spec: {},
      status: {},
    };
    expect(look(changed('exit-1', { job: NO_CONDITION, pods: [next, first ?? {}] }))).toMatchObject({
      kind: 'waiting',
      everStarted: 'yes',
      since: at('2026-11-23T19:33:40Z'),
    });
  });

  test('still runs when its pod has ended and nobody has counted it', () => {
    expect(look(changed('success', { job: NO_CONDITION }))).toMatchObject({
      kind: 'running',
      startedAt: at('2026-11-23T19:33:23Z'),
    });
    expect(look(changed('evicted-ephemeral-storage', { job: NO_CONDITION }))).toMatchObject({ kind: 'running' });
    const gone = { job: { status: { conditions: null } }, pods: [] };
    expect(look(changed('exit-1', gone))).toMatchObject({ kind: 'running', startedAt: at('2026-11-23T19:33:28Z') });
  });

  test('runs on beside a container that has ended, or one that never did', () => {
    const pod = { status: { phase: 'Running', containerStatuses: null } };
    expect(look(changed('success', { job: NO_CONDITION, pod }))).toMatchObject({
      kind: 'running',
      startedAt: at('2026-11-23T19:33:22Z'),
    });
  });

  test('is over only when the last condition is there', () => {
    const met = { type: 'SuccessCriteriaMet', status: 'True' };
    const said = (conditions: readonly object[]) => look(changed('success', { job: { status: { conditions } } })).kind;
    expect(said([met])).toBe('running');
    expect(said([met, { type: 'Complete', status: 'False' }])).toBe('running');
    expect(said([met, { type: 'Complete', status: 'True' }])).toBe('succeeded');
    expect(said([target])).toBe('stopping');
    expect(said([target, { type: 'Failed', status: 'Unknown' }])).toBe('stopping');
    expect(said([target, { type: 'Failed', status: 'True' }])).toBe('failed');
  });

  test('stops from the moment that it was asked to', () => {
    const stopping = { ...always, kind: 'stopping', everStarted: 'yes', node: 'node1', graceMs: 30_000 };
    const conditions = [target];
    expect(look(changed('success', { job: { status: { conditions } } }))).toEqual({
      ...stopping,
      since: at('2026-11-23T19:33:26Z'),
    });
    const deleted = { metadata: { deletionTimestamp: '2026-11-23T19:33:25Z' } };
    const grace = { template: { spec: { terminationGracePeriodSeconds: 60 } } };
    expect(look(changed('success', { job: { ...deleted, spec: grace, status: { conditions } } }))).toEqual({
      ...stopping,
      since: at('2026-11-23T19:33:25Z'),
      graceMs: 60_000,
    });
    const noTime = { metadata: { deletionTimestamp: 'soon' }, status: { conditions: null } };
    expect(look(changed('success', { job: noTime, pods: [] }))).toEqual({
      ...always,
      kind: 'stopping',
      everStarted: 'unknown',
      graceMs: 30_000,
      since: NOW,
    });
  });

  test('has ended, also while it is being deleted', () => {
    const deleted = { metadata: { deletionTimestamp: '2026-11-23T19:40:00Z' } };
    expect(look(changed('success', { job: deleted }))).toEqual({
      ...always,
      kind: 'succeeded',
      everStarted: 'yes',
      endedAt: at('2026-11-23T19:33:27Z'),
    });
    expect(look(changed('exit-1', { job: deleted }))).toMatchObject({
      kind: 'failed',
      endedAt: at('2026-11-23T19:33:31Z'),
      isSuspended: false,
    });
  });

  test('ends at another time when its condition has none', () => {
    const conditions = (type: string) => ({ status: { conditions: [{ type, status: 'True' }] } });
    expect(look(changed('success', { job: conditions('Complete') }))).toMatchObject({
      endedAt: at('2026-11-23T19:33:27Z'),
    });
    expect(look(changed('success', { job: conditions('Failed') }))).toMatchObject({ endedAt: NOW });
  });

  test('can be read with times as a client gives them', () => {
    const toDates = (_: string, value: unknown): unknown =>
      typeof value === 'string' && /^2026-11-23T/.test(value) ? new Date(value) : value;
    for (const name of ['success', 'oomkilled', 'image-never-pull', 'created-suspended']) {
      const revived: Scenario = JSON.parse(JSON.stringify(scenario(name)), toDates);
      expect(revived.job?.metadata?.creationTimestamp).toBeInstanceOf(Date);
      expect(look(revived)).toEqual(look(scenario(name)));
    }
  });
});

describe('pods that may not be read', () => {
  const status = (ready: number, active: number) => ({
    job: { status: { conditions: null, completionTime: null, succeeded: null, active, ready } },
  });

  test('run when one is ready', () => {
    expect(look(changed('success', status(1, 1)), 'forbidden')).toMatchObject({
      kind: 'running',
      everStarted: 'unknown',
      startedAt: at('2026-11-23T19:33:22Z'),
    });
  });

  test('wait when one is active', () => {
    expect(look(changed('success', status(0, 1)), 'forbidden')).toMatchObject({
      kind: 'waiting',
      everStarted: 'unknown',
      since: at('2026-11-23T19:33:22Z'),
      blocker: {
        cause: 'unknown',
        title: 'the pod has not started; its cause cannot be seen',
        evidence:
          'Job s-success has an active pod that is not ready; the dispatcher may not read pods, so the cause is not known.',
        restartable: false,
        grace: 900_000,
      },
    });
  });

  test('wait without a blocker when there is none', () => {
    expect(look(changed('success', status(0, 0)), 'forbidden')).toMatchObject({ kind: 'waiting', blocker: undefined });
  });

  test('are something else than pods that are not there', () => {
    const { job: seen } = changed('success', status(0, 1));
    expect(jobOutcome(seen, undefined, undefined, NOW)).toEqual(look(changed('success', status(0, 1)), 'forbidden'));
    expect(jobOutcome(seen, [], [], NOW)).toMatchObject({
      kind: 'waiting',
      blocker: { evidence: 'Job s-success has an active pod that is not ready; the pod is not to be seen.' },
    });
  });
});

describe('a Job that is gone', () => {
  test('may have left its pod', () => {
    expect(jobOutcome(undefined, scenario('ttl-0').pods, [], NOW)).toEqual({ kind: 'missing', hasPods: true });
    expect(jobOutcome(undefined, [], [], NOW)).toEqual({ kind: 'missing', hasPods: false });
    expect(jobOutcome(undefined, undefined, [], NOW)).toEqual({ kind: 'missing', hasPods: false });
  });
});

describe('a suspended Job', () => {
  const verdict = (text: string) => ({ metadata: { annotations: { 'terrakube.io/verdict': text } } });
  const suspended = { kind: 'suspended', since: at('2026-11-23T19:36:46Z') };

  test('waits for its Secret', () => {
    expect(look(scenario('created-suspended'))).toMatchObject({ ...suspended, everStarted: 'no', intent: undefined });
    expect(look(changed('created-suspended', { job: { status: null } }))).toMatchObject(suspended);
  });

  test('has failed for the verdict that was recorded', () => {
    const recorded = recordedVerdict({
      action: 'restart',
      cause: 'payloadMissing',
      title: 'no Secret',
      evidence: 'seen',
    });
    // The patch that records it changes the Job's clock, too: one generation.
    const job = { metadata: { ...verdict(verdictText(recorded)).metadata, generation: 2 } };
    expect(look(changed('created-suspended', { job }))).toEqual({
      kind: 'failed',
      cause: 'payloadMissing',
      title: 'no Secret',
      evidence: 'seen',
      restartable: true,
      everStarted: 'no',
      intent: recorded,
      start: 0,
      type: '',
      endedAt: at('2026-11-24T20:41:40.000Z'),
      isSuspended: true,
    });
  });

  test('has failed for an empty verdict too', () => {
    expect(look(changed('created-suspended', { job: verdict('{"action":"cancel"}') }))).toMatchObject({
      kind: 'failed',
      cause: 'unknown',
      title: 'the Job was stopped before it started',
      evidence: 'Job s-susp is suspended.',
      endedAt: NOW,
    });
  });

  test('has not failed for what somebody else wrote', () => {
    expect(look(changed('created-suspended', { job: verdict('no') }))).toMatchObject({
      ...suspended,
      intent: 'unreadable',
    });
  });
});

describe('a Job that was stopped', () => {
  const annotations = (verdict: object) => ({
    metadata: { annotations: { 'terrakube.io/verdict': JSON.stringify(recordedVerdict(verdict)) } },
  });

  test('has failed for the verdict, not for the time limit that stopped it', () => {
    const changes = annotations({ cause: 'imagePull', title: 'image x cannot be pulled' });
    const outcome = look(changed('image-pull-deadline', { job: changes }));
    expect(outcome).toMatchObject({
      kind: 'failed',
      cause: 'imagePull',
      title: 'image x cannot be pulled',
      everStarted: 'no',
    });
    expect(reasonOf(outcome, 'terraformApply')).toEqual({
      title: 'image x cannot be pulled',
      evidence: 'The Kubernetes API answered 422 Invalid: no image.',
      advice: 'Correct the setting.',
    });
  });

  test('has failed for an unknown cause that somebody else recorded', () => {
    expect(look(changed('image-pull-deadline', { job: annotations({ cause: 'cancelled' }) }))).toMatchObject({
      cause: 'unknown',
    });
  });

  test('has failed for what was seen when no title was recorded', () => {
    const outcome = look(changed('image-pull-deadline', { job: annotations({ title: '' }) }));
    expect(outcome).toMatchObject({ cause: 'deadline' });
    expect(reasonOf(outcome, '').advice).toBe('Mend what kept it from starting. Nothing was run: safe to run again.');
  });
});

describe('a Job of ours', () => {
  test.each([1, 2, 12])('has its start number %i and the type of its step', (start) => {
    const ours = { ...kubernetesJob({ start }), status: job?.status ?? {} };
    expect(jobOutcome(ours, [], [], NOW)).toMatchObject({ start, type: 'terraformPlan' });
  });

  test('has no start number when its labels lead to another name', () => {
    const ours = kubernetesJob({ start: 2 });
    const labels = { ...ours.metadata?.labels, 'terrakube.io/step': 'another' };
    expect(jobOutcome({ ...ours, metadata: { ...ours.metadata, labels } }, [], [], NOW)).toMatchObject({ start: 0 });
  });
});

function containerIs(state: object): object {
  return { containerStatuses: [{ name: 'executor', state }] };
}
