// The words of `why`: what will be done next, and why nothing can be said where there is no Job.
import { isLiveJob } from '../lib/domain/terrakube-job.ts';
import type { Action } from '../lib/domain/verdict-types.ts';
import type { Seen } from './why-look.ts';

type ActionOf<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

/** What a verdict does, in words. */
export function nextAction(action: Action): string {
  switch (action.kind) {
    case 'leave':
      return `nothing: ${action.why}${logLine(action)}`;
    case 'retry':
      return 'look again: nothing is decided while Terrakube cannot be read';
    case 'stop':
      return stopWords(action);
    case 'fail':
      return `fail the step and its job in Terrakube: ${action.reason.title}`;
    case 'tell':
      return `finish telling Terrakube (${TELLS[action.scope]})${because(action)}`;
    case 'patchJob':
      return `set the job to ${action.status} in Terrakube${because(action)}`;
    case 'patchStep':
      return `set the step to ${action.status} in Terrakube${because(action)}`;
    case 'annotate':
      return `put the cause into the step's name: ${action.title}`;
    case 'explain':
      return `say in the run's log what it waits for (${action.text})${action.keepAlive ? ', and keep the job alive' : ''}`;
    case 'keepAlive':
      return `keep the job alive in Terrakube: ${action.text}`;
    case 'restart':
      return action.phase === 'record'
        ? `record that the step is to be started again: ${action.reason.title}`
        : `ask Terrakube for a fresh payload, and start the step again: ${action.reason.title}`;
    case 'delete':
      return `delete the Job: ${action.why}`;
  }
}

const TELLS: Readonly<Record<ActionOf<'tell'>['scope'], string>> = {
  step: 'the step is missing',
  job: 'the job is missing',
  both: 'step and job are missing',
};

/** What follows once a stopped Job has ended. */
const AFTERWARDS: Readonly<Record<string, string>> = {
  fail: 'then fail its step',
  restart: 'then start its step again',
  cancel: 'its Terrakube job is cancelled',
  quiet: 'nobody needs it any more',
};

function stopWords({ verdict, deletePod, ...line }: ActionOf<'stop'>): string {
  const after = AFTERWARDS[verdict.action];
  const pod = deletePod ? ' and delete its pod at once' : '';
  return `stop the Job${pod}${after === undefined ? '' : ` (${after})`}: ${verdict.title}${logLine(line)}`;
}

const because = ({ reason }: Pick<ActionOf<'tell'>, 'reason'>): string =>
  reason === undefined ? '' : `: ${reason.title}`;

const logLine = (action: { readonly logLine?: string }): string =>
  action.logLine === undefined ? '' : ` (and say so in the run's log: ${action.logLine})`;

/** Why nothing can be said about a Terrakube job that the cluster has no Job of. */
export function noJobExplanation({ terrakube }: Seen): string {
  switch (terrakube) {
    case 'notAsked':
      return `${NO_JOB} Terrakube cannot be asked without the organization of the job: add --organization with its id (the UUID in the URL of the run).`;
    case 'unreachable':
      return `${NO_JOB} Nothing can be said without Terrakube, either.`;
    case 'notFound':
      return `Neither the cluster nor this organization of Terrakube has the job: check its number, --organization and TerrakubeApiUrl.`;
  }
  if (terrakube.steps.length === 0)
    return `${NO_JOB} Terrakube has not made its steps yet: it has not been dispatched.`;
  if (!isLiveJob(terrakube)) {
    return `${NO_JOB} The Terrakube job has ended or waits for people, and Jobs are deleted some time after their end (ExecutorEphemeralTtlSecondsAfterFinished): what the cluster showed is gone, and Terrakube's side is all that is left.`;
  }
  return `${NO_JOB} Its dispatch may still be on the way or wait in the job queue (the run's log then says for what), it may go to another executor, or its Jobs have been deleted.`;
}

const NO_JOB = 'The cluster has no Kubernetes Job of it in this namespace and installation.';
