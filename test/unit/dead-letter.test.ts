import { describe, expect, test } from 'vitest';
import { deadLetterDecision, waitingDecision } from '../../lib/domain/dead-letter.ts';
import { deadLetterReason } from '../../lib/domain/dispatch-reasons.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { recordText } from '../../lib/domain/job-comments.ts';
import { epochMs } from '../../lib/domain/time.ts';
import {
  INSTALLATION,
  ids,
  kubernetesJob,
  laterStep,
  NOON,
  reason,
  recordedVerdict,
  step,
  terrakubeJob,
} from '../support/builders.ts';

const decide = (job: Parameters<typeof deadLetterDecision>[1], of = ids(), ageMs = 28_800_000) =>
  deadLetterDecision({ ids: of, acceptedAt: NOON }, job, epochMs(NOON + ageMs));
const done = (why: string) => ({ kind: 'done', reason: why });

describe('a dead letter', () => {
  test('still waits when its step does', () => {
    expect(decide(terrakubeJob())).toEqual({ kind: 'stillWaits' });
  });

  test.each([
    ['the job is gone', 'notFound', 'jobGone'],
    ['the job has ended', terrakubeJob({ status: 'failed' }), 'jobEnded'],
    ['the step runs', terrakubeJob({ steps: [step({ status: 'running' })] }), 'stepStarted'],
    ['the step has ended', terrakubeJob({ steps: [step({ status: 'completed' })] }), 'stepEnded'],
    ['Terrakube made the steps anew', terrakubeJob({ steps: [laterStep()] }), 'superseded'],
    ['Terrakube never committed the job', terrakubeJob({ steps: [] }), 'neverCommitted'],
  ] as const)('is done with when %s', (_, job, why) => {
    expect(decide(job)).toEqual(done(why));
  });

  test('comes too early while Terrakube still commits the job', () => {
    expect(decide(terrakubeJob({ steps: [] }), ids(), 5000)).toEqual({ kind: 'tooEarly' });
  });

  test('is half told when its step was failed by us and its job was not', () => {
    const output = failureTexts(reason(), step()).stepOutput;
    expect(decide(terrakubeJob({ steps: [step({ status: 'failed', output })] }))).toEqual({ kind: 'halfTold' });
  });

  test.each([
    ['that was asked for after it', 60_000, done('renewed')],
    ['that it may be itself', 0, { kind: 'stillWaits' }],
  ])('is judged by the fresh payload %s', (_, askedAfterMs, expected) => {
    const record = { stepId: ids().stepId, start: 2, maxStarts: 3, since: NOON, askedAt: epochMs(NOON + askedAfterMs) };
    expect(decide(terrakubeJob({ comments: `${recordText(record)}; waiting: a node, 80 s` }))).toEqual(expected);
  });
});

describe('a step that waits in Terrakube', () => {
  const decided = (...jobs: Parameters<typeof waitingDecision>[2][number][]) =>
    waitingDecision({ ids: ids() }, INSTALLATION, jobs);

  test.each([
    ['no Job', []],
    ['a Job of another installation', [kubernetesJob({ installation: 'other' })]],
    ['a Job that was stopped to be started again', [kubernetesJob({ ended: 'Failed', verdict: restart() })]],
  ])('still waits with %s', (_, jobs) => {
    expect(decided(...jobs)).toEqual({ kind: 'stillWaits' });
  });

  test.each([
    ['runs', kubernetesJob()],
    ['has ended', kubernetesJob({ ended: 'Failed' })],
  ])('is left alone when a Job of it %s', (_, job) => {
    expect(decided(job)).toEqual(done('anotherDelivery'));
  });
});

const restart = () => recordedVerdict({ action: 'restart' });

describe('the reason that a user reads', () => {
  test('has what was waited for last', () => {
    expect(deadLetterReason('quota "jobs" is used up (10 of 10)')).toEqual({
      title: 'its dispatch failed each time',
      evidence:
        'The message of the step was delivered until the queue gave it up: quota "jobs" is used up (10 of 10). Nothing was run.',
      advice: 'Mend what the message names, then run the job again.',
    });
  });

  test('says where to look when nothing was', () => {
    expect(deadLetterReason(undefined)).toEqual({
      title: 'its dispatch failed each time',
      evidence:
        'The message of the step was delivered until the queue gave it up: the log of dispatch has the reason. Nothing was run.',
      advice: 'Ask the administrators to look for the job in that log, then run the job again.',
    });
  });
});
