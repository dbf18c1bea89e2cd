// Dead letters between a Terrakube and a cluster in memory. Terrakube has job 17, whose step waits; eight hours have passed
// since the payloads of the letters were accepted.
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { isoTime } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { type AnswerDeps, type AnsweredLetters, answerDeadLetters } from '../../lib/flows/answer-dead-letters.ts';
import type { DeadLetter } from '../../lib/ports.ts';
import { readQueueBody } from '../../lib/schemas/queue-body.ts';
import { INSTALLATION, ids, NOON, payload, terrakubeJob } from './builders.ts';
import { createInMemoryClock, type InMemoryClock } from './in-memory-clock.ts';
import { createInMemoryDeadLetters, deadLetter, type InMemoryDeadLetters } from './in-memory-dead-letters.ts';
import { createInMemoryJobStore, type InMemoryJobStore } from './in-memory-job-store.ts';
import { createInMemoryLog, type InMemoryLog } from './in-memory-log.ts';
import { createInMemoryTerrakube, type InMemoryTerrakube } from './in-memory-terrakube.ts';

/** The ids of the same step under another job. */
export const ofJob = (jobId: string): DispatchIds => ids({ jobId });

/** What intake gives a message. */
export const attributes: Readonly<Record<string, string>> = { acceptedAt: isoTime(NOON) };

/** A payload of a job, as a letter. */
export const letterOf = (of: DispatchIds = ids(), changes: Partial<DeadLetter> = {}): DeadLetter =>
  deadLetter({ body: Buffer.from(payload(of)).toString('utf8'), attributes, ...changes });

/** The world of one test. */
export interface DeadLetterWorld {
  readonly deadLetters: InMemoryDeadLetters;
  readonly terrakube: InMemoryTerrakube;
  readonly store: InMemoryJobStore;
  readonly clock: InMemoryClock;
  readonly log: InMemoryLog;
  readonly deps: AnswerDeps;
  /** One run, with something else in the place of some parts. */
  run(changes?: Partial<AnswerDeps>): Promise<AnsweredLetters>;
}

/** Creates a world with these letters. */
export function world(letters: readonly DeadLetter[]): DeadLetterWorld {
  const deadLetters = createInMemoryDeadLetters(letters);
  const terrakube = createInMemoryTerrakube();
  const store = createInMemoryJobStore();
  const clock = createInMemoryClock();
  const log = createInMemoryLog();
  clock.advance(28_800_000);
  terrakube.put(ids(), terrakubeJob());
  const deps: AnswerDeps = {
    deadLetters,
    terrakube,
    cluster: store,
    clock,
    log,
    installation: INSTALLATION,
    read: readQueueBody,
    errorFields,
    isReportOnly: false,
  };
  const run = (changes: Partial<AnswerDeps> = {}) => answerDeadLetters({ ...deps, ...changes });
  return { deadLetters, terrakube, store, clock, log, deps, run };
}

/** What a run counts: nothing but this. */
export const counts = (changes: Partial<AnsweredLetters> = {}): AnsweredLetters => ({
  answered: 0,
  removed: 0,
  unreadable: 0,
  failed: 0,
  waiting: 0,
  ...changes,
});

/** The line about letter `m1` of job 17. */
export const line = (changes: object): object => ({
  level: 'info',
  message: 'dead letter looked at',
  messageId: 'm1',
  terrakubeJobId: '17',
  stepId: ids().stepId,
  ...changes,
});
