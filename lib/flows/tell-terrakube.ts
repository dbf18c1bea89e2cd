// Tells the user, inside Terrakube, why a step cannot run. The order is made for the people who wait: the log lines are
// the only thing that a CLI shows, and they vanish when the job ends; the step's name and output are what stays.
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { annotatedName, failureTexts, jobOutputOf, type Reason, toldText } from '../domain/failure-text.ts';
import { nextObservedTell, nextTell } from '../domain/next-tell.ts';
import { findStep, isLiveJob, isOpenStep, type TerrakubeJob } from '../domain/terrakube-job.ts';
import { durationMs } from '../domain/time.ts';
import type { Clock, Terrakube } from '../ports.ts';

/**
 * What a tell came to: told now, nothing (left) to say, not yet because Terrakube has not written the job down, or not at
 * all because another delivery got through.
 */
export type TellResult = 'told' | 'done' | 'tooEarly' | 'overtaken';

/** What a tell needs. */
export interface TellDeps {
  readonly terrakube: Terrakube;
  readonly clock: Clock;
  /** Says whether another delivery has an executor by now. Asked right before each write. */
  readonly isOvertaken?: () => Promise<boolean>;
}

/** Time for a waiting CLI to show the log lines: it polls about once a second. */
const PAUSE_BEFORE_JOB = durationMs(2000);

/** Fails a step that dispatch gave up on, and its job, with the reason. Job and step are read before each write. */
export async function tellTerrakube(deps: TellDeps, ids: DispatchIds, reason: Reason): Promise<TellResult> {
  const { terrakube, clock } = deps;
  const first = await terrakube.getJob(ids);
  const verdict = nextTell(ids.stepId, first);
  if (verdict !== 'step') return verdict === 'job' ? finishTelling(deps, ids) : verdict;
  const step = stepOf(first, ids);
  if (!step) return 'done';
  await terrakube.appendLog(ids, failureTexts(reason, step).logLines);
  const second = await terrakube.getJob(ids);
  const again = nextTell(ids.stepId, second);
  const current = stepOf(second, ids);
  if (again !== 'step' || !current)
    return again === 'job' ? finishTelling(deps, ids) : again === 'tooEarly' ? again : 'done';
  const texts = failureTexts(reason, current);
  if (await deps.isOvertaken?.()) return 'overtaken';
  await terrakube.patchStep(ids, { status: 'failed', name: texts.stepName, output: texts.stepOutput });
  await clock.sleep(PAUSE_BEFORE_JOB);
  return finishTelling(deps, ids);
}

/** Fails the job of a step that we failed already; for a tell that was stopped between the two. */
export async function finishTelling({ terrakube, isOvertaken }: TellDeps, ids: DispatchIds): Promise<TellResult> {
  const job = await terrakube.getJob(ids);
  const verdict = nextTell(ids.stepId, job);
  if (verdict !== 'job') return verdict === 'tooEarly' ? verdict : 'done';
  const step = stepOf(job, ids);
  const text = step === undefined ? undefined : toldText(step);
  if (await isOvertaken?.()) return 'overtaken';
  await terrakube.patchJob(ids, { status: 'failed', ...(text === undefined ? {} : { output: jobOutputOf(text) }) });
  return 'told';
}

/**
 * Fails a step whose Job has ended, and its job. Whatever was written before is not written again, so a tell that was
 * interrupted is finished by the next one.
 *
 * @param reason why; undefined finishes what is half told, with the words that stand in the step.
 * @param underEnded whether an open step is failed also when its job has ended.
 */
export async function tellObserved(
  { terrakube, clock }: TellDeps,
  ids: DispatchIds,
  reason: Reason | undefined,
  underEnded = false,
): Promise<'told' | 'done'> {
  let hasLogged = false;
  let hasPaused = false;
  const written = new Set<string>();
  // Three writes and the reads before them; whoever changes the job meanwhile does not keep us here for ever.
  for (let look = 0; look < 5; look += 1) {
    const job = await terrakube.getJob(ids);
    const next = nextObservedTell(ids.stepId, job, underEnded || written.has('job'));
    const step = stepOf(job, ids);
    if (next === 'done' || job === 'notFound' || !step || written.has(next)) break;
    const texts = reason === undefined ? undefined : failureTexts(reason, step);
    if (isOpenStep(step) && !texts) break;
    // Somebody else has failed the step, perhaps just now: the lines that he wrote are to be seen, and he goes on himself.
    if (next === 'job' && !isOpenStep(step) && !hasPaused) {
      await clock.sleep(PAUSE_BEFORE_JOB);
      hasPaused = true;
      continue;
    }
    if (texts && !hasLogged && isLiveJob(job) && isOpenStep(step)) {
      await terrakube.appendLog(ids, texts.logLines);
      hasLogged = true;
      continue;
    }
    if (next === 'step' && texts) {
      await terrakube.patchStep(ids, { status: 'failed', name: texts.stepName, output: texts.stepOutput });
      if (isLiveJob(job)) await clock.sleep(PAUSE_BEFORE_JOB);
      hasPaused = true;
    } else {
      const told = toldText(step);
      const output = told === undefined ? texts?.jobOutput : jobOutputOf(told);
      await terrakube.patchJob(ids, { status: 'failed', ...(output === undefined ? {} : { output }) });
    }
    written.add(next);
  }
  return written.size > 0 ? 'told' : 'done';
}

/** Gives the name of a step that has failed without a cause of ours that cause. Its status and output stay as they are. */
export async function annotateStep({ terrakube }: TellDeps, ids: DispatchIds, title: string): Promise<'told' | 'done'> {
  const step = stepOf(await terrakube.getJob(ids), ids);
  if (!step || isOpenStep(step)) return 'done';
  const name = annotatedName(step, title);
  if (name === step.name) return 'done';
  await terrakube.patchStep(ids, { name });
  return 'told';
}

const stepOf = (job: TerrakubeJob | 'notFound', ids: DispatchIds) =>
  job === 'notFound' ? undefined : findStep(job, ids.stepId);
