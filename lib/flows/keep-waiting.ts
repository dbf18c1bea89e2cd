// What a step that waits in the queue needs: its user knows what it waits for, and Terrakube does not give it up. Both are
// remembered where they are written, in the run's log and in the job's comments: messages of a queue have no memory.
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { isPingDue, startRecord, waitingComments } from '../domain/job-comments.ts';
import { nextTell } from '../domain/next-tell.ts';
import type { DurationMs } from '../domain/time.ts';
import { isAlreadySaid } from '../domain/waiting.ts';
import type { Terrakube } from '../ports.ts';

/** What is waited for, since when. */
export interface Waiting {
  readonly ids: DispatchIds;
  /** What is waited for, for the job's comments. */
  readonly text: string;
  /** The line for the run's log; undefined while it is too early for one. */
  readonly line: string | undefined;
  /** Age of the payload. */
  readonly age: DurationMs;
}

/** Writes the line when the run's log does not say it yet. @throws DispatcherError when Terrakube cannot be read or written. */
export async function explainWait(terrakube: Terrakube, { ids, line }: Waiting): Promise<void> {
  if (line === undefined || isAlreadySaid(await terrakube.readLog(ids), line)) return;
  await terrakube.appendLog(ids, [line]);
}

/**
 * Changes the comments of a job that waits in Terrakube's queue, when that is due. Only while no executor can be running:
 * Terrakube writes back whole rows and loses one of two concurrent changes.
 *
 * @param isQuiet asked right before the write, when the caller does not know that no executor can be running.
 * @throws DispatcherError when Terrakube cannot be read or written.
 */
export async function keepAlive(
  terrakube: Terrakube,
  { ids, text, age }: Waiting,
  isQuiet: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  const job = await terrakube.getJob(ids);
  if (job === 'notFound' || nextTell(ids.stepId, job) !== 'step' || !isPingDue(job.comments, age)) return;
  if (!(await isQuiet())) return;
  const comments = waitingComments(startRecord(job.comments, ids.stepId), text, age);
  await terrakube.patchJob(ids, { comments });
}
