// The words of `redrive`: what a letter still is, and the answer for people.
import type { DeadLetterDecision } from '../lib/domain/dead-letter.ts';
import type { LetterReport, RedriveReport } from './redrive-letters.ts';

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

/** Writes the answer as text, with a newline at its end. */
export function redriveText({ dryRun, letters, hidden, problem }: RedriveReport): string {
  const count = (action: LetterReport['action']) => letters.filter((letter) => letter.action === action).length;
  const staying = hidden > 0 ? ` Of those that are still here, ${hidden} can be seen again within two minutes.` : '';
  const summary =
    letters.length === 0
      ? 'There are no dead letters. One that somebody looked at less than two minutes ago is hidden.'
      : `Dead letters: ${count('putBack')} put back, ${count('removed')} removed, ${count('stays')} left.${staying}`;
  return [
    ...(dryRun ? ['Dry run: this would be done.\n'] : []),
    ...letters.map(letterText),
    summary,
    ...(problem === undefined ? [] : [`There may be more: ${problem}`]),
    '',
  ].join('\n');
}

const ACTIONS = { putBack: 'put back', removed: 'removed', stays: 'left' } as const;

function letterText({ messageId, request, action, reason }: LetterReport): string {
  const whose =
    request === undefined
      ? 'not readable'
      : `job ${request.jobId}, step ${request.stepId} (${request.type}), accepted ${request.acceptedAt}`;
  return `${messageId}  ${whose}\n  ${ACTIONS[action]}: ${reason}\n`;
}
