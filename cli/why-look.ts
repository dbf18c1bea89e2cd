// Both worlds around one Terrakube job, read and never written: each of its Kubernetes Jobs as the functions look at it,
// and the verdict that they would take.
import type { DispatchIds } from '../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { startOf } from '../lib/domain/job-name.ts';
import { terrakubeJobSelector } from '../lib/domain/step-facts.ts';
import { findStep, type TerrakubeJob } from '../lib/domain/terrakube-job.ts';
import { epochMs } from '../lib/domain/time.ts';
import type { Verdict } from '../lib/domain/verdict-types.ts';
import { type Look, type LookDeps, lookAtJob } from '../lib/flows/look-at-job.ts';
import type { Terrakube } from '../lib/ports.ts';

/** One Kubernetes Job. */
export interface SeenJob {
  readonly name: string;
  /** 1, 2, 3 …; 0 for a name that is none of ours. */
  readonly start: number;
  readonly look: Look;
  /** The verdict that is taken when Terrakube stays as it is for another minute; undefined when it is the same. */
  readonly later: Verdict | undefined;
}

/** Both worlds. */
export interface Seen {
  /** `notAsked`: nobody knows its organization. */
  readonly terrakube: TerrakubeJob | 'notFound' | 'unreachable' | 'notAsked';
  /** Why Terrakube could not be read. */
  readonly problem: string | undefined;
  readonly organizationId: string | undefined;
  /** In the order of Terrakube's steps, the newest start of each last. */
  readonly jobs: readonly SeenJob[];
  /** Names of Jobs that nothing can be said about: gone meanwhile, or with labels that somebody has changed. */
  readonly unknown: readonly string[];
}

/** Some rows want Terrakube's side to have been the same for up to this long, which one look cannot know. */
const LATER_MS = 60_000;

/**
 * Looks at a Terrakube job.
 *
 * @param ids those of the job. Its organization may be empty: the labels of its Jobs have it.
 * @throws DispatcherError when the cluster cannot be read.
 */
export async function lookAtTerrakubeJob(deps: LookDeps, ids: DispatchIds): Promise<Seen> {
  const found = await deps.cluster.listJobs(terrakubeJobSelector(ids, deps.installation));
  const names = found.flatMap(({ metadata }) => metadata?.name ?? []);
  const { terrakube, problem } = readingOnce(deps.terrakube);
  const seen = await Promise.all(names.map((name) => see({ ...deps, terrakube }, name)));
  const jobs = seen.filter((job) => job !== undefined).sort(inOrder);
  const organizationId = jobs[0]?.look.ids.organizationId ?? ids.organizationId;
  return {
    terrakube: jobs[0]?.look.terrakube ?? (await readAlone(terrakube, ids)),
    problem: problem(),
    organizationId: organizationId === '' ? undefined : organizationId,
    jobs,
    unknown: names.filter((_, index) => seen[index] === undefined),
  };
}

async function see(deps: LookDeps, name: string): Promise<SeenJob | undefined> {
  const look = await lookAtJob(deps, name);
  if (!look) return undefined;
  const before = { ...look, unchangedSince: epochMs(look.unchangedSince - LATER_MS) };
  const again = await lookAtJob(deps, name, undefined, before);
  // A Job that changes just now says nothing about later.
  const isSame = JSON.stringify(again?.outcome) === JSON.stringify(look.outcome);
  const later = isSame && again?.verdict.row !== look.verdict.row ? again?.verdict : undefined;
  return { name, start: startOf(name, look.ids, deps.installation) ?? 0, look, later };
}

/** Terrakube's side of a job that the cluster has no Job of. */
async function readAlone(terrakube: Terrakube, ids: DispatchIds): Promise<Seen['terrakube']> {
  if (ids.organizationId === '') return 'notAsked';
  try {
    return await terrakube.getJob(ids);
  } catch (error) {
    if (error instanceof DispatcherError) return 'unreachable';
    throw error;
  }
}

/** All Jobs are judged by one reading of the Terrakube job, and the reader is told why there is none. */
function readingOnce(terrakube: Terrakube): { readonly terrakube: Terrakube; problem(): string | undefined } {
  let reading: ReturnType<Terrakube['getJob']> | undefined;
  let problem: string | undefined;
  const read = async (ids: DispatchIds) => {
    try {
      return await terrakube.getJob(ids);
    } catch (error) {
      if (error instanceof DispatcherError) problem = error.message;
      throw error;
    }
  };
  const getJob = (ids: DispatchIds) => {
    reading ??= read(ids);
    return reading;
  };
  return { terrakube: { ...terrakube, getJob }, problem: () => problem };
}

const inOrder = (one: SeenJob, other: SeenJob): number => place(one) - place(other) || one.start - other.start;

/** Jobs of steps that Terrakube does not have come first: they are older than those that it has. */
function place({ look: { terrakube, ids } }: SeenJob): number {
  const step = typeof terrakube === 'object' ? findStep(terrakube, ids.stepId) : undefined;
  return step?.stepNumber ?? 0;
}
