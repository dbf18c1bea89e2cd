// One run of the reconciler: both worlds are read, planned for, and mended; then it watches until the next run has begun.
// Everything that it does is a look of its own, taken anew, so runs may overlap with each other and with every other door.
import { DispatcherError } from '../domain/errors.ts';
import type { PlannedAction, PlanSettings } from '../domain/plan-types.ts';
import { brake } from '../domain/reconcile-brake.ts';
import { isDeed } from '../domain/reconcile-due.ts';
import { countInvariants } from '../domain/reconcile-invariants.ts';
import { planReconcile } from '../domain/reconcile-plan.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, epochMs } from '../domain/time.ts';
import type { LogFields } from '../ports.ts';
import type { AnsweredLetters } from './answer-dead-letters.ts';
import { writingUntil } from './in-time.ts';
import { UNREAD } from './look-at-job.ts';
import { type MendDeps, mendUntil } from './mend-worlds.ts';
import { type ReadWorlds, readEndedPods, readWorlds, unfinishedJobs } from './read-worlds.ts';

/** What the reconciler needs. */
export interface ReconcileDeps extends MendDeps {
  /** True: what would be done is logged, and nothing is. */
  readonly isReportOnly: boolean;
  /** Answers the dead letters. @param ports write nothing any more once the run is over. */
  answerLetters(ports: ReturnType<typeof writingUntil>): Promise<AnsweredLetters>;
}

/** What came of a run. */
export interface Reconciled {
  /** What could not be done, or read, until the end of the run. */
  readonly failed: number;
}

/** A run begins every minute; the scheduler is precise to one. */
const RUN_LASTS: DurationMs = durationMs(90_000);
/** What did not answer is asked again so soon, and for so long: then a run fails, and an alarm sees it. */
const READ_AGAIN_AFTER: DurationMs = durationMs(5000);
const READS_BEGIN_WITHIN: DurationMs = durationMs(25_000);
/** What is under way then is not waited for after this; the function's own limit is 120 s. */
const RUN_LASTS_AT_MOST: DurationMs = durationMs(110_000);

/**
 * Runs once.
 *
 * @param startedAt when the run began.
 * @throws DispatcherError when one of the worlds cannot be read at all.
 */
export async function reconcile(deps: ReconcileDeps, startedAt: EpochMs): Promise<Reconciled> {
  const { clock } = deps;
  // Long lists and slow answers: better an error that says so than an end without a word.
  const late = clock.sleep(durationMs(RUN_LASTS_AT_MOST + 4000)).then(() => {
    throw new DispatcherError(
      'terrakubeUnavailable',
      'The run took too long: Terrakube, the cluster or SQS answers too slowly.',
    );
  });
  const atTheLatest = epochMs(startedAt + RUN_LASTS_AT_MOST);
  // Nothing of the letters keeps the rest from being done, and a run that fails does not leave them under way: they would
  // go on in the next one, with what they had read before.
  const letters = answerLetters(deps, atTheLatest);
  const all = run(deps, { startedAt, atTheLatest, letters }).finally(() => letters);
  return Promise.race([all, late]);
}

/** One answer that fails ends no run: the one before watches for half a minute more, and after that nobody would. */
async function readPatiently(deps: ReconcileDeps, until: EpochMs): Promise<ReadWorlds> {
  const { clock, log, errorFields } = deps;
  for (;;) {
    try {
      return await readWorlds(deps);
    } catch (error) {
      const mayPass = error instanceof DispatcherError && error.code.endsWith('Unavailable');
      if (!mayPass || clock.now() + READ_AGAIN_AFTER >= until) throw error;
      log.warn('worlds not read, trying again', errorFields(error));
      await clock.sleep(READ_AGAIN_AFTER);
    }
  }
}

/** A run that has begun. */
interface Run {
  readonly startedAt: EpochMs;
  readonly atTheLatest: EpochMs;
  readonly letters: ReturnType<typeof answerLetters>;
}

async function run(deps: ReconcileDeps, { startedAt, atTheLatest, letters }: Run): Promise<Reconciled> {
  const { log, metrics, clock, memory } = deps;
  const until = epochMs(startedAt + RUN_LASTS);
  const worlds = await readPatiently(deps, epochMs(startedAt + READS_BEGIN_WITHIN));
  for (const what of ['pods', 'events'] as const) {
    if (worlds[what] === 'forbidden' && memory.isNews(what)) log.warn(UNREAD, { reason: what });
  }
  const pass = planPass(deps, deps.isReportOnly ? await withEndedPods(deps, worlds) : worlds, isOfNote);
  for (const planned of pass.deeds) log.info('planned', planFields(planned));
  if (pass.heldBack > 0)
    log.error('stops held back: too many Terrakube jobs seem to be gone', { count: pass.heldBack });
  metrics.put({
    ...countInvariants(pass.plan),
    ActiveJobs: unfinishedJobs(worlds).length,
    StopsHeldBack: pass.heldBack,
    ReconcileMs: elapsedMs(startedAt, clock.now()),
  });
  if (deps.isReportOnly) return { failed: (await letters).failed };
  const failed = await mendUntil(deps, { worlds, deeds: pass.deeds, until, atTheLatest });
  return { failed: failed + (await letters).failed };
}

/** Counts what the queue of dead letters says; that it cannot be read is one failure. */
async function answerLetters(deps: ReconcileDeps, atTheLatest: EpochMs): Promise<Pick<AnsweredLetters, 'failed'>> {
  const { metrics, log, errorFields } = deps;
  try {
    const answered = await deps.answerLetters(writingUntil(deps, atTheLatest));
    const unanswered = answered.answered + answered.failed + answered.waiting;
    metrics.put({ InvariantDeadLetterNotAnswered: unanswered, DeadLettersUnreadable: answered.unreadable });
    return answered;
  } catch (error) {
    log.error('dead letters not read', errorFields(error));
    return { failed: 1 };
  }
}

/** The plan of a pass. */
export interface Pass {
  /** Everything that was wanted of the plan. */
  readonly plan: readonly PlannedAction[];
  /** What is to be done. */
  readonly deeds: readonly PlannedAction[];
  /** How many stops the brake has left out. */
  readonly heldBack: number;
}

/** Whether a run has a use for a line of its plan: what is left alone it only counts, where that must not be. */
export const isOfNote = ({ action, invariant }: PlannedAction): boolean => invariant !== undefined || isDeed(action);

/** Plans for what was read, with the brake on. @param isWanted see {@link planReconcile}; no deed may be left out. */
export function planPass(deps: PlanSettings, worlds: ReadWorlds, isWanted?: (planned: PlannedAction) => boolean): Pass {
  const { installation, settings, maxStarts } = deps;
  const planned = planReconcile(worlds, { installation, settings, maxStarts }, isWanted);
  const { plan, heldBack } = brake(planned, unfinishedJobs(worlds).length);
  return { plan: planned, deeds: plan.filter(({ action }) => isDeed(action)), heldBack };
}

const planFields = ({ target, row, action, why }: PlannedAction): LogFields => ({
  ...(target.kind === 'job' ? { jobName: target.name } : {}),
  terrakubeJobId: target.ids.jobId,
  stepId: target.ids.stepId,
  outcome: action.kind,
  reason: `row ${row}: ${why}`,
});

/** What is said of an ended Job depends on its pods: those of which a plan would say something are read, and added. */
export async function withEndedPods(
  deps: PlanSettings & Pick<MendDeps, 'cluster'>,
  worlds: ReadWorlds,
): Promise<ReadWorlds> {
  const { deeds } = planPass(deps, worlds, isOfNote);
  // A payload is deleted whatever became of its pod, and where nothing but that is planned there may be thousands of them.
  const names = deeds.flatMap(({ target, action, isOver }) =>
    target.kind === 'job' && isOver && action.kind !== 'deletePayload' ? [target.name] : [],
  );
  return readEndedPods(deps, worlds, [...new Set(names)]);
}
