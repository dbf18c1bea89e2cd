// The plan that a run of reconcile would begin with now, made as that run makes it, from what is read and never written.
import type { PlannedAction, PlanSettings } from '../lib/domain/plan-types.ts';
import { isDeed } from '../lib/domain/reconcile-due.ts';
import { findStep, type TerrakubeStep } from '../lib/domain/terrakube-job.ts';
import { type ReadDeps, type ReadWorlds, readEndedPods, readWorlds } from '../lib/flows/read-worlds.ts';
import { type Pass, planPass } from '../lib/flows/reconcile.ts';

/** What planning needs. */
export interface PlanDeps extends ReadDeps, PlanSettings {}

/** The plan, and what it was made from. */
export interface Planned extends Pass {
  readonly worlds: ReadWorlds;
}

/** Reads both worlds, and plans. @throws DispatcherError when one of them cannot be read. */
export async function lookAtPlan(deps: PlanDeps): Promise<Planned> {
  const listed = await readWorlds(deps);
  const worlds = await readEndedPods(deps, listed, endedJobs(planPass(deps, listed).plan, listed));
  return { ...planPass(deps, worlds), worlds };
}

/** The step that a line of the plan is about, as Terrakube lists it. */
export function stepOf(
  { target: { ids } }: PlannedAction,
  terrakube: ReadWorlds['terrakube'],
): TerrakubeStep | undefined {
  const job = terrakube.get(ids.jobId) ?? 'notFound';
  return job === 'notFound' ? undefined : findStep(job, ids.stepId);
}

/**
 * The ended Jobs whose pods have a say: lists show no pods that have ended. Of a failed step a run looks at the Job even where
 * there seems to be nothing to do.
 */
function endedJobs(plan: readonly PlannedAction[], { terrakube }: ReadWorlds): readonly string[] {
  const names = plan.flatMap((planned) => {
    const { target, isOver, action } = planned;
    if (target.kind !== 'job' || !isOver) return [];
    const hasSay = action.kind !== 'deletePayload' && isDeed(action);
    return hasSay || stepOf(planned, terrakube)?.status === 'failed' ? [target.name] : [];
  });
  return [...new Set(names)];
}
