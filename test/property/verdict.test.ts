import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CAUSES } from '../../lib/domain/causes.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import type { JobOutcome } from '../../lib/domain/job-outcome.ts';
import { findStep, isLiveJob, isOpenStep, type TerrakubeStep } from '../../lib/domain/terrakube-job.ts';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import { VERDICT_ROWS, type VerdictInput, verdict } from '../../lib/domain/verdict.ts';
import { anyTerrakubeJob, anyText } from '../support/arbitraries.ts';
import { ids, laterStep, reason, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import {
  blocker,
  failed,
  lasting,
  missing,
  noNode,
  running,
  secondsAgo,
  stopping,
  succeeded,
  suspended,
  verdictInput,
  waiting,
} from '../support/verdict-builders.ts';
import { carryOut, type Extent, isAtRest, look, settle, type World } from '../support/verdict-model.ts';

const STARTED = ['yes', 'no', 'unknown'] as const;
const INTENTS = [
  undefined,
  'unreadable' as const,
  ...['restart', 'cancel', 'fail', 'quiet', 'of a later version'].map((action) => recordedVerdict({ action })),
];
const cross = <A, B, C>(some: readonly A[], others: readonly B[], join: (one: A, other: B) => C): readonly C[] =>
  some.flatMap((one) => others.map((other) => join(one, other)));

const ended = cross(INTENTS, STARTED, (intent, everStarted) => ({ intent, everStarted }));
const OUTCOMES: readonly JobOutcome[] = [
  missing(),
  missing({ hasPods: true, last: failed() }),
  ...[failed(), failed({ isSuspended: true }), running(), suspended(), succeeded(), stopping()].map((last) =>
    missing({ last }),
  ),
  ...cross([undefined, 'unreadable' as const], STARTED, (intent, everStarted) => suspended({ intent, everStarted })),
  ...cross(ended, [10, 9999], (of, age) => waiting({ ...of, since: secondsAgo(age) })),
  ...cross(ended, [noNode, blocker({ grace: lasting(0) }), blocker({ restartable: true }), blocker()], (of, blocked) =>
    waiting({ ...of, blocker: blocked, since: secondsAgo(blocked.restartable ? 200 : 100) }),
  ),
  ...cross(INTENTS, [1, 60, 9999], (intent, age) => running({ intent, startedAt: secondsAgo(age) })),
  ...cross(ended, [10, 9999], (of, age) => stopping({ ...of, since: secondsAgo(age) })),
  ...cross(INTENTS, [2, 300], (intent, age) => succeeded({ intent, endedAt: secondsAgo(age) })),
  ...cross(ended, [2, 300], (of, age) => failed({ ...of, endedAt: secondsAgo(age) })),
  ...ended.map((of) => failed({ ...of, cause: 'exit', restartable: false })),
  ...ended.flatMap((of) => (typeof of.intent === 'object' ? failed({ ...of, isSuspended: true }) : [])),
];

const told = failureTexts(reason(), step()).stepOutput;
const OURS: readonly (TerrakubeStep | undefined)[] = [
  undefined,
  step(),
  step({ status: 'running', output: 'https://log' }),
  step({ status: 'completed', output: 'https://log' }),
  step({ status: 'cancelled' }),
  step({ status: 'failed' }),
  step({ status: 'failed', output: 'https://log' }),
  step({ status: 'failed', output: told }),
];
const OTHERS = [undefined, ...['pending', 'running', 'completed', 'cancelled'].map((status) => laterStep({ status }))];
const STATUSES = [
  'pending',
  'approved',
  'queue',
  'running',
  'completed',
  'failed',
  'cancelled',
  'rejected',
  'waitingApproval',
];
const TERRAKUBE: readonly VerdictInput['terrakube'][] = [
  'unreachable',
  'notFound',
  ...cross(
    STATUSES,
    cross(OURS, OTHERS, (ours, other) => [ours, other].filter((one) => one !== undefined)),
    (status, steps) => terrakubeJob({ status, steps }),
  ),
];

const booleans = [true, false];
const FACTS = cross(
  cross(booleans, booleans, (isNewest, isRestarted) => ({ isNewest, isRestarted })),
  cross(
    cross(booleans, booleans, (hasUnfinishedJobOfTerrakubeJob, hasOtherJobOfStep) => ({
      hasUnfinishedJobOfTerrakubeJob,
      hasOtherJobOfStep,
    })),
    cross([0, 2], [0, 60, 99_999], (startsLeft, unchanged) => ({ startsLeft, unchangedFor: lasting(unchanged) })),
    (some, more) => ({ ...some, ...more }),
  ),
  (some, more) => ({ ...some, ...more }),
);
const REQUESTS = cross(
  ['terraformPlan', 'terraformApply', 'approval'],
  cross([60, 1600], booleans, (age, flag) => ({ age, flag })),
  (type, more) => ({ type, ...more }),
);

/**
 * Every outcome with every state of Terrakube, each with a few of the facts: neighbours in the lists get other ones, so
 * that all of them meet.
 */
function* combinations(each: number): Generator<VerdictInput> {
  let turn = 0;
  for (const outcome of OUTCOMES) {
    for (const terrakube of TERRAKUBE) {
      for (let one = 0; one < each; one += 1) {
        turn += 1;
        const facts = FACTS[(turn * 31) % FACTS.length] ?? {};
        const { type = '', age = 0, flag = false } = REQUESTS[(turn * 7) % REQUESTS.length] ?? {};
        yield verdictInput({
          ids: ids({ type }),
          outcome,
          terrakube,
          facts: { ...facts, payloadAge: lasting(age), hasOtherJobOfTerrakubeJob: flag },
          settings: {
            ownsAllSteps: !flag && turn % 3 === 0,
            isDispatchPaused: turn % 5 === 0,
            cancelRunningApply: flag,
          },
        });
      }
    }
  }
}

const shown = (input: VerdictInput): string => JSON.stringify({ ...verdict(input), input });
/** The first few inputs for which something throws or is not so: one at a time would say too little, all too much. */
function breaches(
  inputs: Iterable<VerdictInput>,
  check: (input: VerdictInput) => string | undefined,
): readonly string[] {
  const found: string[] = [];
  for (const input of inputs) {
    let breach: string | undefined;
    try {
      breach = check(input);
    } catch (error) {
      breach = String(error);
    }
    if (breach !== undefined) found.push(`${breach}: ${shown(input)}`);
    if (found.length >= 3) break;
  }
  return found;
}

const WRITES = ['fail', 'tell', 'patchJob', 'patchStep', 'annotate', 'restart', 'keepAlive'];

describe('for every outcome with every state of Terrakube', () => {
  test('a verdict is given, always the same, whatever the order of the steps', () => {
    const found = breaches(combinations(3), (input) => {
      const { terrakube } = input;
      const turned = typeof terrakube === 'object' ? { ...terrakube, steps: terrakube.steps.toReversed() } : terrakube;
      const [first, again, other] = [verdict(input), verdict(input), verdict({ ...input, terrakube: turned })];
      if (JSON.stringify(first) !== JSON.stringify(again)) return 'another verdict the second time';
      return JSON.stringify(first) === JSON.stringify(other) ? undefined : 'another verdict for another order';
    });
    expect(found).toEqual([]);
  }, 60_000);

  test('every row is met', () => {
    const rows = new Set<number>();
    for (const input of combinations(3)) rows.add(verdict(input).row);
    expect([...rows].toSorted((one, other) => one - other)).toEqual(
      VERDICT_ROWS.map(({ row }) => row).toSorted((one, other) => one - other),
    );
  }, 60_000);

  test('nothing is written to a rejected job, nor to one that is gone or cannot be read', () => {
    const found = breaches(combinations(3), (input) => {
      const { terrakube } = input;
      const isWritable = typeof terrakube === 'object' && terrakube.status !== 'rejected';
      return isWritable || !WRITES.includes(verdict(input).action.kind) ? undefined : 'written';
    });
    expect(found).toEqual([]);
  }, 60_000);

  test('every stop records what it was for, in texts that can be shown', () => {
    const found = breaches(combinations(2), (input) => {
      const { action } = verdict(input);
      if (action.kind !== 'stop') return undefined;
      const { title, evidence, advice, cause } = action.verdict;
      const isShown = title !== '' && title.length <= 90 && evidence !== '' && cause !== '';
      const hasAdvice = advice !== '' || input.ids.type === 'approval';
      return isShown && hasAdvice ? undefined : 'says too little';
    });
    expect(found).toEqual([]);
  }, 60_000);

  test('what may have changed things is never called safe', () => {
    const found = breaches(combinations(3), (input) => {
      const { action } = verdict(input);
      const { outcome, ids: of, terrakube } = input;
      if (of.type !== 'terraformApply' || outcome.kind !== 'failed' || outcome.everStarted !== 'yes') return undefined;
      const ours = typeof terrakube === 'object' ? findStep(terrakube, of.stepId) : undefined;
      const told = action.kind === 'fail' || action.kind === 'patchStep' ? action.reason : undefined;
      if (!told || !ours) return undefined;
      return told.advice.includes('safe to run') || !told.advice.includes('may be locked') ? 'called safe' : undefined;
    });
    expect(found).toEqual([]);
  }, 60_000);
});

describe('when what was decided is done', () => {
  const worlds: readonly [string, Omit<World, 'input'>, Extent][] = [
    ['whole', {}, 'whole'],
    ['and a door is killed after its first write', {}, 'firstWrite'],
    ['in a locked workspace', { isLocked: true }, 'whole'],
    ['in a locked workspace, and a door is killed after its first write', { isLocked: true }, 'firstWrite'],
    ['and the node of the pod is gone', { isStuck: true }, 'whole'],
  ];
  test.each(worlds)(
    'no law is broken and nothing is left to do after a few looks: %s',
    (_, world, extent) => {
      const found = breaches(combinations(1), (input) => {
        const { input: end } = settle({ ...world, input }, extent);
        const { kind } = verdict(end).action;
        return kind === 'leave' || kind === 'retry' ? undefined : `ends with ${kind}`;
      });
      expect(found).toEqual([]);
    },
    120_000,
  );

  test.each(worlds)(
    'no step stays open that its Job can do nothing about: %s',
    (_, world, extent) => {
      const found = breaches(combinations(1), (input) => {
        const { outcome, terrakube, facts, ids: of } = settle({ ...world, input }, extent).input;
        const ours = typeof terrakube === 'object' ? findStep(terrakube, of.stepId) : undefined;
        if (typeof terrakube !== 'object' || !ours || !isOpenStep(ours)) return undefined;
        // Somebody else's word: a newer Job, a restart under way, Terrakube's own sending, a lost message.
        if (!facts.isNewest || facts.isRestarted || outcome.kind === 'missing') return undefined;
        if (!isLiveJob(terrakube) && !['failed', 'cancelled'].includes(terrakube.status)) return undefined;
        const isRestartAsked =
          'intent' in outcome && typeof outcome.intent === 'object' && outcome.intent.action === 'restart';
        if (isRestartAsked && (terrakube.status === 'pending' || terrakube.status === 'approved')) return undefined;
        if (outcome.kind === 'running')
          return ours.status === 'pending' && isLiveJob(terrakube) && !outcome.intent ? 'left open' : undefined;
        // A verdict that somebody else wrote is not written over.
        if (outcome.kind === 'waiting' && outcome.intent === 'unreadable') return undefined;
        return 'left open';
      });
      expect(found).toEqual([]);
    },
    120_000,
  );

  test.each(worlds)(
    'no job stays live that has no open step, once its Job has ended: %s',
    (_, world, extent) => {
      const found = breaches(combinations(1), (input) => {
        const { outcome, terrakube, facts } = settle({ ...world, input }, extent).input;
        if (outcome.kind !== 'failed' && outcome.kind !== 'succeeded') return undefined;
        if (typeof terrakube !== 'object' || !isLiveJob(terrakube) || terrakube.steps.length === 0) return undefined;
        if (terrakube.steps.some(isOpenStep) || facts.hasUnfinishedJobOfTerrakubeJob) return undefined;
        const isTerrakubes = ['pending', 'approved'].includes(terrakube.status);
        return isTerrakubes && terrakube.steps.every(({ status }) => status === 'completed') ? undefined : 'left live';
      });
      expect(found).toEqual([]);
    },
    120_000,
  );
});

describe('for anything that could be read', () => {
  const numbers = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 1e18));
  const times = numbers.map(epochMs);
  const durations = numbers.map(durationMs);
  const verdicts = fc.record({
    action: fc.oneof(fc.constantFrom('fail', 'restart', 'cancel', 'quiet'), anyText),
    cause: anyText,
    title: anyText,
    evidence: anyText,
    advice: anyText,
    at: anyText,
  });
  const found = fc.record({
    cause: fc.constantFrom(...CAUSES),
    title: anyText,
    evidence: anyText,
    restartable: fc.boolean(),
  });
  const always = fc.record({
    intent: fc.oneof(fc.constantFrom(undefined, 'unreadable' as const), verdicts),
    start: fc.integer(),
    type: anyText,
    everStarted: fc.constantFrom(...STARTED),
  });
  const having = <T extends object>(more: fc.Arbitrary<T>) =>
    fc.tuple(always, more).map(([one, other]) => ({ ...one, ...other }));
  const last: fc.Arbitrary<Exclude<JobOutcome, { kind: 'missing' }>> = fc.oneof(
    having(fc.record({ kind: fc.constant('suspended' as const), since: times })),
    having(
      fc.record({
        kind: fc.constant('waiting' as const),
        since: times,
        blocker: fc.oneof(
          fc.constant(undefined),
          fc
            .tuple(found, fc.oneof(durations, fc.constant('payloadAge' as const)))
            .map(([one, grace]) => ({ ...one, grace })),
        ),
      }),
    ),
    having(fc.record({ kind: fc.constant('running' as const), startedAt: times })),
    having(fc.record({ kind: fc.constant('stopping' as const), since: times, graceMs: durations })),
    having(fc.record({ kind: fc.constant('succeeded' as const), endedAt: times })),
    having(
      fc
        .tuple(found, fc.record({ kind: fc.constant('failed' as const), endedAt: times, isSuspended: fc.boolean() }))
        .map(([one, other]) => ({ ...one, ...other })),
    ),
  );
  const outcomes: fc.Arbitrary<JobOutcome> = fc.oneof(
    last,
    fc.boolean().map((hasPods) => missing({ hasPods })),
    fc.tuple(last, fc.boolean()).map(([one, hasPods]) => missing({ last: one, hasPods })),
  );
  const inputs: fc.Arbitrary<VerdictInput> = fc
    .record({
      ids: fc.constantFrom('terraformPlan', 'terraformApply', 'approval', '').map((type) => ids({ type })),
      outcome: outcomes,
      terrakube: fc.oneof(fc.constantFrom('unreachable' as const, 'notFound' as const), anyTerrakubeJob),
      now: times,
      facts: fc.record({
        isNewest: fc.boolean(),
        isRestarted: fc.boolean(),
        hasOtherJobOfStep: fc.boolean(),
        hasUnfinishedJobOfTerrakubeJob: fc.boolean(),
        hasOtherJobOfTerrakubeJob: fc.boolean(),
        startsLeft: numbers,
        payloadAge: fc.oneof(fc.constant(undefined), durations),
        unchangedFor: durations,
      }),
      settings: fc.record({
        ownsAllSteps: fc.boolean(),
        keepAlive: fc.boolean(),
        payloadMaxAge: durations,
        silentAfter: durations,
        deadline: durations,
      }),
    })
    .map((changes) => verdictInput(changes));

  test('a verdict is given, always the same, and carrying it out breaks no law', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const seen = verdict(input);
        expect(verdict(input)).toEqual(seen);
        expect(seen.row).toBeGreaterThanOrEqual(1);
        const world = carryOut(
          { input: { ...input, now: epochMs(Number.isFinite(input.now) ? Math.min(Math.abs(input.now), 1e15) : 0) } },
          seen.action,
        );
        if (!isAtRest(seen)) expect(look(world)).not.toEqual(seen);
      }),
      { numRuns: 3000 },
    );
  });
});
