// The plan that a run of reconcile would begin with now, made as that run makes it, from what is read and never written.
import type { PlannedAction, PlanSettings } from '../lib/domain/plan-types.ts';
import { findStep, type TerrakubeStep } from '../lib/domain/terrakube-job.ts';
import { type ReadDeps, type ReadWorlds, readWorlds } from '../lib/flows/read-worlds.ts';
import { type Pass, planPass, withEndedPods } from '../lib/flows/reconcile.ts';

/** What planning needs. */
export interface PlanDeps extends ReadDeps, PlanSettings {}

/** The plan, and what it was made from. */
export interface Planned extends Pass {
  readonly worlds: ReadWorlds;
}

/** Reads both worlds, and plans. @throws DispatcherError when one of them cannot be read. */
export async function lookAtPlan(deps: PlanDeps): Promise<Planned> {
  const worlds = await withEndedPods(deps, await readWorlds(deps));
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
