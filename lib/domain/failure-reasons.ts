// The words that a user reads for each cause: what happened and what was seen come from the outcome, what to do about it
// stands here. Whether the step may be run again depends on what it may have changed.
import type { Cause } from './causes.ts';
import { cut, type Reason, TITLE_LIMIT } from './failure-text.ts';
import type { EverStarted, Finding } from './finding.ts';
import type { JobOutcome } from './job-outcome.ts';

/** Says in words what an outcome means. @param type the step's type, as Terrakube spells it. */
export function reasonOf(outcome: JobOutcome, type: string): Reason {
  switch (outcome.kind) {
    case 'missing':
      return outcome.last ? reasonOf(outcome.last, type) : goneReason(outcome.hasPods, type);
    case 'suspended':
      return plain('the Job is suspended', 'It has no pod as long as that is so.');
    case 'waiting':
      return outcome.blocker
        ? findingReason(outcome.blocker, outcome.everStarted, type)
        : plain('the executor is about to start', 'Nothing that would keep it from starting is to be seen.');
    case 'running':
      return plain('the executor runs', 'It reports to Terrakube by itself.');
    case 'stopping':
      return plain(
        'the Job is being stopped',
        `Its pod${outcome.node === undefined ? '' : ` on node ${outcome.node}`} has not ended yet.`,
      );
    case 'succeeded':
      return plain('the executor has ended', 'The Job is Complete, which does not say whether Terraform succeeded.');
    case 'failed':
      return recordedReason(outcome) ?? findingReason(outcome, outcome.everStarted, type);
  }
}

/** The reason for a finding, wherever it comes from. */
export const findingReason = (
  { cause, title, evidence }: Pick<Finding, 'cause' | 'title' | 'evidence'>,
  everStarted: EverStarted,
  type: string,
): Reason => ({ title: cut(title, TITLE_LIMIT), evidence, advice: adviceFor(cause, everStarted, type) });

/** What to do about a cause, and whether the step may be run again. */
export const adviceFor = (cause: Cause, everStarted: EverStarted, type: string): string =>
  [causeAdvice(cause, everStarted), againAdvice(everStarted, type)].filter((sentence) => sentence !== '').join(' ');

/** The reason for a Job that does not end: its node may be gone, and Terraform may still be at work there. */
export const neverEndsReason = (
  { node }: Pick<Extract<JobOutcome, { kind: 'stopping' }>, 'node'>,
  type: string,
): Reason =>
  findingReason(
    {
      cause: 'nodeLost',
      title: `node ${node ?? 'of the pod'} does not answer`,
      evidence: 'The Job is being stopped and its pod does not end.',
    },
    'unknown',
    type,
  );

const plain = (title: string, evidence: string): Reason => ({ title, evidence, advice: '' });

const goneReason = (hasPods: boolean, type: string): Reason =>
  findingReason(
    {
      cause: 'podDeleted',
      title: 'the Job is gone',
      evidence: hasPods ? 'There is no such Job; its pod is still there.' : 'There is no such Job, and no pod of it.',
    },
    'unknown',
    type,
  );

/** What was recorded when the Job was stopped is told as it was recorded. */
function recordedReason({ intent }: Extract<JobOutcome, { kind: 'failed' }>): Reason | undefined {
  if (typeof intent !== 'object' || intent.title === '') return undefined;
  return { title: cut(intent.title, TITLE_LIMIT), evidence: intent.evidence, advice: intent.advice };
}

const ADVICE: Readonly<Record<Cause, string>> = {
  outOfMemory:
    'Give the executor more memory: EPHEMERAL_MEMORY_LIMIT in the workspace, or ExecutorEphemeralMemoryLimit.',
  evicted:
    'Give the executor more of it: EPHEMERAL_STORAGE_LIMIT, or for memory EPHEMERAL_MEMORY_REQUEST, in the workspace.',
  disrupted: 'If it happens often, keep executors on nodes that are not drained (node selector, priority class).',
  nodeLost: 'Find out what happened to the node: the executor may still be running there.',
  nodeRejected: 'If it happens often, find out what else is placed on these nodes.',
  deadline: 'Find out what took so long, or raise ExecutorEphemeralActiveDeadlineSeconds.',
  exit: 'Read the end of the log of the run, or of the pod: the executor ended before it could report.',
  startError: 'Check ExecutorEphemeralImage and what the message names.',
  initFailed: 'Read the log of that container; whoever adds it to pods (a service mesh, a policy) can mend it.',
  podDeleted: "Find out who deleted it; the cluster's audit log knows.",
  imagePull:
    'Check ExecutorEphemeralImage, ExecutorEphemeralImagePullSecrets and the way from the nodes to the registry.',
  configMissing: "Create it in the executors' namespace, or correct the setting or workspace variable that names it.",
  payloadMissing: 'Check that the dispatcher may create Secrets (deploy/kubernetes).',
  serviceAccountMissing:
    "Create it in the executors' namespace, or correct ExecutorEphemeralServiceAccount or EPHEMERAL_CONFIG_SERVICE_ACCOUNT.",
  podRefused: 'Change what the message names in settings or workspace, or ask who administers the cluster to allow it.',
  quota: 'Wait until other executors have ended, or raise the quota of the namespace.',
  unschedulable:
    'Make room: look at the nodes and their autoscaler, and at the requests and node selector of the executor.',
  envTooLarge: 'Set PayloadTransport=file, or make the variables of the workspace and its organization smaller.',
  silent: 'Check that ExecutorEphemeralImage is as new as the Terrakube API.',
  unknown: 'Look at the Job and its pod with kubectl describe.',
};

/** A Job that ended by its time limit and never ran is one that waited. */
const causeAdvice = (cause: Cause, everStarted: EverStarted): string =>
  cause === 'deadline' && everStarted === 'no' ? 'Mend what kept it from starting.' : ADVICE[cause];

/** Steps that change infrastructure or state. */
const CHANGING = ['terraformApply', 'terraformDestroy', 'customScripts'];
const PLANS = ['terraformPlan', 'terraformPlanDestroy'];

/** A plan changes nothing. */
export const isPlan = (type: string): boolean => PLANS.includes(type);

/** Whether the step may be run again, and what to look at before. */
export function againAdvice(everStarted: EverStarted, type: string): string {
  if (everStarted === 'no') return 'Nothing was run: safe to run again.';
  if (isPlan(type)) return 'A plan changes nothing: safe to run again.';
  if (!CHANGING.includes(type)) return '';
  return 'The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).';
}
