// Writes into the run's log what a step waits for, when the log does not say it yet. The log itself is the memory: the
// messages of a queue have none, and two sandboxes may hold the same one.
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { isAlreadySaid } from '../domain/waiting.ts';
import type { Terrakube } from '../ports.ts';

/** Writes the line once. @throws DispatcherError when Terrakube cannot be read or written. */
export async function explainWait(terrakube: Terrakube, ids: DispatchIds, line: string): Promise<void> {
  if (isAlreadySaid(await terrakube.readLog(ids), line)) return;
  await terrakube.appendLog(ids, [line]);
}
