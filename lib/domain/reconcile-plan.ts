// Both worlds in, an ordered list of actions out, each with its reason, also where nothing is to be done. Pure and total;
// the order in which Jobs, pods and steps come does not matter. Lists may be seconds old: whoever acts looks again.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { areDispatchIds, type DispatchIds, dispatchIds } from './dispatch-request.ts';
import { type Installation, jobNameOfPod, LABEL } from './job-name.ts';
import { jobOutcome } from './job-outcome.ts';
import { hasEnded, idsOfJob } from './next-start.ts';
import { payloadLeft } from './payload-left.ts';
import type { PlanAction, PlannedAction, PlanSettings, Target, Worlds } from './plan-types.ts';
import { actionLeft, whyOf } from './reconcile-due.ts';
import { invariantOf } from './reconcile-invariants.ts';
import { isOfStep, stepFacts } from './step-facts.ts';
import type { ListedTerrakubeJob, TerrakubeStep } from './terrakube-job.ts';
import { elapsedMs } from './time.ts';
import { verdict } from './verdict.ts';
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
  const jobs = ownedJobs(worlds.jobs, about.installation);
  const pods = group(listed(worlds.pods), (pod) => jobNameOfPod(pod.metadata?.name ?? '') ?? '');
  const events = group(listed(worlds.events), ({ involvedObject: { name = '' } }) => jobNameOfPod(name) ?? name);
  const byTerrakubeJob = group(
    jobs.map(({ job }) => job),
    terrakubeJobOf,
  );
  const ofJob = (jobId: string): readonly V1Job[] => byTerrakubeJob.get(jobId) ?? [];
  const plan: PlannedAction[] = [];
  const take = (lines: readonly PlannedAction[]): void => {
    for (const planned of lines) if (isWanted(planned)) plan.push(planned);
  };
  for (const owned of jobs) {
    const name = owned.job.metadata?.name ?? '';
    const own: Owned = {
      ...owned,
      name,
      jobs: ofJob(owned.ids.jobId),
      pods: worlds.pods === 'forbidden' ? 'forbidden' : (pods.get(name) ?? []),
      events: worlds.events === 'forbidden' ? 'forbidden' : (events.get(name) ?? []),
    };
    take(planJob(own, worlds, about));
  }
  for (const job of worlds.terrakube.values()) {
    if (job !== 'notFound') take(planSteps(job, ofJob(job.id), { worlds, about }));
  }
  return inOrder(plan);
}

/** One Job with all that was read about it. */
interface Owned {
  readonly name: string;
  readonly job: V1Job;
  readonly ids: DispatchIds;
  /** All Jobs of its Terrakube job. */
  readonly jobs: readonly V1Job[];
  readonly pods: readonly V1Pod[] | 'forbidden';
  readonly events: readonly CoreV1Event[] | 'forbidden';
}

function planJob(owned: Owned, worlds: Worlds, about: PlanSettings): readonly PlannedAction[] {
  const { job, ids, name } = owned;
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
    outcome: jobOutcome(job, owned.pods, owned.events, now),
    terrakube,
    facts: stepFacts({ ...factsOf(ids, worlds), ...about, ids, job, jobs: owned.jobs, terrakube, now }),
    settings: about.settings,
    now,
  };
  return [entry(target, input, job), ...tidy];
}

function planSteps(
  terrakube: ListedTerrakubeJob,
  jobs: readonly V1Job[],
  { worlds, about }: { readonly worlds: Worlds; readonly about: PlanSettings },
): readonly PlannedAction[] {
  const { now } = worlds;
  return terrakube.steps.flatMap((step) => {
    const ids = stepIds(terrakube, step);
    if (jobs.some((job) => isOfStep(job, ids)) || !areDispatchIds(ids)) return [];
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
  const taken = verdict(input);
  const seen = caseOf(input);
  const action = actionLeft(taken.action, seen, job?.metadata?.annotations);
  const isOver = job === undefined || hasEnded(job);
  const invariant = invariantOf(seen, taken);
  return { target, row: taken.row, action, why: whyOf(action, taken.action), invariant, isOver };
}

const PAYLOAD_WHY = 'its executor has ended, and nobody reads its payload any more';

function ownedJobs(jobs: readonly V1Job[], installation: Installation) {
  return jobs.flatMap((job) => {
    const ids = idsOfJob(job, installation);
    return ids ? [{ job, ids }] : [];
  });
}

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

function group<T>(items: readonly T[], keyOfItem: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOfItem(item);
    const known = groups.get(key);
    if (known) known.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** The label that a Job's Terrakube job stands in, for those who group Jobs without reading all ids. */
export const terrakubeJobOf = (job: V1Job): string => job.metadata?.labels?.[LABEL.job] ?? '';
