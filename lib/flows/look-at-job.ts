// Reads both worlds around one Job, in the order in which what is read last decides: the cluster's Jobs after Terrakube,
// so that a Job which was made meanwhile is seen.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import type { Installation } from '../domain/job-name.ts';
import { type JobOutcome, jobOutcome } from '../domain/job-outcome.ts';
import { type OwnJob, ownJob, ownJobs } from '../domain/next-start.ts';
import { stepFacts, terrakubeJobSelector } from '../domain/step-facts.ts';
import type { TerrakubeJob } from '../domain/terrakube-job.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, epochMs } from '../domain/time.ts';
import { verdict } from '../domain/verdict.ts';
import type { Verdict, VerdictInput, VerdictSettings } from '../domain/verdict-types.ts';
import type { Clock, ObservedCluster, Terrakube } from '../ports.ts';

/** What looking needs. */
export interface LookDeps {
  readonly cluster: ObservedCluster;
  readonly terrakube: Terrakube;
  readonly clock: Clock;
  readonly installation: Installation;
  readonly settings: VerdictSettings;
  readonly maxStarts: number;
  /**
   * Since when Terrakube's side of a job has looked as it does now, for one who has seen it before. By default that is the
   * look before, or now.
   */
  readonly unchangedSince?: (jobId: string, terrakube: TerrakubeJob) => EpochMs;
  /** Whether recorded restarts are carried out here; only the reconciler does that, so that there is one claim at a time. */
  readonly startsAgain?: boolean;
  /** Whether the Job may be stopped, for one who weighs many Jobs at once. By default it may. */
  readonly mayStop?: (look: Look) => boolean;
  /** Whether nobody waits here for a report that may be under way: whoever asks comes back by himself. */
  readonly isInHaste?: boolean;
  /** Told what our role may not list, at each look. */
  readonly onUnread?: (what: 'pods' | 'events') => void;
}

/** Message of the one line that says so; Terrakube's own role has a right to Jobs alone. */
export const UNREAD = 'not all may be listed: causes come from what is left';

/** A report of the executor may be under way; nobody rings again when it does not come. */
export const REPORT_MAY_TAKE: DurationMs = durationMs(10_000);

/** What was seen of one Job. */
export interface Look {
  readonly ids: DispatchIds;
  /** The Job as it is now; undefined when it is gone. */
  readonly job: V1Job | undefined;
  readonly pods: readonly V1Pod[];
  readonly outcome: JobOutcome;
  readonly terrakube: TerrakubeJob | 'notFound' | 'unreachable';
  readonly verdict: Verdict;
  /** The verdict that this will be in {@link REPORT_MAY_TAKE} if nothing changes until then. */
  readonly soon: Verdict;
  /** Why Terrakube could not be read. */
  readonly fault: DispatcherError | undefined;
  /** By the API server's clock. */
  readonly now: EpochMs;
  /** Since when Terrakube's side has looked as it does now, by our own clock. */
  readonly unchangedSince: EpochMs;
}

/**
 * Looks at the Job of this name.
 *
 * @param final the document that an event carried, for a Job that is gone.
 * @param before the look before this one.
 * @returns undefined when there is nothing of ours to see.
 * @throws DispatcherError when the cluster cannot be read.
 */
export async function lookAtJob(deps: LookDeps, name: string, final?: V1Job, before?: Look): Promise<Look | undefined> {
  const { cluster, installation } = deps;
  const found = await cluster.getJob(name);
  const job = found === 'notFound' ? undefined : found;
  const document = job ?? final;
  const own = document && ownJob(document, installation);
  if (!own) return undefined;
  const { ids } = own;
  const [{ pods, events }, others] = await Promise.all([readPods(deps, name), readOthers(deps, ids)]);
  const now = cluster.serverNow();
  const shown = jobOutcome(own.job, pods, events, now);
  const known = pods === 'forbidden' ? [] : pods;
  const outcome: JobOutcome =
    job || shown.kind === 'missing' ? shown : { kind: 'missing', last: shown, hasPods: known.length > 0 };
  return judge(deps, { ids, job, own, pods: known, outcome, ...others }, before);
}

/** Looks at a step that has no Job. @returns undefined when it has one after all. @throws DispatcherError as {@link lookAtJob} */
export async function lookAtStep(deps: LookDeps, ids: DispatchIds, before?: Look): Promise<Look | undefined> {
  const others = await readOthers(deps, ids);
  if (others.jobs.some((job) => job.ids.stepId === ids.stepId)) return undefined;
  const seen = { ids, job: undefined, own: undefined, pods: [], outcome: NO_JOB, ...others };
  return judge(deps, seen, before);
}

const NO_JOB: JobOutcome = { kind: 'missing', hasPods: false };

/** What was read. */
interface Seen extends Pick<Look, 'ids' | 'job' | 'pods' | 'outcome' | 'terrakube' | 'fault'> {
  /** The Job, or the last document of one that is gone. */
  readonly own: OwnJob | undefined;
  /** All our Jobs of the Terrakube job. */
  readonly jobs: readonly OwnJob[];
}

function judge(deps: LookDeps, { own, jobs, ...seen }: Seen, before: Look | undefined): Look {
  const { cluster, clock, settings, maxStarts } = deps;
  const { ids, outcome, terrakube } = seen;
  const now = cluster.serverNow();
  const unchangedSince = sinceWhen(deps, seen, before);
  const unchangedFor = elapsedMs(unchangedSince, clock.now());
  const facts = stepFacts({ ids, job: own, jobs, terrakube, maxStarts, unchangedFor, now });
  const input: VerdictInput = { ids, outcome, terrakube, facts, settings, now };
  return { ...seen, verdict: verdict(input), soon: verdict(later(input)), now, unchangedSince };
}

function sinceWhen(deps: LookDeps, { ids, terrakube }: Pick<Seen, 'ids' | 'terrakube'>, before?: Look): EpochMs {
  if (deps.unchangedSince && typeof terrakube === 'object') return deps.unchangedSince(ids.jobId, terrakube);
  const isSame = before && JSON.stringify(before.terrakube) === JSON.stringify(terrakube);
  return isSame ? before.unchangedSince : deps.clock.now();
}

/** Terrakube's side, and after it the Jobs: one that was made meanwhile is seen. */
async function readOthers(deps: LookDeps, ids: DispatchIds) {
  const seen = await readTerrakube(deps, ids);
  const jobs = await deps.cluster.listJobs(terrakubeJobSelector(ids, deps.installation));
  return { ...seen, jobs: ownJobs(jobs, deps.installation) };
}

const later = (input: VerdictInput): VerdictInput => ({
  ...input,
  now: epochMs(input.now + REPORT_MAY_TAKE),
  facts: { ...input.facts, unchangedFor: durationMs(input.facts.unchangedFor + REPORT_MAY_TAKE) },
});

/** Pods of the Job, and Events about it and them; `forbidden` for what our role may not read. */
async function readPods({ cluster, onUnread }: LookDeps, name: string) {
  const [pods, ofJob] = await Promise.all([cluster.listPods(name), cluster.listEvents(name)]);
  if (pods === 'forbidden') onUnread?.('pods');
  if (ofJob === 'forbidden') onUnread?.('events');
  const names = pods === 'forbidden' ? [] : pods.flatMap(({ metadata }) => metadata?.name ?? []);
  const ofPods = ofJob === 'forbidden' ? [] : await Promise.all(names.map((pod) => cluster.listEvents(pod)));
  const events: readonly CoreV1Event[] | 'forbidden' =
    ofJob === 'forbidden' ? ofJob : [...ofJob, ...ofPods.flatMap((some) => (some === 'forbidden' ? [] : some))];
  return { pods, events };
}

async function readTerrakube({ terrakube }: LookDeps, ids: DispatchIds): Promise<Pick<Look, 'terrakube' | 'fault'>> {
  try {
    return { terrakube: await terrakube.getJob(ids), fault: undefined };
  } catch (error) {
    if (error instanceof DispatcherError) return { terrakube: 'unreachable', fault: error };
    throw error;
  }
}
