import { describe, expect, test } from 'vitest';
import type { JobOutcome } from '../../lib/domain/job-outcome.ts';
import type { MetricValues } from '../../lib/domain/metric-names.ts';
import { type DoneAction, observedMetrics, toldOf } from '../../lib/domain/observed-metrics.ts';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import type { Action } from '../../lib/domain/verdict-types.ts';
import { NOON, reason } from '../support/builders.ts';

const done = (changes: Partial<DoneAction>): DoneAction => ({ row: 20, action: 'leave', deed: 'done', ...changes });
const told = { cause: 'outOfMemory', sinceEnd: durationMs(900) };

test.each<[string, DoneAction, [MetricValues, string?]]>([
  ['a stop', done({ action: 'stop' }), [{ Stopped: 1 }]],
  ['an annotation', done({ action: 'annotate' }), [{ Annotated: 1 }]],
  ['a start', done({ action: 'restart', row: 10 }), [{ Restarted: 1 }]],
  ['the record of a start, which is none yet', done({ action: 'restart', row: 33 }), [{}]],
  ['a tell', done({ action: 'fail', told }), [{ ToldFailed: 1, ClusterToToldMs: 900 }, 'outOfMemory']],
  ['the rest of a tell', done({ action: 'tell', told: { cause: 'halfTold' } }), [{ ToldFailed: 1 }, 'halfTold']],
  ['a tell that somebody else has done', done({ action: 'fail', deed: 'none', told }), [{}]],
  ['a Job that has changed meanwhile', done({ action: 'stop', deed: 'conflict' }), [{}]],
  ['a line in the log of the run', done({ action: 'explain' }), [{}]],
  ['nothing', done({}), [{}]],
])('%s is counted', (_what, observed, metrics) => {
  expect(observedMetrics(observed)).toEqual(metrics);
});

describe('a tell is about', () => {
  const always = { intent: undefined, start: 1, type: 'terraformPlan' } as const;
  const endedAt = epochMs(NOON + 1000);
  const now = epochMs(NOON + 4000);
  const sinceEnd = durationMs(3000);
  const failed: Exclude<JobOutcome, { kind: 'missing' }> = {
    ...{ ...always, kind: 'failed', cause: 'evicted', title: '', evidence: '', restartable: false },
    ...{ everStarted: 'yes', endedAt, isSuspended: false },
  };
  const succeeded: JobOutcome = { ...always, kind: 'succeeded', endedAt };
  const fail = (cause: string): Action => ({ kind: 'fail', reason: reason(), cause });
  const half: Action = { kind: 'tell', scope: 'job', reason: undefined };

  test.each<[string, Action, JobOutcome, ReturnType<typeof toldOf>]>([
    ['what the Job failed of', fail('evicted'), failed, { cause: 'evicted', sinceEnd }],
    ['that, whatever somebody wrote into its verdict', fail('<script>'), failed, { cause: 'evicted', sinceEnd }],
    ['a callback that was lost', fail('lostCallback'), succeeded, { cause: 'lostCallback', sinceEnd }],
    [
      'the last word of a Job that is gone',
      fail('x'),
      { kind: 'missing', last: failed, hasPods: false },
      { cause: 'evicted', sinceEnd },
    ],
    [
      'a Job that was deleted before its end, whatever somebody wrote into its verdict',
      fail('<script>'),
      { kind: 'missing', last: { ...always, kind: 'running', startedAt: NOON }, hasPods: false },
      { cause: 'podDeleted' },
    ],
    ['a Job that never was', fail('neverCreated'), { kind: 'missing', hasPods: false }, { cause: 'neverCreated' }],
    ['half a tell', half, succeeded, { cause: 'halfTold', sinceEnd }],
    ['nothing, when nothing is told', { kind: 'leave', why: '' }, failed, undefined],
  ])('%s', (_what, action, outcome, about) => {
    expect(toldOf({ row: 1, action }, outcome, now)).toEqual(about);
  });
});
