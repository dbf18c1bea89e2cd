// Histories that the design has to survive, as far as one verdict after another can show them. Their numbers only
// tell them apart.
import { describe, expect, test } from 'vitest';
import { recordText } from '../../lib/domain/job-comments.ts';
import { durationMs, isoTime } from '../../lib/domain/time.ts';
import { ids, laterStep, NOON, step } from '../support/builders.ts';
import {
  blocker,
  failed,
  type InputChanges,
  lasting,
  missing,
  noNode,
  running,
  secondsAgo,
  succeeded,
  suspended,
  verdictInput,
  waiting,
} from '../support/verdict-builders.ts';
import { carryOut, later, look, settle, type World } from '../support/verdict-model.ts';
import { apply, decide, intent, job, kindOf, told } from '../support/verdict-words.ts';

const worldOf = (changes: InputChanges, more: Omit<World, 'input'> = {}): World => ({
  ...more,
  input: verdictInput(changes),
});
const terrakubeOf = ({ input: { terrakube } }: World) =>
  typeof terrakube === 'object' ? [terrakube.status, ...terrakube.steps.map(({ status }) => status)] : terrakube;
/** Looks, acts, and says which row it was. */
const act = (world: World, extent: 'whole' | 'firstWrite' = 'whole'): readonly [number, World] => {
  const { row, action } = look(world);
  return [row, carryOut(world, action, extent)];
};

describe('1: Job 1 was started again, and its old claim is looked at while Job 2 is told failed', () => {
  test('an older Job of the step is never started again', () => {
    const old = failed({ intent: intent('restart') });
    expect(kindOf({ outcome: old, facts: { isNewest: false } })).toBe('14 leave');
    expect(kindOf({ outcome: old, facts: { isRestarted: true } })).toBe('14 leave');
  });
});

describe('2: the answer of intake was lost, the job still reads pending, and its pod is evicted', () => {
  const evicted = failed({ cause: 'evicted', title: 'evicted: memory', restartable: false, everStarted: 'yes' });
  const world = worldOf({ outcome: evicted, terrakube: job('pending', step(), laterStep()) });

  test('the job is failed before the step, so that no next step is sent', () => {
    const [row, cut] = act(world, 'firstWrite');
    expect([row, ...(terrakubeOf(cut) ?? [])]).toEqual([34, 'failed', 'failed', 'failed']);
  });
  test('a tell that was cut off between the two is finished, also in a locked workspace', () => {
    const [, cut] = act({ ...world, isLocked: true }, 'firstWrite');
    expect(terrakubeOf(cut)).toEqual(['failed', 'pending', 'pending']);
    const [row, done] = act(later(cut, 10));
    expect([row, ...(terrakubeOf(done) ?? [])]).toEqual([35, 'failed', 'failed', 'pending']);
  });
});

describe('3: a stop meets a container that started a second ago, sets running and is killed', () => {
  const waits = worldOf({ ids: apply, outcome: waiting({ blocker: noNode }), facts: { payloadAge: lasting(1501) } });

  test('the step is failed, not left running, and not started again', () => {
    const [first, stopped] = act(waits);
    const terrakube = job('running', step({ status: 'running', output: 'https://log' }));
    const started: World = { ...stopped, input: { ...stopped.input, terrakube } };
    const [second, done] = act(started);
    expect([first, second]).toEqual([18, 11]);
    expect(terrakubeOf(done)).toEqual(['failed', 'failed']);
  });
  test('nor is one whose container ran without a word', () => {
    const [, stopped] = act(waits);
    const { outcome } = stopped.input;
    if (outcome.kind !== 'failed') throw new Error(outcome.kind);
    expect(decide({ ...stopped.input, outcome: { ...outcome, everStarted: 'yes' } })).toMatchObject({
      row: 11,
      action: { kind: 'fail', cause: 'startedAfterAll' },
    });
  });
});

test('4: a bound pod in ContainerCreating whose payload is too old is failed, never started a second time', () => {
  const outcome = waiting({ everStarted: 'unknown' });
  expect(decide({ ids: apply, outcome, facts: { payloadAge: lasting(1501) } })).toMatchObject({
    row: 18,
    action: { kind: 'stop', verdict: { action: 'fail' } },
  });
});

test('7: dispatch failed the step, crashed before the job write, and there is no Job: the job is told', () => {
  const [row, done] = act(worldOf({ outcome: missing(), terrakube: job('queue', told) }));
  expect([row, ...(terrakubeOf(done) ?? [])]).toEqual([5, 'failed', 'failed']);
});

describe('8: the user cancels while the job is set pending for a restart', () => {
  const steps = [step({ status: 'cancelled' }), laterStep({ status: 'cancelled' })];

  test('a live job whose steps are all cancelled is cancelled, at once', () => {
    for (const status of ['pending', 'queue', 'approved']) {
      const outcome = failed({ intent: intent('restart') });
      const [row, done] = act(worldOf({ outcome, terrakube: job(status, ...steps) }));
      expect([row, ...(terrakubeOf(done) ?? [])]).toEqual([28, 'cancelled', 'cancelled', 'cancelled']);
    }
  });
  test('also when its Job is gone', () => {
    const facts = { hasOtherJobOfTerrakubeJob: true };
    expect(kindOf({ outcome: missing(), terrakube: job('queue', ...steps), facts })).toBe('6 patchJob');
  });
});

describe('9: the user cancels a job whose Job was made a second ago', () => {
  test('it is stopped before it starts', () => {
    const world = settle(worldOf({ terrakube: job('cancelled', step({ status: 'cancelled' })) }));
    expect(world.input.outcome).toMatchObject({ kind: 'failed', intent: { action: 'cancel' } });
    expect(terrakubeOf(world)).toEqual(['cancelled', 'cancelled']);
  });
});

describe('10: an apply is cancelled while its JVM is still booting', () => {
  const booting = worldOf({
    ids: apply,
    outcome: running({ startedAt: secondsAgo(5) }),
    terrakube: job('cancelled', step({ status: 'cancelled' })),
  });

  test('it is killed within a second, although applies are left alone', () => {
    expect(look(booting)).toMatchObject({ row: 22, action: { verdict: { action: 'cancel' }, deletePod: true } });
  });
  test('a job that it has revived all the same is cancelled again, and so is its step', () => {
    const [, stopped] = act(booting);
    const revived = { ...stopped.input, terrakube: job('running', step({ status: 'running', output: 'https://log' })) };
    const [row, again] = act({ ...stopped, input: revived });
    expect([row, ...(terrakubeOf(again) ?? [])]).toEqual([12, 'cancelled', 'running']);
    expect(terrakubeOf(settle(again))).toEqual(['cancelled', 'cancelled']);
  });
});

test('11: a Job whose stop met a conflict is stopped by the next look, whatever the kubelet wrote', () => {
  const late = { blocker: blocker(), since: secondsAgo(121) };
  expect(kindOf({ outcome: waiting(late) })).toBe('19 stop');
  expect(kindOf({ outcome: waiting({ ...late, everStarted: 'unknown' }) })).toBe('19 stop');
  expect(kindOf({ outcome: waiting({ ...late, intent: intent('fail') }) })).toBe('15 leave');
});

test('12: a Job of step 100 is judged while a Job of step 200 runs: the job is left alone', () => {
  const terrakube = job(
    'running',
    step({ status: 'completed', output: 'https://log' }),
    laterStep({ status: 'running' }),
  );
  const facts = { hasOtherJobOfTerrakubeJob: true, hasUnfinishedJobOfTerrakubeJob: true, unchangedFor: lasting(9999) };
  expect(kindOf({ outcome: succeeded(), terrakube, facts })).toBe('37 leave');
  // The list was read before that Job was made.
  expect(kindOf({ outcome: succeeded(), terrakube, facts: { unchangedFor: lasting(9999) } })).toBe('37 leave');
});

test('13: the user cancels during the pause between step and job: the job stays cancelled', () => {
  const [, cut] = act(worldOf({ outcome: failed({ restartable: false }) }), 'firstWrite');
  expect(terrakubeOf(cut)).toEqual(['queue', 'failed']);
  const { terrakube } = cut.input;
  if (typeof terrakube !== 'object') throw new Error('no job');
  const cancelled: World = { ...cut, input: { ...cut.input, terrakube: { ...terrakube, status: 'cancelled' } } };
  expect(terrakubeOf(settle(cancelled))).toEqual(['cancelled', 'failed']);
});

describe('14: a suspended Job with a verdict', () => {
  const waits = worldOf({ outcome: suspended(), facts: { payloadAge: lasting(1501) } });

  test('is recorded, carried out, and deleted last', () => {
    const [first, recorded] = act(waits);
    const [second, asked] = act(recorded);
    const [third, gone] = act(asked);
    expect([first, second, third]).toEqual([18, 10, 14]);
    expect(gone.input.outcome).toEqual(missing());
  });
  test('is not deleted before its restart is asked for', () => {
    const [, recorded] = act(waits);
    for (const status of ['pending', 'approved']) {
      expect(look({ input: { ...recorded.input, terrakube: job(status) } }).action.kind).toBe('leave');
    }
  });
  test('is deleted after its failure was told, in two looks when the first was cut off', () => {
    const [, recorded] = act(worldOf({ outcome: suspended(), facts: { payloadAge: lasting(1501), startsLeft: 0 } }));
    const [second, cut] = act(recorded, 'firstWrite');
    const [third, toldAll] = act(cut);
    const [fourth, gone] = act(toldAll);
    expect([second, third, fourth]).toEqual([13, 13, 37]);
    expect([gone.input.outcome.kind, ...(terrakubeOf(gone) ?? [])]).toEqual(['missing', 'failed', 'failed']);
  });
});

test('16: a Job was deleted by a person and the first tell failed: the document still tells it', () => {
  const outcome = missing({ last: running() });
  expect(kindOf({ outcome })).toBe('3 fail');
  // Nobody has the document any more.
  const facts = { hasOtherJobOfTerrakubeJob: true, unchangedFor: lasting(1860) };
  expect(kindOf({ outcome: missing(), facts })).toBe('4 fail');
});

describe('20: a claim is taken over after a restart that worked', () => {
  const restarted = failed({ intent: intent('restart', { at: isoTime(secondsAgo(10)) }) });

  test('a restart whose mark was not written is not asked for a second time', () => {
    const [row, cut] = act(worldOf({ outcome: restarted }), 'firstWrite');
    expect([row, ...(terrakubeOf(cut) ?? [])]).toEqual([10, 'pending', 'pending']);
    expect(look(cut)).toMatchObject({ row: 14, action: { kind: 'leave' } });
    // Terrakube has sent the step, and dispatch has not made its Job yet.
    const { terrakube } = cut.input;
    if (typeof terrakube !== 'object') throw new Error('no job');
    expect(decide({ ...cut.input, terrakube: { ...terrakube, status: 'queue' } })).toMatchObject({ row: 14 });
  });
  test('a fresh payload that was asked for before the verdict is not taken for it', () => {
    const record = { stepId: ids().stepId, start: 2, maxStarts: 3, since: NOON, askedAt: secondsAgo(60) };
    const terrakube = { ...job('queue'), comments: `${recordText(record)}; waiting: a node, 40 s` };
    expect(kindOf({ outcome: restarted, terrakube })).toBe('10 restart');
  });
});

describe('21: the executor could not sign in, and a sweep comes early', () => {
  test('ten seconds are enough before it is told', () => {
    expect(kindOf({ outcome: succeeded({ endedAt: secondsAgo(10) }) })).toBe('31 fail');
  });
  test('a step that was swept before gets the reason into its name, once', () => {
    const swept = worldOf({ outcome: succeeded(), terrakube: job('failed', step({ status: 'failed' })) });
    const [row, done] = act(swept);
    expect(row).toBe(36);
    expect(done.input.terrakube).toMatchObject({
      steps: [
        { name: 'Terraform Plan: executor could not reach Terrakube or sign in to it (dispatcher)', output: null },
      ],
    });
    expect(look(later(done, 86_400))).toMatchObject({ row: 37, action: { kind: 'leave' } });
  });
});

test('22: an executor was killed by us under a cancelled job: its step does not run for ever', () => {
  const world = worldOf({
    outcome: running(),
    terrakube: job('cancelled', step({ status: 'running', output: 'https://log' })),
  });
  const [first, stopped] = act(world);
  const [second, done] = act(later(stopped, 10));
  expect([first, second]).toEqual([23, 35]);
  expect(terrakubeOf(done)).toEqual(['cancelled', 'cancelled']);
});

test('25: all steps are completed and the locked workspace keeps the job pending: Terrakube completes it', () => {
  const terrakube = job('pending', step({ status: 'completed' }), laterStep({ status: 'completed' }));
  const facts = { unchangedFor: durationMs(86_400_000), hasOtherJobOfTerrakubeJob: true };
  expect(kindOf({ outcome: succeeded(), terrakube, facts })).toBe('37 leave');
  expect(kindOf({ outcome: missing(), terrakube, facts })).toBe('7 leave');
});

test('27: the last document of a suspended Job that we deleted after its restart is not judged again', () => {
  const last = failed({ intent: intent('restart'), isSuspended: true });
  expect(kindOf({ outcome: missing({ last }) })).toBe('7 leave');
});

describe('28: a Job was read before another door recorded its verdict', () => {
  test('what is read again before the write is another verdict', () => {
    const late = { blocker: noNode, since: secondsAgo(2000) };
    const facts = { payloadAge: lasting(2000) };
    expect(kindOf({ outcome: waiting(late), facts })).toBe('18 stop');
    expect(kindOf({ outcome: waiting({ ...late, intent: intent('restart') }), facts })).toBe('15 leave');
    expect(kindOf({ outcome: failed({ cause: 'deadline', restartable: false }), facts })).toBe('34 fail');
    expect(kindOf({ outcome: failed({ intent: intent('restart') }), facts })).toBe('10 restart');
  });
});

test('29: dispatching was paused for an hour: steps that wait are not told failed', () => {
  const facts = { hasOtherJobOfTerrakubeJob: true, unchangedFor: lasting(3600) };
  expect(kindOf({ outcome: missing(), facts, settings: { isDispatchPaused: true } })).toBe('7 leave');
  expect(kindOf({ outcome: missing(), facts })).toBe('4 fail');
});
