// Dead letters are answered in Terrakube: a step whose message the queue gave up fails with what failed last, instead of
// waiting for ever. What is not needed any more is removed, and what nobody can read stays for a person.
import type { DeadLetterDecision, DeadRequest } from '../domain/dead-letter.ts';
import { deadLetterReason } from '../domain/dispatch-reasons.ts';
import { stepSelector } from '../domain/job-name.ts';
import { anotherDeliveryGotThrough, nextStart } from '../domain/next-start.ts';
import { lastWait } from '../domain/waiting.ts';
import type { Clock, DeadLetter, DeadLetters, Log, LogFields, Terrakube } from '../ports.ts';
import { type JudgeDeps, judgeDeadLetter, type ReadLetter, readDeadLetter } from './judge-dead-letter.ts';
import { finishTelling, type TellResult, tellTerrakube } from './tell-terrakube.ts';

/** What answering needs. */
export interface AnswerDeps extends JudgeDeps {
  readonly deadLetters: DeadLetters;
  readonly terrakube: Terrakube;
  readonly clock: Clock;
  readonly log: Log;
  readonly read: ReadLetter;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
  /** True: letters are judged and logged, and nothing is done. */
  readonly isReportOnly: boolean;
}

/** What became of the letters of one run. One of which it is too early to say anything is not counted. */
export interface AnsweredLetters {
  /** Told in Terrakube, then removed. */
  readonly answered: number;
  /** Removed without a word: nobody needs them. */
  readonly removed: number;
  readonly unreadable: number;
  /** Those that could not be judged, told or removed; they come again. */
  readonly failed: number;
  /** Their steps wait, and were not told: the run only reports, or the Terrakube job is not in its queue. */
  readonly waiting: number;
}

type Fate = keyof AnsweredLetters | 'left';

/** With ten letters each: what one run has time for, and less than the two minutes for which letters are hidden. */
const RECEIVES = 5;

/** Answers up to 50 letters. A fault with one does not keep the others. @throws `queueUnavailable` when there is no queue. */
export async function answerDeadLetters(deps: AnswerDeps): Promise<AnsweredLetters> {
  const seen = new Set<string>();
  const counts: Record<Fate, number> = { answered: 0, removed: 0, unreadable: 0, failed: 0, waiting: 0, left: 0 };
  for (let look = 0; look < RECEIVES; look += 1) {
    const letters = await deps.deadLetters.receive();
    // SQS may deliver a message twice.
    const fresh = letters.filter(({ messageId }) => !seen.has(messageId) && seen.add(messageId));
    if (fresh.length === 0) break;
    for (const fate of await settleAll(deps, fresh)) counts[fate] += 1;
  }
  const { left: _, ...answered } = counts;
  return answered;
}

/** Letters of one step go one after the other, so that its user is told once. */
async function settleAll(deps: AnswerDeps, letters: readonly DeadLetter[]): Promise<readonly Fate[]> {
  const all = letters.map((letter) => ({ letter, request: readDeadLetter(deps.read, letter) }));
  const byStep = Map.groupBy(all, ({ letter, request }) =>
    'problem' in request ? letter.messageId : `${request.ids.jobId}/${request.ids.stepId}`,
  );
  const settled = [...byStep.values()].map(async (ofOneStep) => {
    const fates: Fate[] = [];
    for (const { letter, request } of ofOneStep) fates.push(await settle(deps, letter, request));
    return fates;
  });
  return (await Promise.all(settled)).flat();
}

async function settle(deps: AnswerDeps, letter: DeadLetter, request: ReturnType<ReadLetter>): Promise<Fate> {
  const { log, isReportOnly } = deps;
  const { messageId } = letter;
  if ('problem' in request) {
    log.warn('dead letter looked at', { messageId, outcome: 'unreadable', reason: request.problem });
    return 'unreadable';
  }
  const fields: LogFields = { messageId, terrakubeJobId: request.ids.jobId, stepId: request.ids.stepId };
  try {
    const decision = await judgeDeadLetter(deps, request);
    const reason = decision.kind === 'done' ? decision.reason : decision.kind;
    if (isReportOnly) {
      log.info('dead letter looked at', { ...fields, outcome: 'reported', reason });
      return decision.kind === 'stillWaits' || decision.kind === 'halfTold' ? 'waiting' : 'left';
    }
    const fate = await act(deps, request, decision);
    const stays = fate === 'left' || fate === 'waiting';
    if (!stays) await deps.deadLetters.remove(letter.receiptHandle);
    log.info('dead letter looked at', { ...fields, outcome: stays ? 'left' : fate, reason });
    return fate;
  } catch (error) {
    log.error('dead letter looked at', { ...fields, outcome: 'failed', ...deps.errorFields(error) });
    return 'failed';
  }
}

async function act(deps: AnswerDeps, { ids }: DeadRequest, decision: DeadLetterDecision): Promise<Fate> {
  const { terrakube, cluster, installation } = deps;
  const list = () => cluster.listJobs(stepSelector(ids, installation));
  switch (decision.kind) {
    case 'done':
      return 'removed';
    case 'tooEarly':
      return 'left';
    case 'halfTold': {
      // A Job that has ended may be the one that we stopped.
      const isOvertaken = async () => nextStart(ids, installation, await list()).kind === 'ensureSecret';
      return FATES[await finishTelling({ ...deps, isOvertaken }, ids)];
    }
    case 'stillWaits': {
      const reason = deadLetterReason(lastWait(await terrakube.readLog(ids)));
      const isOvertaken = async () => anotherDeliveryGotThrough(ids, installation, await list());
      return FATES[await tellTerrakube({ ...deps, isOvertaken }, ids, reason)];
    }
  }
}

/** What a letter comes to by what its tell came to. */
const FATES: Readonly<Record<TellResult, Fate>> = {
  told: 'answered',
  done: 'removed',
  overtaken: 'removed',
  tooEarly: 'waiting',
};
