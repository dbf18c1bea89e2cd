// The words of `redrive` for what a letter still is.
import type { DeadLetterDecision } from '../lib/domain/dead-letter.ts';

/** Why a letter is put back, or not. */
export function reasonWords(decision: DeadLetterDecision): string {
  switch (decision.kind) {
    case 'stillWaits':
      return 'its step waits in Terrakube, and has no Kubernetes Job';
    case 'halfTold':
      return 'its step was failed by us and its job was not: dispatch finishes that';
    case 'tooEarly':
      return 'Terrakube may still be writing the job down: try again in two minutes';
    case 'done':
      return DONE[decision.reason];
  }
}

const DONE: Readonly<Record<Extract<DeadLetterDecision, { kind: 'done' }>['reason'], string>> = {
  jobGone: 'Terrakube does not have the job any more',
  jobEnded: 'the job has ended',
  stepStarted: 'the step has been started',
  stepEnded: 'the step has ended',
  superseded: "Terrakube has made the job's steps anew",
  neverCommitted: 'Terrakube never wrote the job down',
  renewed: 'Terrakube was asked for a fresh payload since',
  anotherDelivery: 'the step has its Kubernetes Job',
};
