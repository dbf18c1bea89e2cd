// The one action of a verdict. Each can be repeated, and each may be cut off between any two calls: whoever looks next
// finds what is left to do.
import { DispatcherError } from '../domain/errors.ts';
import { failureTexts, type Reason, speech } from '../domain/failure-text.ts';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import { findStep } from '../domain/terrakube-job.ts';
import { durationMs, elapsedMs, isoTime, parseIsoTime, seconds } from '../domain/time.ts';
import type { Action } from '../domain/verdict-types.ts';
import { blockedLine, isSaidBy, saidText, type Word } from '../domain/waiting.ts';
import type { PatchAnswer } from '../ports.ts';
import type { Deed } from './deed.ts';
import { keepAlive } from './keep-waiting.ts';
import type { Look, LookDeps } from './look-at-job.ts';
import { restartStep } from './restart-step.ts';
import { annotateStep, tellObserved } from './tell-terrakube.ts';

/** Carries out the action of a look. @throws DispatcherError when the cluster or Terrakube cannot be written. */
export async function carryOut(deps: LookDeps, look: Look): Promise<Deed> {
  const { action } = look.verdict;
  const { ids } = look;
  switch (action.kind) {
    case 'leave':
      return action.logLine === undefined ? 'none' : sayOnce(deps, look, { line: speech(action.logLine) });
    case 'retry':
      throw look.fault ?? new DispatcherError('terrakubeUnavailable', `Terrakube's job ${ids.jobId} cannot be read.`);
    case 'stop':
      return stop(deps, look, action);
    case 'fail':
      return tell(deps, look, action.reason);
    case 'tell':
      return tell(deps, look, action.reason, action.scope !== 'job');
    case 'patchJob':
    case 'patchStep':
      return patchTerrakube(deps, look, action);
    case 'annotate':
      return annotate(deps, look, action.title);
    case 'explain':
      return explain(deps, look, action);
    case 'keepAlive':
      return ping(deps, look, action.text);
    case 'restart':
      if (action.phase === 'record') return recordRestart(deps, look, action);
      return deps.startsAgain === true ? restartStep(deps, look) : 'none';
    case 'delete':
      return remove(deps, look);
  }
}

const written = (told: 'told' | 'done'): Deed => (told === 'told' ? 'done' : 'none');

const patched = (answer: PatchAnswer, name: string): Deed => {
  if (answer === 'forbidden') throw new DispatcherError('clusterRefused', `Job ${name} may not be patched.`);
  if (answer === 'conflict') return 'conflict';
  return answer === 'patched' ? 'done' : 'none';
};

type ActionOf<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

/** What was unavailable for a moment is there again; a JVM boots for longer. */
const INSIST_AFTER = durationMs(500);

/** A tell takes two seconds and a few calls. */
const TELL_TAKES = durationMs(4000);

/** One door tells, so that the run's log has each line once; another that comes at the same time finishes what is left. */
async function tell(deps: LookDeps, look: Look, reason: Reason | undefined, underEnded = false): Promise<Deed> {
  const word = reason && (await claimWord(deps, look, `told: ${reason.title}`));
  if (word === 'conflict') return word;
  if (word === 'theirs') await deps.clock.sleep(TELL_TAKES);
  return written(await tellObserved(deps, look.ids, reason, underEnded));
}

/** Writes on the Job what is about to be done, so that of several doors only one does it at once. */
async function claimWord({ cluster }: LookDeps, { job }: Look, said: string): Promise<'mine' | 'theirs' | 'conflict'> {
  if (!job) return 'mine';
  const { name = '', resourceVersion = '', annotations = {} } = job.metadata ?? {};
  if (annotations[ANNOTATION.said] === said) return 'theirs';
  const claim = await cluster.annotateJob(name, resourceVersion, { [ANNOTATION.said]: said });
  return claim === 'conflict' ? claim : 'mine';
}

/** Two looks around one write are seconds apart at most; who was stopped between claim and write is followed by this one. */
async function annotate(deps: LookDeps, look: Look, title: string): Promise<Deed> {
  const word = await claimWord(deps, look, `annotated: ${title}`);
  if (word === 'conflict') return word;
  if (word === 'theirs') await deps.clock.sleep(TELL_TAKES);
  return written(await annotateStep(deps, look.ids, title));
}

async function stop(deps: LookDeps, look: Look, action: ActionOf<'stop'>): Promise<Deed> {
  const { cluster, terrakube, mayStop } = deps;
  if (mayStop?.(look) === false) return 'none';
  const { name = '', uid, resourceVersion = '' } = look.job?.metadata ?? {};
  const verdict = { ...action.verdict, at: isoTime(look.now) };
  const deed = patched(await cluster.stopJob(name, resourceVersion, verdict), name);
  if (deed !== 'done') return deed;
  if (action.deletePod) {
    for (const { metadata } of look.pods) {
      // A label can be written by anybody.
      if (!metadata?.ownerReferences?.some((owner) => owner.uid === uid)) continue;
      await insist(deps, () => cluster.deletePod(metadata?.name ?? '', metadata?.uid ?? '', seconds(1)));
    }
  }
  const { logLine } = action;
  if (logLine !== undefined) await insist(deps, () => terrakube.appendLog(look.ids, [speech(logLine)]));
  return 'done';
}

/**
 * Tries it three times. Whoever looks next finds the verdict recorded, and leaves the Job alone: an executor that boots
 * would have its whole grace period to set a cancelled job running.
 */
async function insist({ clock }: LookDeps, act: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof DispatcherError) || tries === 3) throw error;
    }
    await clock.sleep(INSIST_AFTER);
  }
}

async function recordRestart(
  { cluster }: LookDeps,
  { job, now }: Look,
  { reason, cause }: ActionOf<'restart'>,
): Promise<Deed> {
  const { name = '', resourceVersion = '' } = job?.metadata ?? {};
  const text = verdictText({ action: 'restart', cause, ...reason, at: isoTime(now) });
  return patched(await cluster.annotateJob(name, resourceVersion, { [ANNOTATION.verdict]: text }), name);
}

async function patchTerrakube(
  deps: LookDeps,
  look: Look,
  { kind, status, reason }: ActionOf<'patchJob' | 'patchStep'>,
): Promise<Deed> {
  const { terrakube } = deps;
  const { ids, terrakube: job } = look;
  const word = await claimWord(deps, look, `${kind}: ${status}`);
  if (word === 'conflict') return word;
  if (word === 'theirs') {
    await deps.clock.sleep(TELL_TAKES);
    // The other one has done it, or somebody else has changed something.
    if (JSON.stringify(await terrakube.getJob(ids)) !== JSON.stringify(job)) return 'none';
  }
  const step = typeof job === 'object' ? (findStep(job, ids.stepId) ?? job.steps[0]) : undefined;
  // The job's text is the same whichever step it goes with; ours may have been replaced by another.
  const texts = reason && step ? failureTexts(reason, step) : undefined;
  if (kind === 'patchJob') {
    await terrakube.patchJob(ids, { status, ...(texts ? { output: texts.jobOutput } : {}) });
  } else {
    await terrakube.patchStep(ids, { status, ...(texts ? { name: texts.stepName, output: texts.stepOutput } : {}) });
  }
  return 'done';
}

async function explain(deps: LookDeps, look: Look, action: ActionOf<'explain'>): Promise<Deed> {
  const { outcome } = look;
  const cause = outcome.kind === 'waiting' ? outcome.blocker?.cause : undefined;
  const said = await sayOnce(deps, look, { line: blockedLine(action.text), cause });
  return said !== 'conflict' && action.keepAlive ? ping(deps, look, action.text) : said;
}

/** One line in the run's log. The Job remembers it, and that comes first: of two doors only one writes the line. */
async function sayOnce({ cluster, terrakube }: LookDeps, look: Look, word: Word): Promise<Deed> {
  const { name = '', resourceVersion = '', annotations = {} } = look.job?.metadata ?? {};
  if (isSaidBy(annotations[ANNOTATION.said] ?? '', word)) return 'none';
  const change = { [ANNOTATION.said]: saidText(word) };
  const deed = patched(await cluster.annotateJob(name, resourceVersion, change), name);
  if (deed === 'done') await terrakube.appendLog(look.ids, [word.line]);
  return deed;
}

async function ping({ terrakube }: LookDeps, { ids, job, now }: Look, text: string): Promise<Deed> {
  const acceptedAt = parseIsoTime(job?.metadata?.annotations?.[ANNOTATION.acceptedAt] ?? '') ?? now;
  await keepAlive(terrakube, { ids, text, line: undefined, age: elapsedMs(acceptedAt, now) });
  return 'done';
}

async function remove({ cluster }: LookDeps, { job }: Look): Promise<Deed> {
  const { name = '', uid = '' } = job?.metadata ?? {};
  await cluster.deleteJob(name, uid);
  return 'done';
}
