import type { V1Job } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { stepId } from '../../lib/domain/dispatch-request.ts';
import { LABEL } from '../../lib/domain/job-name.ts';
import { anotherDeliveryGotThrough, hasEnded, nextStart } from '../../lib/domain/next-start.ts';
import { INSTALLATION, ids, kubernetesJob, recordedVerdict } from '../support/builders.ts';

const RESTART = recordedVerdict({ action: 'restart' });
const running = kubernetesJob();
const ended = kubernetesJob({ ended: 'Complete' });
const toBeRestarted = kubernetesJob({ ended: 'Failed', verdict: RESTART });
const next = (...jobs: readonly V1Job[]) => nextStart(ids(), INSTALLATION, jobs);

describe('which start a delivery is about', () => {
  test('the first, when the step has no Job', () => {
    expect(next()).toEqual({ kind: 'create', start: 1 });
  });
  test('the Job that runs, and its Secret is made sure of', () => {
    expect(next(running)).toEqual({ kind: 'ensureSecret', job: running });
  });
  test.each(['Complete', 'Failed'] as const)('the Job that is %s, and nothing follows', (condition) => {
    const job = kubernetesJob({ ended: condition });
    expect(next(job)).toEqual({ kind: 'done', job });
  });
  test('the second, when the first ended to be started again', () => {
    expect(next(toBeRestarted)).toEqual({ kind: 'create', start: 2 });
  });
  test('the tenth, when nine ended to be started again', () => {
    const nine = Array.from({ length: 9 }, (_, index) =>
      kubernetesJob({ start: index + 1, ended: 'Failed', verdict: RESTART }),
    );
    expect(next(...nine)).toEqual({ kind: 'create', start: 10 });
    expect(next(...nine.toReversed())).toEqual({ kind: 'create', start: 10 });
  });
  test('none yet, when the first is to be started again but has not ended', () => {
    const job = kubernetesJob({ verdict: RESTART });
    expect(next(job)).toEqual({ kind: 'done', job });
  });
  test.each(['fail', 'cancel', 'quiet', 'a later word'])('none, when it ended with the verdict %s', (action) => {
    const job = kubernetesJob({ ended: 'Failed', verdict: recordedVerdict({ action }) });
    expect(next(job)).toEqual({ kind: 'done', job });
  });
  test.each(['', 'restart', '"restart"', '["restart"]', 'null', '{"action":7}', '{'])(
    'none, when somebody wrote %s as the verdict',
    (verdict) => {
      const job = kubernetesJob({ ended: 'Failed', verdict });
      expect(next(job)).toEqual({ kind: 'done', job });
    },
  );
  test('none yet, when the Job is being deleted, whatever else it is', () => {
    const looks = [{}, { ended: 'Failed' }, { ended: 'Failed', verdict: RESTART }] as const;
    for (const look of looks) expect(next(kubernetesJob({ ...look, isBeingDeleted: true }))).toEqual({ kind: 'retry' });
  });
});

describe('only the Job with the highest start counts', () => {
  const second = kubernetesJob({ start: 2 });
  test('and not an older one that is to be started again', () => {
    expect(next(toBeRestarted, second)).toEqual({ kind: 'ensureSecret', job: second });
    expect(next(second, toBeRestarted)).toEqual({ kind: 'ensureSecret', job: second });
  });
  test('and not an older one that runs', () => {
    const over = kubernetesJob({ start: 2, ended: 'Complete' });
    expect(next(running, over)).toEqual({ kind: 'done', job: over });
  });
  test('also when the first is gone', () => {
    expect(next(kubernetesJob({ start: 2, ended: 'Failed', verdict: RESTART }))).toEqual({ kind: 'create', start: 3 });
  });
});

describe('Jobs that are not looked at', () => {
  const withName = (name: string): V1Job => ({ ...running, metadata: { ...running.metadata, name } });
  const withLabels = (labels: Record<string, string>): V1Job => ({
    ...running,
    metadata: { ...running.metadata, labels },
  });
  test.each<readonly [string, V1Job]>([
    ['of another installation', kubernetesJob({ installation: 'other' })],
    ['of another step', kubernetesJob({ of: { ...ids(), stepId: stepId('another') } })],
    ['of another type', kubernetesJob({ of: ids({ type: 'terraformApply' }) })],
    ['of another job', kubernetesJob({ of: ids({ jobId: '171' }) })],
    ['without labels', withLabels({})],
    [
      'with the label of another installation',
      withLabels({ ...running.metadata?.labels, [LABEL.installation]: 'other' }),
    ],
    ['of another manager', withLabels({ ...running.metadata?.labels, 'app.kubernetes.io/managed-by': 'helm' })],
    ['with our labels and a name of their own', withName('job-17-mine')],
    ['with a suffix that is no start', withName(`${running.metadata?.name}-x`)],
    ['with the suffix of a first start', withName(`${running.metadata?.name}-1`)],
    ['with a suffix that begins with 0', withName(`${running.metadata?.name}-02`)],
    ['without metadata', {}],
  ])('those %s', (_, job) => {
    expect(next(job)).toEqual({ kind: 'create', start: 1 });
  });
});

describe('a Job has ended', () => {
  const withConditions = (...conditions: readonly (readonly [string, string])[]): V1Job => ({
    status: { conditions: conditions.map(([type, status]) => ({ type, status })) },
  });
  test.each<readonly [boolean, string, V1Job]>([
    [true, 'Complete', withConditions(['Complete', 'True'])],
    [true, 'Failed', withConditions(['Failed', 'True'])],
    [
      true,
      'Failed after other conditions',
      withConditions(['Suspended', 'False'], ['FailureTarget', 'True'], ['Failed', 'True']),
    ],
    [false, 'Failed that is not True', withConditions(['Failed', 'False'])],
    [false, 'FailureTarget', withConditions(['FailureTarget', 'True'])],
    [false, 'SuccessCriteriaMet', withConditions(['SuccessCriteriaMet', 'True'])],
    [false, 'Suspended', withConditions(['Suspended', 'True'])],
    [false, 'no condition', withConditions()],
    [false, 'no status', {}],
  ])('%s: with %s', (expected, _, job) => {
    expect(hasEnded(job)).toBe(expected);
  });
});

describe('another delivery got through', () => {
  const gotThrough = (...jobs: readonly V1Job[]) => anotherDeliveryGotThrough(ids(), INSTALLATION, jobs);
  test.each<readonly [boolean, string, V1Job | undefined]>([
    [true, 'a Job that runs', running],
    [true, 'a Job that ended for good', ended],
    [true, 'a Job that ended with the verdict fail', kubernetesJob({ ended: 'Failed', verdict: recordedVerdict() })],
    [false, 'no Job', undefined],
    [false, 'a Job that ended to be started again', toBeRestarted],
    [false, 'a Job that is being stopped', kubernetesJob({ verdict: recordedVerdict() })],
    [false, 'a Job of another installation', kubernetesJob({ installation: 'other' })],
  ])('%s: with %s', (expected, _, job) => {
    expect(gotThrough(...(job === undefined ? [] : [job]))).toBe(expected);
  });
  test('the newest of them decides', () => {
    expect(gotThrough(toBeRestarted, kubernetesJob({ start: 2 }))).toBe(true);
    expect(gotThrough(running, kubernetesJob({ start: 2, ended: 'Failed', verdict: RESTART }))).toBe(false);
  });
});
