// The answer of `redrive` for people: two lines for each letter, then how many there are.
import type { LetterReport, RedriveReport } from './redrive-letters.ts';

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
