import { describe, expect, test } from 'vitest';
import { CAUSES } from '../../lib/domain/causes.ts';
import { adviceFor, findingReason, neverEndsReason, reasonOf } from '../../lib/domain/failure-reasons.ts';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import { scenario } from '../support/kubernetes-fixtures.ts';

const LOCKED =
  'The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).';

describe('what to do about a cause', () => {
  test.each(['terraformApply', 'terraformDestroy', 'customScripts'])(
    'of a %s that may have run: look first',
    (type) => {
      expect(adviceFor('podDeleted', 'yes', type)).toBe(
        `Find out who deleted it; the cluster's audit log knows. ${LOCKED}`,
      );
      expect(adviceFor('podDeleted', 'unknown', type)).toBe(adviceFor('podDeleted', 'yes', type));
      expect(adviceFor('podDeleted', 'no', type)).toBe(
        "Find out who deleted it; the cluster's audit log knows. Nothing was run: safe to run again.",
      );
    },
  );

  test.each(['terraformPlan', 'terraformPlanDestroy'])('of a %s: it changes nothing', (type) => {
    for (const started of ['yes', 'unknown'] as const) {
      expect(adviceFor('quota', started, type)).toMatch(/ A plan changes nothing: safe to run again\.$/);
    }
    expect(adviceFor('quota', 'no', type)).toMatch(/ Nothing was run: safe to run again\.$/);
  });

  test.each(['approval', 'scheduleTemplates', ''])('of a step of type "%s": nothing is promised', (type) => {
    expect(adviceFor('unknown', 'yes', type)).toBe('Look at the Job and its pod with kubectl describe.');
  });

  test('of a time limit depends on whether it ran', () => {
    expect(adviceFor('deadline', 'yes', '')).toBe(
      'Find out what took so long, or raise ExecutorEphemeralActiveDeadlineSeconds.',
    );
    expect(adviceFor('deadline', 'no', '')).toBe(
      'Mend what kept it from starting. Nothing was run: safe to run again.',
    );
  });

  test.each(CAUSES)('%s is a sentence that has room', (cause) => {
    const advice = adviceFor(cause, 'yes', '');
    expect(advice).toMatch(/^[A-Z].*\.$/);
    expect(advice.length).toBeLessThanOrEqual(150);
  });
});

test('a finding of the verdict itself has its words here too', () => {
  const silent = { cause: 'silent', title: 'executor runs but reports nothing', evidence: 'For 1800 s.' } as const;
  expect(findingReason(silent, 'yes', 'terraformPlan')).toEqual({
    title: 'executor runs but reports nothing',
    evidence: 'For 1800 s.',
    advice:
      'Check that ExecutorEphemeralImage is as new as the Terrakube API. A plan changes nothing: safe to run again.',
  });
  expect(findingReason({ ...silent, title: 'x'.repeat(91) }, 'yes', '').title).toBe(`${'x'.repeat(89)}…`);
});

test('a Job that does not end names the node to look at', () => {
  const reason = neverEndsReason({ node: 'ip-10-0-0-1' }, 'terraformApply');
  expect(reason).toEqual({
    title: 'node ip-10-0-0-1 does not answer',
    evidence: 'The Job is being stopped and its pod does not end.',
    advice: `Find out what happened to the node: the executor may still be running there. ${LOCKED}`,
  });
  expect(neverEndsReason({}, '').title).toBe('node of the pod does not answer');
});

describe('an outcome in words', () => {
  const NOW = epochMs(0);
  const { job, pods, events } = scenario('exit-1');
  const always = { intent: undefined, start: 1, type: 'terraformPlan' };

  test('of a Job that is gone is that of its last document', () => {
    const last = jobOutcome(job, pods, events, NOW);
    if (last.kind === 'missing') throw new Error('no outcome');
    expect(reasonOf({ kind: 'missing', last, hasPods: false }, '')).toEqual(reasonOf(last, ''));
  });

  test('of a Job that is gone without one says what is left', () => {
    expect(reasonOf({ kind: 'missing', hasPods: false }, 'terraformPlan')).toEqual({
      title: 'the Job is gone',
      evidence: 'There is no such Job, and no pod of it.',
      advice: "Find out who deleted it; the cluster's audit log knows. A plan changes nothing: safe to run again.",
    });
    expect(reasonOf({ kind: 'missing', hasPods: true }, '').evidence).toBe(
      'There is no such Job; its pod is still there.',
    );
  });

  test('of a Job with nothing wrong has no advice', () => {
    expect(reasonOf({ ...always, kind: 'running', startedAt: NOW }, '')).toEqual({
      title: 'the executor runs',
      evidence: 'It reports to Terrakube by itself.',
      advice: '',
    });
    expect(reasonOf({ ...always, kind: 'waiting', blocker: undefined, everStarted: 'no', since: NOW }, '')).toEqual({
      title: 'the executor is about to start',
      evidence: 'Nothing that would keep it from starting is to be seen.',
      advice: '',
    });
    expect(reasonOf({ ...always, kind: 'stopping', since: NOW, graceMs: durationMs(0) }, '')).toEqual({
      title: 'the Job is being stopped',
      evidence: 'Its pod has not ended yet.',
      advice: '',
    });
    expect(reasonOf({ ...always, kind: 'stopping', since: NOW, graceMs: durationMs(0), node: 'n' }, '').evidence).toBe(
      'Its pod on node n has not ended yet.',
    );
  });
});
