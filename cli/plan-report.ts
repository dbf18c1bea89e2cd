// What `plan` found out, as data: the answer of --json, and what the table for people is made of. Nothing of a payload, a
// token or an environment is in it, and words of others are quoted, without what looks like a secret.
import { DispatcherError } from '../lib/domain/errors.ts';
import type { PlanAction, PlannedAction } from '../lib/domain/plan-types.ts';
import { quote } from '../lib/domain/quote.ts';
import { isDeed } from '../lib/domain/reconcile-due.ts';
import { countInvariants } from '../lib/domain/reconcile-invariants.ts';
import { type Planned, stepOf } from './plan-look.ts';

/** One line of the plan. */
export interface PlanLine {
  /** What is done; `say`: a line in the run's log, and nothing else. */
  readonly action: PlanAction['kind'] | 'say';
  readonly terrakubeJobId: string;
  readonly stepId: string;
  /** The step's number; absent when Terrakube does not have the step. */
  readonly step?: number;
  /** Absent for a step without a Kubernetes Job. */
  readonly jobName?: string;
  /** The row of docs/verdicts.md; 0 for what no row says: the deletion of a payload. */
  readonly row: number;
  readonly why: string;
  /** The metric that counts it, when it must not be. */
  readonly invariant?: string;
  /** Present on a stop that the brake holds back. */
  readonly heldBack?: true;
}

/** The answer. */
export interface PlanReport {
  readonly installation: string;
  readonly namespace: string;
  /** In the order in which they would be done; those that are held back, too. */
  readonly deeds: readonly PlanLine[];
  /** What is left alone: how many, or with --all which. */
  readonly left: number | readonly PlanLine[];
  readonly heldBack: number;
  /** By the names of their metrics; those that hold are 0. */
  readonly invariants: ReturnType<typeof countInvariants>;
  /** Absent when they were not counted. */
  readonly deadLetters?: number;
  /** Why the plan of somebody who may see more could be another one. */
  readonly problems: readonly string[];
}

/** What was asked for, and what is known besides the plan. */
export interface PlanAsked {
  readonly installation: string;
  readonly namespace: string;
  readonly isAll: boolean;
  /** Undefined: nobody said where they are. */
  readonly deadLetters: number | DispatcherError | undefined;
}

/** Our own texts are shorter. */
const TEXT_LIMIT = 1000;

/** Makes the answer. */
export function planReport(planned: Planned, asked: PlanAsked): PlanReport {
  const { plan, heldBack } = planned;
  const { installation, namespace, isAll, deadLetters } = asked;
  const lines = (wanted: readonly PlannedAction[]) => wanted.map((one) => lineOf(planned, one));
  const left = plan.filter(({ action }) => !isDeed(action));
  return {
    installation,
    namespace,
    deeds: lines(plan.filter(({ action }) => isDeed(action))),
    left: isAll ? lines(left) : left.length,
    heldBack,
    invariants: countInvariants(plan),
    ...(typeof deadLetters === 'number' ? { deadLetters } : {}),
    problems: problemsOf(planned, deadLetters),
  };
}

/** Whether nothing is to be done, and nothing was found that must not be. */
export const isAllWell = ({ deeds, invariants, deadLetters = 0, problems }: PlanReport): boolean =>
  deeds.length + deadLetters + problems.length === 0 && Object.values(invariants).every((count) => count === 0);

function lineOf({ deeds, worlds }: Planned, one: PlannedAction): PlanLine {
  const { target, action, row, why, invariant } = one;
  const number = stepOf(one, worlds.terrakube)?.stepNumber;
  return {
    action: action.kind === 'leave' && isDeed(action) ? 'say' : action.kind,
    terrakubeJobId: target.ids.jobId,
    stepId: target.ids.stepId,
    ...(number === undefined ? {} : { step: number }),
    ...(target.kind === 'job' ? { jobName: target.name } : {}),
    row,
    why: quote(why, TEXT_LIMIT),
    ...(invariant === undefined ? {} : { invariant: `Invariant${invariant}` }),
    ...(isDeed(action) && !deeds.includes(one) ? { heldBack: true } : {}),
  };
}

function problemsOf({ worlds }: Planned, deadLetters: PlanAsked['deadLetters']): readonly string[] {
  const unread = [
    ...(worlds.pods === 'forbidden' ? ['pods'] : []),
    ...(worlds.events === 'forbidden' ? ['events'] : []),
  ].join(' and ');
  const forbidden =
    `This AWS identity may not list ${unread} in the namespace, as it could with the rights of ` +
    'deploy/kubernetes/observe: causes are those that the rest shows, and others may be planned for.';
  return [
    ...(unread === '' ? [] : [forbidden]),
    ...(deadLetters instanceof DispatcherError ? [`${deadLetters.message} ${MAY_COUNT}`] : []),
  ];
}

const MAY_COUNT = 'Counting takes sqs:GetQueueAttributes on the queue of DeadLetterQueueUrl.';
