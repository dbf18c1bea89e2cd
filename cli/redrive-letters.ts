// Goes through the dead letters, and puts those back on the job queue whose step still waits. A letter is sent before it is
// removed: whatever happens between the two only repeats a delivery, and dispatch expects that.
import type { DeadLetterDecision, DeadRequest } from '../lib/domain/dead-letter.ts';
import type { DispatchIds } from '../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { ATTRIBUTE } from '../lib/domain/queue-message.ts';
import { isoTime } from '../lib/domain/time.ts';
import { type JudgeDeps, judgeDeadLetter, type ReadLetter, readDeadLetter } from '../lib/flows/judge-dead-letter.ts';
import type { DeadLetter, DeadLetters, JobQueue } from '../lib/ports.ts';
import { reasonWords } from './redrive-words.ts';

/** What redriving needs. */
export interface RedriveDeps extends JudgeDeps {
  readonly deadLetters: DeadLetters;
  readonly queue: JobQueue;
  readonly read: ReadLetter;
  /** Lets others see a letter again. */
  readonly release: (receiptHandle: string) => Promise<void>;
}

/** What may be done. */
export interface RedriveOptions {
  /** True: letters are looked at, and stay. */
  readonly isDryRun: boolean;
  /** Whether letters that nobody needs are removed. */
  readonly removeDone: boolean;
}

/** One letter: whose it is, and what became of it. Nothing of its content is in it. */
export interface LetterReport {
  readonly messageId: string;
  /** Absent for a letter that nobody can read. */
  readonly request?: DispatchIds & { readonly acceptedAt: string };
  /** `unknown`: it could not be judged, or the queue did not do it. */
  readonly state: DeadLetterDecision['kind'] | 'unreadable' | 'unknown';
  /** In a dry run, what would be done. */
  readonly action: 'putBack' | 'removed' | 'stays';
  readonly reason: string;
}

/** What became of all of them. */
export interface RedriveReport {
  readonly dryRun: boolean;
  readonly letters: readonly LetterReport[];
  /** Letters that stay and could not be made visible again: they are within two minutes. */
  readonly hidden: number;
  /** Why there may be more letters than these. */
  readonly problem?: string;
}

/** Redrives until no letter is new. @throws DispatcherError `queueUnavailable` when no letter could be had at all. */
export async function redriveLetters(deps: RedriveDeps, options: RedriveOptions): Promise<RedriveReport> {
  const letters: LetterReport[] = [];
  // SQS may deliver a letter twice, and does when this takes longer than it stays hidden.
  const seen = new Set<string>();
  const held = new Map<string, string>();
  let problem: string | undefined;
  let hidden = 0;
  try {
    for (;;) {
      const received = await deps.deadLetters.receive();
      const fresh = received.filter(({ messageId }) => !seen.has(messageId) && seen.add(messageId));
      for (const { messageId, receiptHandle } of received) held.set(messageId, receiptHandle);
      if (fresh.length === 0) break;
      letters.push(...(await Promise.all(fresh.map((letter) => redriveOne(deps, options, { letter, held })))));
    }
  } catch (error) {
    if (!(error instanceof DispatcherError) || seen.size === 0) throw error;
    problem = error.message;
  } finally {
    const released = await Promise.allSettled([...held.values()].map(deps.release));
    hidden = released.filter(({ status }) => status === 'rejected').length;
  }
  return { dryRun: options.isDryRun, letters, hidden, ...(problem === undefined ? {} : { problem }) };
}

/** A letter that was received, among those that are not visible to others. */
interface Held {
  readonly letter: DeadLetter;
  readonly held: Map<string, string>;
}

async function redriveOne(deps: RedriveDeps, options: RedriveOptions, of: Held): Promise<LetterReport> {
  const { letter } = of;
  const { messageId } = letter;
  const request = readDeadLetter(deps.read, letter);
  if ('problem' in request) return { messageId, state: 'unreadable', action: 'stays', reason: request.problem };
  const about = { messageId, request: { ...request.ids, acceptedAt: isoTime(request.acceptedAt) } };
  try {
    const decision = await judgeDeadLetter(deps, request);
    const report = { ...about, state: decision.kind, reason: reasonWords(decision) };
    const action = actionFor(decision, options);
    if (options.isDryRun) return { ...report, action };
    if (action === 'putBack') await putBack(deps, letter, request);
    if (action !== 'stays') await remove(deps, of, action);
    return { ...report, action };
  } catch (error) {
    if (error instanceof NotRemoved) return { ...about, state: 'unknown', action: error.done, reason: error.message };
    if (!(error instanceof DispatcherError)) throw error;
    return { ...about, state: 'unknown', action: 'stays', reason: error.message };
  }
}

function actionFor(decision: DeadLetterDecision, { removeDone }: RedriveOptions): LetterReport['action'] {
  switch (decision.kind) {
    case 'stillWaits':
    case 'halfTold':
      return 'putBack';
    case 'done':
      return removeDone ? 'removed' : 'stays';
    case 'tooEarly':
      return 'stays';
  }
}

async function putBack({ queue }: RedriveDeps, { body, attributes }: DeadLetter, request: DeadRequest): Promise<void> {
  const { ids, acceptedAt } = request;
  const sent = await queue.send({
    body,
    // The age of the payload goes on counting.
    attributes: { [ATTRIBUTE.acceptedAt]: isoTime(acceptedAt), ...attributes },
    groupId: ids.organizationId,
  });
  if (sent !== 'sent') throw new DispatcherError('queueUnavailable', `The job queue refuses the message (${sent}).`);
}

/** The letter is on the job queue, and here. */
class NotRemoved extends Error {
  override readonly name = 'NotRemoved';
  readonly done: LetterReport['action'];

  constructor(done: LetterReport['action'], message: string) {
    super(message);
    this.done = done;
  }
}

async function remove({ deadLetters }: RedriveDeps, of: Held, action: 'putBack' | 'removed'): Promise<void> {
  const { letter, held } = of;
  try {
    // Of a letter that was delivered twice only the newest handle counts.
    await deadLetters.remove(held.get(letter.messageId) ?? letter.receiptHandle);
    held.delete(letter.messageId);
  } catch (error) {
    if (action === 'removed' || !(error instanceof DispatcherError)) throw error;
    throw new NotRemoved(action, `It was put back, but is still here: ${error.message} Doing it again does no harm.`);
  }
}
