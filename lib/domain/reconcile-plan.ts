// Both worlds in, an ordered list of actions out, each with its reason, also where nothing is to be done. Pure and total;
// the order in which Jobs, pods and steps come does not matter. Lists may be seconds old: whoever acts looks again.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { areDispatchIds, type DispatchIds, dispatchIds } from './dispatch-request.ts';
import { jobNameOfPod, LABEL } from './job-name.ts';
import { jobOutcome } from './job-outcome.ts';
import { hasEnded, type OwnJob, ownJobs } from './next-start.ts';
import { payloadLeft } from './payload-left.ts';
import type { PlanAction, PlannedAction, PlanSettings, Target, Worlds } from './plan-types.ts';
import { actionLeft, whyOf } from './reconcile-due.ts';
import { invariantOf } from './reconcile-invariants.ts';
import { stepFacts } from './step-facts.ts';
import type { ListedTerrakubeJob, TerrakubeStep } from './terrakube-job.ts';
import { elapsedMs } from './time.ts';
import { verdictOf } from './verdict.ts';
import { caseOf } from './verdict-case.ts';
import type { VerdictInput } from './verdict-types.ts';

/**
 * Plans everything: first what stops an executor, then what starts or tells a step, at last what tidies up.
 *
 * @param isWanted is asked once about each line, in no order. Most lines leave things alone: whoever wants none of those
 *   need not have them all in memory.
 */
export function planReconcile(
  worlds: Worlds,
  about: PlanSettings,
  isWanted: (planned: PlannedAction) => boolean = () => true,
): readonly PlannedAction[] {
  const jobs = ownJobs(worlds.jobs, about.installation);
  const pods = Map.groupBy(listed(worlds.pods), (pod) => jobNameOfPod(pod.metadata?.name ?? '') ?? '');
  const events = Map.groupBy(listed(worlds.events), ({ involvedObject: { name = '' } }) => jobNameOfPod(name) ?? name);
  const byTerrakubeJob = Map.groupBy(jobs, ({ ids }): string => ids.jobId);
  const ofJob = (jobId: string): readonly OwnJob[] => byTerrakubeJob.get(jobId) ?? [];
  const plan: PlannedAction[] = [];
  const take = (lines: readonly PlannedAction[]): void => {
    for (const planned of lines) if (isWanted(planned)) plan.push(planned);
  };
  for (const own of jobs) {
    const name = own.job.metadata?.name ?? '';
    const owned: Owned = {
      own,
      name,
      jobs: ofJob(own.ids.jobId),
      pods: worlds.pods === 'forbidden' ? 'forbidden' : (pods.get(name) ?? []),
      events: worlds.events === 'forbidden' ? 'forbidden' : (events.get(name) ?? []),
    };
    take(planJob(owned, worlds, about));
  }
  for (const job of worlds.terrakube.values()) {
    if (job !== 'notFound') take(planSteps(job, ofJob(job.id), { worlds, about }));
  }
  return inOrder(plan);
}

/** One Job with all that was read about it. */
interface Owned {
  readonly own: OwnJob;
  readonly name: string;
  /** All Jobs of its Terrakube job. */
  readonly jobs: readonly OwnJob[];
  readonly pods: readonly V1Pod[] | 'forbidden';
  readonly events: readonly CoreV1Event[] | 'forbidden';
}

function planJob(owned: Owned, worlds: Worlds, about: PlanSettings): readonly PlannedAction[] {
  const { own, name } = owned;
  const { job, ids } = own;
  const { now } = worlds;
  const target: Target = { kind: 'job', name, ids };
  const terrakube = worlds.terrakube.get(ids.jobId);
  const tidy: readonly PlannedAction[] =
    payloadLeft(job) === undefined
      ? []
      : [{ target, row: 0, action: { kind: 'deletePayload' }, why: PAYLOAD_WHY, invariant: undefined, isOver: true }];
  if (terrakube === undefined) return tidy;
  const input: VerdictInput = {
    ids,
    outcome: jobOutcome(job, owned.pods, owned.events, now, own.start),
    terrakube,
    facts: stepFacts({ ...factsOf(ids, worlds), ...about, ids, job: own, jobs: owned.jobs, terrakube, now }),
    settings: about.settings,
    now,
  };
  return [entry(target, input, job), ...tidy];
}

function planSteps(
  terrakube: ListedTerrakubeJob,
  jobs: readonly OwnJob[],
  { worlds, about }: { readonly worlds: Worlds; readonly about: PlanSettings },
): readonly PlannedAction[] {
  const { now } = worlds;
  return terrakube.steps.flatMap((step) => {
    const ids = stepIds(terrakube, step);
    if (jobs.some((job) => job.ids.stepId === ids.stepId) || !areDispatchIds(ids)) return [];
    const input: VerdictInput = {
      ids,
      outcome: { kind: 'missing', hasPods: false },
      terrakube,
      facts: stepFacts({ ...factsOf(ids, worlds), ...about, ids, job: undefined, jobs, terrakube, now }),
      settings: about.settings,
      now,
    };
    return [entry({ kind: 'step', ids }, input, undefined)];
  });
}

/**
 * The ids of a step that has no Job. Terrakube's lists do not say what type a step has; what is said of this one is careful:
 * it may have changed things, if it ran.
 */
export const stepIds = (job: ListedTerrakubeJob, step: TerrakubeStep): DispatchIds =>
  dispatchIds({
    organizationId: job.organizationId,
    workspaceId: job.workspaceId,
    jobId: job.id,
    stepId: step.id,
    type: 'customScripts',
  });

const factsOf = ({ jobId }: DispatchIds, { unchangedSince, now }: Worlds) => ({
  unchangedFor: elapsedMs(unchangedSince.get(jobId) ?? now, now),
});

function entry(target: Target, input: VerdictInput, job: V1Job | undefined): PlannedAction {
  const seen = caseOf(input);
  const taken = verdictOf(seen);
  const action = actionLeft(taken.action, seen, job?.metadata?.annotations);
  const isOver = job === undefined || hasEnded(job);
  const invariant = invariantOf(seen, taken);
  return { target, row: taken.row, action, why: whyOf(action, taken.action), invariant, isOver };
}

const PAYLOAD_WHY = 'its executor has ended, and nobody reads its payload any more';

/** What ends an executor comes first: each second of it counts. Nothing depends on what comes before it. */
const URGENCY: Readonly<Record<PlanAction['kind'], number>> = {
  stop: 0,
  patchJob: 1,
  restart: 2,
  fail: 3,
  tell: 3,
  patchStep: 4,
  keepAlive: 5,
  explain: 5,
  annotate: 6,
  delete: 7,
  retry: 8,
  deletePayload: 8,
  leave: 9,
};

/** A plan has as many lines as there are Jobs and steps: each one's key is made once, not in each comparison. */
function inOrder(plan: readonly PlannedAction[]): readonly PlannedAction[] {
  const keyed = plan.map((entry) => ({ entry, key: keyOf(entry) }));
  return keyed.sort((one, other) => (one.key < other.key ? -1 : 1)).map(({ entry }) => entry);
}

/** Tells targets apart. */
export const targetKey = (target: Target): string =>
  target.kind === 'job' ? `job ${target.name}` : `step ${target.ids.stepId}`;

const keyOf = ({ target, action }: PlannedAction): string =>
  `${URGENCY[action.kind]} ${target.ids.jobId.padStart(20, '0')} ${targetKey(target)} ${action.kind}`;

const listed = <T>(items: readonly T[] | 'forbidden'): readonly T[] => (items === 'forbidden' ? [] : items);

/** The label that a Job's Terrakube job stands in, for those who group Jobs without reading all ids. */
export const terrakubeJobOf = (job: V1Job): string => job.metadata?.labels?.[LABEL.job] ?? '';
