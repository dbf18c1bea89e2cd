// A small model of both worlds around one Job: it carries out actions and lets time pass, as Kubernetes and Terrakube were
// seen to. It keeps the law: what must never be written throws.
import { failureTexts, type Reason } from '../../lib/domain/failure-text.ts';
import { recordText } from '../../lib/domain/job-comments.ts';
import type { JobOutcome } from '../../lib/domain/job-outcome.ts';
import type { RecordedVerdict } from '../../lib/domain/recorded-verdict.ts';
import { findStep, isLiveJob, isOpenStep, type TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { durationMs, epochMs, isoTime } from '../../lib/domain/time.ts';
import { type Action, type Verdict, type VerdictInput, verdict } from '../../lib/domain/verdict.ts';
import { lasting } from './verdict-builders.ts';

/** Both worlds, as the next look will see them. */
export interface World {
  readonly input: VerdictInput;
  /** The workspace is locked: pending steps do not follow their job. */
  readonly isLocked?: boolean;
  /** Pods do not end: their node is gone. */
  readonly isStuck?: boolean;
  /** How often the name of a step that had ended was written. */
  readonly annotations?: number;
}

/** What a door did of an action before it was killed. */
export type Extent = 'whole' | 'firstWrite';

type Change = { readonly status?: string; readonly name?: string; readonly output?: string };

const jobOf = ({ input: { terrakube } }: World): TerrakubeJob => {
  if (typeof terrakube !== 'object') throw new Error('a job is written that is not there');
  return terrakube;
};

const stepOf = (world: World) => {
  const step = findStep(jobOf(world), world.input.ids.stepId);
  if (!step) throw new Error('a step is written that is not there');
  return step;
};

const withInput = (world: World, input: Partial<VerdictInput>): World => ({
  ...world,
  input: { ...world.input, ...input },
});

/** What has changed has not been seen for long. */
const withJob = (world: World, changes: Partial<TerrakubeJob>): World => {
  const job = jobOf(world);
  if (job.status === 'rejected') throw new Error('a rejected job is written');
  const { facts } = world.input;
  return withInput(world, {
    terrakube: { ...job, ...changes },
    facts: { ...facts, unchangedFor: durationMs(0) },
  });
};

function withStep(world: World, change: Change): World {
  const step = stepOf(world);
  const isAnnotation = !isOpenStep(step);
  if (isAnnotation && (change.status !== undefined || change.output !== undefined)) {
    throw new Error('status or output of a step that has ended is written');
  }
  const steps = jobOf(world).steps.map((other) => (other === step ? { ...step, ...change } : other));
  const annotations = (world.annotations ?? 0) + (isAnnotation ? 1 : 0);
  if (annotations > 1) throw new Error('the name of a step that has ended is written twice');
  return { ...withJob(world, { steps }), annotations };
}

/** Pending steps follow a job that has ended. */
function withJobStatus(world: World, status: string): World {
  const job = jobOf(world);
  if (!isLiveJob(job)) throw new Error('the status of a job that has ended is written');
  const after = status === 'cancelled' ? 'cancelled' : 'failed';
  const steps = job.steps.map((step) =>
    step.status === 'pending' && !world.isLocked ? { ...step, status: after } : step,
  );
  return withJob(world, { status, steps });
}

function tell(world: World, reason: Reason | undefined, extent: Extent): World {
  const [job, step] = [jobOf(world), stepOf(world)];
  const writes: ((before: World) => World)[] = [];
  if (isOpenStep(step)) {
    if (!reason) throw new Error('a step is failed without a reason');
    const { stepName: name, stepOutput: output } = failureTexts(reason, step);
    writes.push((before) =>
      isOpenStep(stepOf(before)) ? withStep(before, { status: 'failed', name, output }) : before,
    );
  }
  if (isLiveJob(job)) {
    const failJob = (before: World): World => withJobStatus(before, 'failed');
    if (job.status === 'pending' || job.status === 'approved') writes.unshift(failJob);
    else writes.push(failJob);
  }
  if (writes.length === 0) throw new Error('there is nothing to tell');
  return writes.slice(0, extent === 'whole' ? undefined : 1).reduce((before, write) => write(before), world);
}

function checkRestart({ input: { outcome, facts, ids, terrakube } }: World): void {
  const step = typeof terrakube === 'object' ? findStep(terrakube, ids.stepId) : undefined;
  const [everStarted, intent] = outcome.kind === 'missing' ? [] : [outcome.everStarted, outcome.intent];
  // The proof was taken when the verdict was recorded; its pod is gone by now.
  const wasProved = everStarted === 'unknown' && typeof intent === 'object';
  if (everStarted !== 'no' && !wasProved) throw new Error(`a restart although it has started: ${everStarted}`);
  if (step?.status !== 'pending') throw new Error('a restart of a step that is not pending');
  if (facts.startsLeft <= 0) throw new Error('a restart without a start left');
  if (ids.type === 'approval') throw new Error('a restart of an approval');
}

/** A Job with a verdict ends, in time: as Failed when its pod is gone. */
function stopped(world: World, verdictOf: Omit<RecordedVerdict, 'at'>): JobOutcome {
  const { outcome, now } = world.input;
  const intent = { ...verdictOf, at: isoTime(now) };
  if (outcome.kind !== 'suspended' && outcome.kind !== 'waiting' && outcome.kind !== 'running') {
    throw new Error(`a Job is stopped that is ${outcome.kind}`);
  }
  if (outcome.kind !== 'suspended' && outcome.intent !== undefined) throw new Error('a second verdict is recorded');
  if (world.isStuck && outcome.kind !== 'suspended') {
    return { ...always(outcome, intent), kind: 'stopping', since: now, graceMs: lasting(60) };
  }
  return ended(outcome, intent, world);
}

const always = ({ start, type, everStarted }: Exclude<JobOutcome, { kind: 'missing' }>, intent: RecordedVerdict) => ({
  start,
  type,
  intent,
  everStarted: everStarted ?? 'unknown',
});

const ended = (
  outcome: Exclude<JobOutcome, { kind: 'missing' }>,
  intent: RecordedVerdict,
  { input: { now } }: World,
): JobOutcome => ({
  ...always(outcome, intent),
  kind: 'failed',
  cause: 'deadline',
  title: intent.title,
  evidence: intent.evidence,
  restartable: false,
  endedAt: now,
  isSuspended: outcome.kind === 'suspended',
});

function restart(world: World, { phase, reason, cause }: Extract<Action, { kind: 'restart' }>, extent: Extent): World {
  checkRestart(world);
  const { outcome, facts, ids, now } = world.input;
  if (outcome.kind !== 'failed') throw new Error(`a Job is started again that is ${outcome.kind}`);
  if (phase === 'record') {
    const intent = { ...reason, cause, action: 'restart', at: isoTime(now) };
    return withInput(world, { outcome: { ...outcome, intent } });
  }
  if (jobOf(world).status !== 'queue') throw new Error('a restart of a job that is not in the queue');
  const record = { stepId: ids.stepId, start: 2, maxStarts: 3, since: now, askedAt: now };
  const asked = withJob(world, { status: 'pending', comments: recordText(record) });
  if (extent === 'firstWrite') return asked;
  return withInput(withJob(asked, { status: 'queue' }), {
    facts: {
      ...facts,
      isNewest: false,
      isRestarted: true,
      hasOtherJobOfStep: true,
      hasOtherJobOfTerrakubeJob: true,
      hasUnfinishedJobOfTerrakubeJob: true,
      startsLeft: facts.startsLeft - 1,
    },
  });
}

/** Carries out an action. @throws Error when it breaks a law. */
export function carryOut(world: World, action: Action, extent: Extent = 'whole'): World {
  const { outcome, settings } = world.input;
  switch (action.kind) {
    case 'leave':
    case 'retry':
    case 'explain':
      return world;
    case 'keepAlive':
      if (!settings.keepAlive || jobOf(world).status !== 'queue')
        throw new Error('a job is kept alive that does not wait');
      return world;
    case 'stop':
      if (action.verdict.action === 'restart') checkRestart(world);
      return withInput(world, { outcome: stopped(world, action.verdict) });
    case 'fail':
      if (!isLiveJob(jobOf(world))) throw new Error('a job that has ended is failed');
      return tell(world, action.reason, extent);
    case 'tell':
      return tell(world, action.reason, extent);
    case 'patchJob':
      return withJobStatus(world, action.status);
    case 'patchStep':
      if (isLiveJob(jobOf(world))) throw new Error('a step is written without its job');
      return withStep(world, {
        status: action.status,
        output: action.reason ? failureTexts(action.reason, stepOf(world)).stepOutput : '',
      });
    case 'annotate':
      return withStep(world, {
        name: failureTexts({ title: action.title, evidence: '', advice: '' }, stepOf(world)).stepName,
      });
    case 'restart':
      return restart(world, action, extent);
    case 'delete':
      if (outcome.kind !== 'suspended' && !(outcome.kind === 'failed' && outcome.isSuspended)) {
        throw new Error('a Job is deleted that is not suspended');
      }
      return withInput(world, { outcome: { kind: 'missing', hasPods: false } });
  }
}

/** Time passes, and nobody does anything. A Job whose verdict set its clock to one second ends. */
export function later(world: World, seconds: number): World {
  const { outcome, facts, now } = world.input;
  const passed = lasting(seconds);
  const after = withInput(world, {
    now: epochMs(now + passed),
    facts: {
      ...facts,
      unchangedFor: durationMs(facts.unchangedFor + passed),
      payloadAge: facts.payloadAge === undefined ? undefined : durationMs(facts.payloadAge + passed),
    },
  });
  const ends =
    outcome.kind === 'waiting' || outcome.kind === 'running' || (outcome.kind === 'stopping' && !world.isStuck);
  if (!ends || typeof outcome.intent !== 'object') return after;
  return withInput(after, { outcome: ended(outcome, outcome.intent, after) });
}

/** One look: its verdict. */
export const look = (world: World): Verdict => verdict(world.input);

/** Actions after which there is nothing to do but wait. */
const RESTS: readonly Action['kind'][] = ['leave', 'retry', 'explain', 'keepAlive'];
export const isAtRest = ({ action }: Verdict): boolean => RESTS.includes(action.kind);

/** Longest way to rest: record, stop, tell, annotate, delete, and the two writes of a tell that was cut off. */
const MOST_LOOKS = 10;

/** A day: longer than any time that a rule waits for. */
export const A_DAY = 86_400;

/**
 * Looks and acts until nothing is left to do, today and a day later.
 *
 * @param first what is done of the first action.
 * @throws Error when a law is broken, or when there is no end to it.
 */
export function settle(world: World, first: Extent = 'whole'): World {
  let [now, extent] = [world, first];
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    const seen = look(now);
    if (!isAtRest(seen)) {
      now = carryOut(now, seen.action, extent);
      extent = 'whole';
      continue;
    }
    carryOut(now, seen.action);
    const tomorrow = later(now, A_DAY);
    const then = look(tomorrow);
    if (isAtRest(then) && tomorrow.input.outcome === now.input.outcome) return tomorrow;
    now = tomorrow;
  }
  throw new Error(`no rest: ${JSON.stringify(look(now))}`);
}
