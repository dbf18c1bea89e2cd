// Carries a plan out, and goes on planning: each change in the cluster and each look at Terrakube may bring something to do
// until the run's time is over.
import { hasEnded } from '../domain/next-start.ts';
import type { PlannedAction } from '../domain/plan-types.ts';
import { brake } from '../domain/reconcile-brake.ts';
import { isDeed } from '../domain/reconcile-due.ts';
import { planReconcile, terrakubeJobOf } from '../domain/reconcile-plan.ts';
import { isLiveJob } from '../domain/terrakube-job.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, epochMs } from '../domain/time.ts';
import { writingUntil } from './in-time.ts';
import { REPORT_MAY_TAKE } from './look-at-job.ts';
import { createHand, type Hand, type HandDeps } from './mend-hand.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { installationSelector, type ReadWorlds, sinceOf } from './read-worlds.ts';
import { lookAtTerrakube, type TerrakubeLookDeps } from './terrakube-looks.ts';
import { createTurns } from './turns.ts';
import { watchWorlds } from './watch-worlds.ts';

/** What mending needs. */
export interface MendDeps extends HandDeps, TerrakubeLookDeps {
  /** Whether a run goes on watching when no Job is left that could change. */
  readonly watchesWhenIdle: boolean;
}

/** What is to be mended, and until when. */
export interface Mending {
  readonly worlds: ReadWorlds;
  readonly deeds: readonly PlannedAction[];
  /** Nothing new is begun after it. */
  readonly until: EpochMs;
  /** What is under way is not waited for any longer than this. */
  readonly atTheLatest: EpochMs;
}

const TICK: DurationMs = durationMs(1000);
/** A run begins every minute, and each lasts for a minute and a half. */
const OVERLAP_MS = 30_000;
/** A look that failed is taken again after 5 s, and one at a Job that is gone 2 s and 10 s after its pod, or 10 s later. */
const LINGERS_MS = 25_000;

/** Works until the run's time is over, or nothing is left that could change. @returns how many targets were left undone. */
export async function mendUntil(deps: MendDeps, mending: Mending): Promise<number> {
  const { clock, watchesWhenIdle, memory } = deps;
  const { worlds, deeds, until } = mending;
  const mirror = createMirror(worlds, deps.installation);
  const hand = createHand({ ...deps, ...writingUntil(deps, mending.atTheLatest) }, mirror);
  for (const planned of deeds) hand.take(planned);
  const nextBegins = epochMs(until - OVERLAP_MS);
  const watching = watchWorlds(deps, {
    mirror,
    labelSelector: installationSelector(deps.installation),
    jobsVersion: worlds.jobsVersion,
    podsVersion: worlds.podsVersion,
    until,
    ring: (ring) => {
      const job = ring.final ?? mirror.job(ring.name);
      if (job && memory.isSettled(job)) return;
      // A Job that is gone holds no claim: the later run comes first, and may wait for a last report.
      if (ring.final && clock.now() >= nextBegins) void clock.sleep(REPORT_MAY_TAKE).then(() => hand.answer(ring));
      else hand.answer(ring);
    },
  });
  const ours = createTurns(clock, nextBegins);
  const plan = (): void => {
    if (clock.now() < until) planAgain(deps, mirror, { hand, ours });
  };
  const looks = lookAtTerrakube(deps, mirror, plan);
  let staysUntil = clock.now();
  while (clock.now() < until) {
    if (!hand.isIdle() || mayMove(mirror)) staysUntil = epochMs(clock.now() + LINGERS_MS);
    else if (!watchesWhenIdle && clock.now() >= staysUntil) break;
    await clock.sleep(TICK);
    looks.ifDue();
    plan();
  }
  watching.stop();
  const left = elapsedMs(clock.now(), mending.atTheLatest);
  // What a dead connection holds up must not hold up the run: Lambda would end it without a word.
  const isDone = await Promise.race([hand.rest().then(() => true), clock.sleep(left).then(() => false)]);
  if (!isDone) deps.log.warn('run ended before everything was done');
  return hand.failed();
}

/** Whether something may change by itself: the pod of a Job that was deleted outlives it, and nobody speaks before it is gone. */
function mayMove(mirror: Mirror): boolean {
  const pods = mirror.pods();
  return mirror.jobs().some((job) => !hasEnded(job)) || (pods !== 'forbidden' && pods.length > 0);
}

function planAgain(
  deps: MendDeps,
  mirror: Mirror,
  { hand, ours }: { readonly hand: Hand; readonly ours: ReturnType<typeof createTurns> },
): void {
  const { installation, settings, maxStarts, memory, cluster } = deps;
  const jobs = mirror.jobs().filter((job) => !memory.isSettled(job));
  const planned = planReconcile(
    {
      jobs,
      pods: mirror.pods(),
      events: mirror.events,
      terrakube: mirror.terrakube,
      unchangedSince: sinceOf(deps, mirror.terrakube),
      now: cluster.serverNow(),
    },
    { installation, settings, maxStarts },
    // What is left alone is noted at once: there may be 10,000 of it.
    (entry) => isDeed(entry.action) || hand.leave(entry),
  );
  const { plan } = brake(planned, jobs.filter((job) => !hasEnded(job)).length);
  for (const entry of ours(plan)) hand.take(entry);
  const moving = new Set(jobs.filter((job) => !memory.isSettled(job)).map(terrakubeJobOf));
  for (const [jobId, job] of mirror.terrakube) {
    // As the next run will not even list them: their steps need no planning each second.
    if (!moving.has(jobId) && (job === 'notFound' || !isLiveJob(job))) mirror.terrakube.delete(jobId);
  }
}
