import { describe, expect, test } from 'vitest';
import { recordText } from '../../lib/domain/job-comments.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { VERDICT_ROWS } from '../../lib/domain/verdict.ts';
import { ids, laterStep, NOON, reason, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import {
  blocker,
  failed,
  finding,
  type InputChanges,
  lasting,
  missing,
  running,
  secondsAgo,
  stopping,
  succeeded,
  suspended,
  waiting,
} from '../support/verdict-builders.ts';
import {
  adviceOn,
  apply,
  approval,
  CAUTION,
  decide,
  gives,
  intent,
  job,
  kindOf,
  SAFE,
  stops,
  TELL_JOB,
  told,
} from '../support/verdict-words.ts';

const NO_JOB = 'it has no Job, and needs none';

test('the rows are numbered in the order in which they are tried, but for the one that was added later', () => {
  const numbered = Array.from({ length: 37 }, (_, index) => index + 1);
  expect(VERDICT_ROWS.map(({ row }) => row)).toEqual([...numbered.slice(0, 6), 38, ...numbered.slice(6)]);
});

describe('row 1', () => {
  test('tries again when Terrakube cannot be read, whatever the cluster shows', () => {
    for (const outcome of [missing(), suspended(), waiting(), running(), stopping(), succeeded(), failed()]) {
      expect(decide({ outcome, terrakube: 'unreachable' })).toEqual(gives(1, { kind: 'retry' }));
    }
  });
});

describe('row 2, an onReject run', () => {
  const rejected = (output: string | null = null) => job('rejected', step({ status: 'failed', output }));
  const onReject = (changes: InputChanges) => decide({ ids: approval, terrakube: rejected(), ...changes });
  const leaves = gives(2, { kind: 'leave', why: 'a rejected job is not written to' });

  test('is stopped quietly when it waits for too long', () => {
    expect(onReject({ outcome: waiting({ blocker: blocker(), since: secondsAgo(121) }) })).toEqual(
      gives(2, stops('quiet', 'imagePull')(blocker().title, blocker().evidence, adviceOn('imagePull'))),
    );
    expect(onReject({ outcome: waiting(), facts: { payloadAge: lasting(1501) } })).toEqual(
      gives(
        2,
        stops('quiet', 'unknown')('its step does not wait for it any more', 'The job is rejected, the step is failed.'),
      ),
    );
  });
  test('is stopped quietly when it runs and has not spoken for too long', () => {
    const outcome = running({ startedAt: secondsAgo(1801) });
    expect(onReject({ outcome })).toMatchObject({ row: 2, action: { verdict: { action: 'quiet', cause: 'silent' } } });
    expect(onReject({ outcome, terrakube: rejected('https://log') })).toEqual(leaves);
  });
  test('is deleted when it was never resumed', () => {
    expect(onReject({ outcome: suspended(), facts: { payloadAge: lasting(1501) } })).toEqual(
      gives(2, { kind: 'delete', why: 'an onReject run that was never resumed' }),
    );
    expect(onReject({ outcome: suspended() })).toEqual(leaves);
  });
  test('is left alone otherwise, also when it has ended, and a second verdict is never recorded', () => {
    for (const outcome of [missing(), waiting(), running(), stopping(), succeeded(), failed({ cause: 'evicted' })]) {
      expect(onReject({ outcome })).toEqual(leaves);
    }
    expect(
      onReject({ outcome: waiting({ intent: intent('quiet'), blocker: blocker(), since: secondsAgo(999) }) }),
    ).toEqual(leaves);
  });
  test('is deleted when it is suspended and its verdict is recorded', () => {
    expect(onReject({ outcome: failed({ intent: intent('quiet'), isSuspended: true }) })).toEqual(
      gives(2, { kind: 'delete', why: 'its verdict is carried out' }),
    );
  });
});

describe('row 3, a Job that is gone and left its last document', () => {
  const gone = (last: NonNullable<ReturnType<typeof missing>['last']>, more: InputChanges = {}) =>
    decide({ outcome: missing({ last }), ...more });

  test('is told by what the document says', () => {
    expect(gone(failed({ cause: 'outOfMemory', title: 'out of memory (limit 512Mi)', restartable: false }))).toEqual(
      gives(3, {
        kind: 'fail',
        cause: 'outOfMemory',
        reason: { title: 'out of memory (limit 512Mi)', evidence: finding().evidence, advice: adviceOn('outOfMemory') },
      }),
    );
  });
  test('is told where it would have been started again: there is no Job to claim', () => {
    const same = gives(3, { kind: 'fail', cause: 'disrupted', reason: { ...finding(), advice: SAFE } });
    expect(gone(failed())).toMatchObject({ ...same, action: { kind: 'fail', cause: 'disrupted' } });
    expect(gone(failed({ intent: intent('restart') }))).toEqual(
      gives(3, { kind: 'fail', cause: 'unschedulable', reason: reason() }),
    );
  });
  test('was deleted when the document has no end', () => {
    expect(gone(running({ type: 'terraformApply' }), { ids: apply })).toEqual(
      gives(3, {
        kind: 'fail',
        cause: 'podDeleted',
        reason: {
          title: 'its Kubernetes Job was deleted',
          evidence: 'The Kubernetes Job was deleted before it had ended, and not by the dispatcher.',
          advice: adviceOn('podDeleted').replace(SAFE, CAUTION),
        },
      }),
    );
  });
  test('keeps the verdict of a document without an end', () => {
    expect(gone(stopping({ intent: intent('cancel') }))).toEqual(
      gives(3, { kind: 'patchJob', status: 'cancelled', reason: reason() }),
    );
  });
  test('is left for ten seconds when it has just succeeded', () => {
    expect(gone(succeeded({ endedAt: secondsAgo(9) }))).toEqual(
      gives(3, { kind: 'leave', why: 'the report may be under way' }),
    );
  });
  test('ends a step that runs under a job that has ended', () => {
    const terrakube = job('cancelled', step({ status: 'running', output: 'https://log' }));
    const look = { terrakube, facts: { unchangedFor: lasting(10) } };
    expect(gone(failed({ cause: 'exit', restartable: false, everStarted: 'yes' }), look)).toMatchObject({
      row: 3,
      action: { kind: 'patchStep', status: 'cancelled' },
    });
  });
  test.each([
    ['pods are left', missing({ last: failed(), hasPods: true }), {}],
    ['another Job of the step is there', missing({ last: failed() }), { hasOtherJobOfStep: true }],
    ['it was suspended and we deleted it', missing({ last: failed({ isSuspended: true }) }), {}],
    ['there is no document', missing(), {}],
  ] as const)('is not spoken of when %s', (_, outcome, facts) => {
    expect(decide({ outcome, facts })).toEqual(gives(7, { kind: 'leave', why: NO_JOB }));
  });
});

describe('row 4, a step that has no Job for too long', () => {
  const lost = (changes: InputChanges) => decide({ outcome: missing(), settings: { ownsAllSteps: true }, ...changes });
  const queued = { facts: { unchangedFor: lasting(1860) } };

  test('is failed when it waits in the queue', () => {
    expect(lost(queued)).toEqual(
      gives(4, {
        kind: 'fail',
        cause: 'neverCreated',
        reason: {
          title: 'the step never became a Kubernetes Job',
          evidence:
            'The job is queue and the step pending, unchanged for 31 minutes, and the cluster has no Job for it.',
          advice: SAFE,
        },
      }),
    );
    expect(lost({ facts: { unchangedFor: lasting(1859) } }).row).toBe(7);
  });
  test('is failed when the job runs and no step of it does', () => {
    expect(lost({ ...queued, terrakube: job('running') }).row).toBe(4);
    expect(lost({ ...queued, terrakube: job('running', step(), laterStep({ status: 'running' })) }).row).toBe(7);
  });
  test('is failed when it runs for longer than any Job could', () => {
    const terrakube = job('running', step({ status: 'running', output: 'https://log' }));
    const look = { ids: apply, terrakube };
    expect(lost({ ...look, facts: { unchangedFor: lasting(21_420) } })).toMatchObject({
      row: 4,
      action: { kind: 'fail', cause: 'jobGone', reason: { title: 'its Kubernetes Job is gone', advice: CAUTION } },
    });
    expect(lost({ ...look, facts: { unchangedFor: lasting(21_419) } }).row).toBe(7);
  });
  test('is ours when another Job of ours belongs to its job', () => {
    expect(lost({ settings: {}, facts: { ...queued.facts, hasOtherJobOfTerrakubeJob: true } }).row).toBe(4);
  });
  test.each<[string, InputChanges]>([
    ['others run Jobs, too, and none of this job is ours', { ...queued, settings: {} }],
    ['dispatching is paused', { ...queued, settings: { ownsAllSteps: true, isDispatchPaused: true } }],
    ['another Job of the step is there', { facts: { ...queued.facts, hasOtherJobOfStep: true } }],
    ['an earlier step is open', { ...queued, terrakube: job('queue', laterStep({ stepNumber: 50 }), step()) }],
    ['Terrakube has not sent it', { ...queued, terrakube: job('pending') }],
  ])('is left alone while %s', (_, changes) => {
    expect(lost(changes)).toEqual(gives(7, { kind: 'leave', why: NO_JOB }));
  });
});

describe('rows 5 to 7, no Job', () => {
  test('row 5 finishes a half-told job', () => {
    expect(decide({ outcome: missing(), terrakube: job('queue', told) })).toEqual(gives(5, TELL_JOB));
  });
  test('row 6 ends a job without an open step', () => {
    const facts = { hasOtherJobOfTerrakubeJob: true, unchangedFor: lasting(60) };
    const over = job('queue', step({ status: 'completed' }), laterStep({ status: 'cancelled' }));
    expect(decide({ outcome: missing(), terrakube: over, facts })).toEqual(
      gives(6, { kind: 'patchJob', status: 'cancelled', reason: undefined }),
    );
    expect(decide({ outcome: missing(), terrakube: over, facts: { ...facts, unchangedFor: lasting(59) } }).row).toBe(7);
    expect(
      decide({ outcome: missing(), terrakube: over, facts: { ...facts, hasUnfinishedJobOfTerrakubeJob: true } }).row,
    ).toBe(7);
    expect(decide({ outcome: missing(), terrakube: over, facts: { unchangedFor: lasting(60) } }).row).toBe(7);
  });
  test('row 7 leaves everything else', () => {
    expect(decide({ outcome: missing() })).toEqual(gives(7, { kind: 'leave', why: NO_JOB }));
    expect(decide({ outcome: missing(), terrakube: 'notFound' })).toEqual(gives(7, { kind: 'leave', why: NO_JOB }));
  });
});

describe('rows 8 and 9, a Job that is ending', () => {
  const stuck = stopping({ since: secondsAgo(361) });
  const STUCK = {
    title: 'node ip-10-0-1-7 does not answer',
    evidence: 'The Job is being stopped and its pod does not end. (It was stopped 6 minutes ago.)',
    advice: adviceOn('nodeLost').replace(SAFE, CAUTION),
  };

  test('row 8 fails the step of one that does not end', () => {
    expect(decide({ ids: apply, outcome: stuck })).toEqual(
      gives(8, { kind: 'fail', reason: STUCK, cause: 'nodeLost' }),
    );
  });
  test('row 8 never starts it again, also when that was recorded', () => {
    expect(decide({ ids: apply, outcome: { ...stuck, intent: intent('restart') } })).toEqual(
      gives(8, { kind: 'fail', reason: STUCK, cause: 'nodeLost' }),
    );
  });
  test('row 8 writes the step only under a job that has ended', () => {
    const terrakube = job('cancelled', step({ status: 'running' }));
    expect(decide({ ids: apply, outcome: stuck, terrakube })).toEqual(
      gives(8, { kind: 'patchStep', status: 'cancelled', reason: STUCK }),
    );
  });
  test('row 8 finishes what it has half told', () => {
    expect(decide({ outcome: stuck, terrakube: job('queue', told) })).toEqual(gives(8, TELL_JOB));
  });
  test('row 9 leaves one that is ending', () => {
    const leaves = gives(9, { kind: 'leave', why: 'the Job is ending' });
    expect(decide({ outcome: stopping({ since: secondsAgo(360) }) })).toEqual(leaves);
    expect(decide({ outcome: stuck, terrakube: job('failed', step({ status: 'failed' })) })).toEqual(leaves);
    expect(decide({ outcome: stuck, terrakube: 'notFound' })).toEqual(leaves);
  });
});

describe('rows 10 and 11, a recorded restart', () => {
  const due = failed({ intent: intent('restart') });
  const asked = (at: number) =>
    recordText({ stepId: ids().stepId, start: 2, maxStarts: 3, since: NOON, askedAt: epochMs(at) });
  const judgedAt = Date.parse(recordedVerdict().at);

  test('row 10 starts the step again', () => {
    expect(decide({ outcome: due })).toEqual(
      gives(10, { kind: 'restart', phase: 'carryOut', reason: reason(), cause: 'unschedulable' }),
    );
  });
  test('row 10 goes by the request that came after the verdict, not by an earlier one', () => {
    expect(decide({ outcome: due, terrakube: terrakubeJob({ comments: asked(judgedAt - 2001) }) }).row).toBe(10);
    expect(decide({ outcome: due, terrakube: terrakubeJob({ comments: asked(judgedAt - 2000) }) }).row).toBe(14);
  });
  test('row 11 fails a step that has started after all', () => {
    const terrakube = job('running', step({ status: 'running' }));
    expect(decide({ ids: apply, outcome: due, terrakube })).toEqual(
      gives(11, {
        kind: 'fail',
        cause: 'startedAfterAll',
        reason: {
          title: 'its executor started while its Job was being stopped',
          evidence:
            'Stopped for: the Job was refused. Now the job is running, the step running, and its container ran: no.',
          advice: CAUTION,
        },
      }),
    );
    expect(decide({ outcome: due, terrakube: job('running') }).row).toBe(11);
  });
  test('row 10 starts a step again whose pod is gone: that it never ran was proved before its Job was stopped', () => {
    expect(kindOf({ outcome: { ...due, everStarted: 'unknown' } })).toBe('10 restart');
  });
  test('row 11 fails a step whose container ran', () => {
    expect(decide({ ids: apply, outcome: { ...due, everStarted: 'yes' } })).toMatchObject({
      row: 11,
      action: { kind: 'fail', cause: 'startedAfterAll', reason: { advice: CAUTION } },
    });
  });
  test('row 11 fails a step that has no start left, with what was recorded', () => {
    const gaveUp = gives(11, { kind: 'fail', cause: 'unschedulable', reason: reason() });
    expect(decide({ outcome: due, facts: { startsLeft: 0 } })).toEqual(gaveUp);
    expect(decide({ ids: approval, outcome: due })).toEqual(gaveUp);
  });
  test('waits while Terrakube is about to send the step by itself', () => {
    expect(kindOf({ outcome: due, terrakube: job('pending') })).toBe('14 leave');
    expect(kindOf({ outcome: due, terrakube: job('approved') })).toBe('14 leave');
  });
  test('is over when a newer Job of the step is there, or the Job says so', () => {
    expect(kindOf({ outcome: due, facts: { isNewest: false } })).toBe('14 leave');
    expect(
      kindOf({ outcome: due, facts: { isNewest: false }, terrakube: job('running', step({ status: 'running' })) }),
    ).toBe('14 leave');
    expect(kindOf({ outcome: due, facts: { isRestarted: true } })).toBe('14 leave');
  });
});

describe('rows 12 to 15, other recorded verdicts', () => {
  test('row 12 cancels a job again that an executor has revived', () => {
    const terrakube = job('running', step({ status: 'running' }));
    expect(decide({ outcome: failed({ intent: intent('cancel') }), terrakube })).toEqual(
      gives(12, { kind: 'patchJob', status: 'cancelled', reason: reason() }),
    );
  });
  test('row 13 tells what was recorded, not what it brought about', () => {
    const outcome = failed({ intent: intent('fail'), cause: 'deadline', title: 'time limit of 1 s exceeded' });
    expect(decide({ outcome })).toEqual(gives(13, { kind: 'tell', scope: 'both', reason: reason() }));
    expect(decide({ outcome, terrakube: job('failed') })).toEqual(
      gives(13, { kind: 'tell', scope: 'step', reason: reason() }),
    );
    expect(decide({ outcome, terrakube: job('queue', told) })).toEqual(gives(13, TELL_JOB));
  });
  test('row 13 adds that the state may be locked when the container started meanwhile', () => {
    const outcome = failed({ intent: intent('fail', { advice: `Ask somebody. ${SAFE}` }), everStarted: 'yes' });
    expect(decide({ ids: apply, outcome })).toEqual(
      gives(13, { kind: 'tell', scope: 'both', reason: { ...reason(), advice: `Ask somebody. ${CAUTION}` } }),
    );
  });
  test('row 13 does not speak for a newer Job, nor under a cancelled job', () => {
    const outcome = failed({ intent: intent('fail') });
    expect(kindOf({ outcome, facts: { isNewest: false } })).toBe('37 leave');
    expect(kindOf({ outcome, terrakube: job('cancelled') })).toBe('37 leave');
  });
  test('row 14 leaves what is carried out', () => {
    const done = failed({ intent: intent('cancel') });
    expect(decide({ outcome: done, terrakube: job('cancelled', step({ status: 'cancelled' })) })).toEqual(
      gives(14, { kind: 'leave', why: 'the verdict cancel is carried out, or waits for Terrakube' }),
    );
    expect(kindOf({ outcome: done, terrakube: 'notFound' })).toBe('14 leave');
  });
  test('row 14 deletes a suspended Job once its verdict is carried out, and not before', () => {
    const outcome = failed({ intent: intent('restart'), isSuspended: true });
    expect(decide({ outcome, facts: { isRestarted: true } })).toEqual(
      gives(14, { kind: 'delete', why: 'its verdict is carried out' }),
    );
    expect(kindOf({ outcome, terrakube: job('pending') })).toBe('14 leave');
    expect(kindOf({ outcome })).toBe('10 restart');
  });
  test('row 15 leaves a Job whose verdict is recorded, also when nobody can read it', () => {
    const leaves = gives(15, { kind: 'leave', why: 'its verdict is recorded' });
    expect(decide({ outcome: waiting({ intent: intent('fail') }), terrakube: job('cancelled') })).toEqual(leaves);
    expect(decide({ outcome: running({ intent: intent('cancel') }), terrakube: job('cancelled') })).toEqual(leaves);
    expect(decide({ outcome: waiting({ intent: 'unreadable' }), facts: { payloadAge: lasting(9999) } })).toEqual(
      leaves,
    );
  });
});
