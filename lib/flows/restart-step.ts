// Carries out a recorded restart: the Job is claimed, everything is looked at once more, Terrakube is asked to send the step
// again with a fresh payload, and the Job is marked. It may be cut off between any two calls: before the request nothing
// has happened, and the claim is taken over after a minute; after it the job's comments say that it was made.
import { recordText, startRecord } from '../domain/job-comments.ts';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { startOf } from '../domain/job-name.ts';
import { highestStart } from '../domain/next-start.ts';
import { CLAIM_HOLDS, isClaimed } from '../domain/restart-claim.ts';
import { terrakubeJobSelector } from '../domain/step-facts.ts';
import { type EpochMs, elapsedMs, isoTime, parseIsoTime } from '../domain/time.ts';
import type { Deed } from './deed.ts';
import { type Look, type LookDeps, lookAtJob } from './look-at-job.ts';

/** Others annotate the Job at the same time; three tries outlast that, and the comments say it all the same. */
const MARKS = 3;

/** Starts the step of a Job again. @throws DispatcherError when cluster or Terrakube cannot be read or written. */
export async function restartStep(deps: LookDeps, look: Look): Promise<Deed> {
  const { cluster, terrakube, clock } = deps;
  const { name = '', resourceVersion = '', annotations } = look.job?.metadata ?? {};
  if (isClaimed(annotations, look.now)) return 'none';
  const claimed = await cluster.annotateJob(name, resourceVersion, { [ANNOTATION.claim]: isoTime(look.now) });
  if (claimed !== 'patched') return claimed === 'conflict' ? 'conflict' : 'none';
  const again = await lookAtJob(deps, name, undefined, look);
  const { action } = again?.verdict ?? {};
  const isStill = action?.kind === 'restart' && action.phase === 'carryOut';
  if (!again || !isStill) return 'conflict';
  const comments = await nextRecord(deps, again, clock.now());
  if (comments === undefined) return 'conflict';
  // Later than this, somebody else may have the claim.
  if (elapsedMs(look.now, cluster.serverNow()) >= CLAIM_HOLDS) return 'none';
  await terrakube.patchJob(again.ids, { status: 'pending', comments });
  await mark(deps, name, isoTime(again.now));
  return 'done';
}

/**
 * The comments that count this start. Either counter may have been lost: Jobs go with their TTL, comments with other writers.
 *
 * @returns undefined when an old message that came again has made the next Job meanwhile: its executor is the start.
 */
async function nextRecord(deps: LookDeps, { ids, job, terrakube }: Look, now: EpochMs): Promise<string | undefined> {
  const { cluster, installation, maxStarts } = deps;
  const record = startRecord(typeof terrakube === 'object' ? terrakube.comments : null, ids.stepId);
  const jobs = await cluster.listJobs(terrakubeJobSelector(ids, installation));
  const highest = highestStart(ids, installation, jobs);
  if (highest > (startOf(job?.metadata?.name ?? '', ids, installation) ?? 1)) return undefined;
  const used = Math.max(1, highest, record?.start ?? 0);
  const acceptedAt = parseIsoTime(job?.metadata?.annotations?.[ANNOTATION.acceptedAt] ?? '');
  const since = record?.since ?? acceptedAt ?? now;
  return recordText({ stepId: ids.stepId, start: used + 1, maxStarts, since, askedAt: now });
}

async function mark({ cluster }: LookDeps, name: string, at: string): Promise<void> {
  for (let tries = 0; tries < MARKS; tries += 1) {
    const job = await cluster.getJob(name);
    if (job === 'notFound') return;
    const version = job.metadata?.resourceVersion ?? '';
    const marked = await cluster.annotateJob(name, version, { [ANNOTATION.restartedAt]: at });
    if (marked !== 'conflict') return;
  }
}
