// What a dead letter still is, read from both worlds. Nothing is written.
import {
  type DeadLetterDecision,
  type DeadRequest,
  deadLetterDecision,
  waitingDecision,
} from '../domain/dead-letter.ts';
import { type Installation, stepSelector } from '../domain/job-name.ts';
import type { Clock, DeadLetter, ObservedCluster, Terrakube } from '../ports.ts';

/** Reads whose message a letter is, or why nobody can read it. */
export type ReadLetter = (letter: DeadLetter) => DeadRequest | { readonly problem: string };

/** What judging needs. */
export interface JudgeDeps {
  readonly terrakube: Pick<Terrakube, 'getJob'>;
  readonly cluster: Pick<ObservedCluster, 'listJobs'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly installation: Installation;
}

/** Judges one letter. The cluster is asked only for a step that waits in Terrakube. @throws DispatcherError (retryable) */
export async function judgeDeadLetter(deps: JudgeDeps, request: DeadRequest): Promise<DeadLetterDecision> {
  const { terrakube, cluster, clock, installation } = deps;
  const decision = deadLetterDecision(request, await terrakube.getJob(request.ids), clock.now());
  if (decision.kind !== 'stillWaits') return decision;
  return waitingDecision(request, installation, await cluster.listJobs(stepSelector(request.ids, installation)));
}

/** Reads one letter. One that cannot even be looked at would otherwise keep the others. */
export function readDeadLetter(read: ReadLetter, letter: DeadLetter): ReturnType<ReadLetter> {
  try {
    return read(letter);
  } catch (error) {
    return { problem: `reading it fails (${error instanceof Error ? error.name : 'unexpected'})` };
  }
}
