// What a sandbox remembers from one run of the reconciler to the next. Nothing depends on it: without it a run asks again
// about Jobs that ended long ago, and counts a state as unchanged from its first look on.
import type { V1Job } from '@kubernetes/client-node';
import type { ListedTerrakubeJob, TerrakubeJob } from '../domain/terrakube-job.ts';
import { type EpochMs, epochMs } from '../domain/time.ts';

/** The memory. */
export interface ReconcileMemory {
  /** Since when a Terrakube job has looked as it does now, its steps and their outputs included. */
  unchangedSince(jobId: string, job: TerrakubeJob, now: EpochMs): EpochMs;
  /** Whether nothing is left to do about this Job, ever. */
  isSettled(job: V1Job): boolean;
  settle(job: V1Job): void;
  /** Takes it back: the Terrakube job has gone on, as after an approval, and what its Jobs say counts again. */
  unsettle(job: V1Job): void;
  /** Our role may not delete payload Secrets: it is said once, and not tried again. */
  mayNotDeletePayloads: boolean;
  /** Whether this is asked for the first time: what holds for long is said once. */
  isNews(word: string): boolean;
  /** Forgets what is not there any more. */
  keepOnly(jobs: readonly V1Job[], terrakubeJobIds: ReadonlySet<string>): void;
}

/** How a Terrakube job looks, and since when; the document itself goes with the run that read it. */
interface Look {
  readonly look: string;
  readonly since: EpochMs;
  readonly of: WeakRef<TerrakubeJob>;
}

/** `updatedDate` has a resolution of one minute. */
const RESOLUTION_MS = 60_000;

/** Creates an empty memory. */
export function createReconcileMemory(): ReconcileMemory {
  const looks = new Map<string, Look>();
  const settled = new Set<string>();
  const said = new Set<string>();
  const uidOf = (job: V1Job): string => job.metadata?.uid ?? '';
  return {
    mayNotDeletePayloads: false,
    isNews: (word) => !said.has(word) && said.add(word).size > 0,
    unchangedSince(jobId, job, now) {
      const known = looks.get(jobId);
      // A run plans each second for jobs that it read half a minute ago.
      if (known?.of.deref() === job) return known.since;
      const { status, comments, steps, ...more } = job;
      // An output is written once. Its address is long, and a sandbox remembers thousands of looks.
      const ofSteps = steps.map(({ status, name, output }) => [status, name, output?.length]);
      const look = JSON.stringify([status, comments, ofSteps]);
      // A first look knows no more than the list says; after a change that we have seen the list knows no better.
      const since = known === undefined ? sinceUpdate(more, now) : known.look === look ? known.since : now;
      looks.set(jobId, { look, since, of: new WeakRef(job) });
      return since;
    },
    isSettled: (job) => settled.has(uidOf(job)),
    settle: (job) => {
      settled.add(uidOf(job));
    },
    unsettle: (job) => {
      settled.delete(uidOf(job));
    },
    keepOnly(jobs, terrakubeJobIds) {
      const uids = new Set(jobs.map(uidOf));
      for (const uid of settled) if (!uids.has(uid)) settled.delete(uid);
      for (const jobId of looks.keys()) if (!terrakubeJobIds.has(jobId)) looks.delete(jobId);
    },
  };
}

const sinceUpdate = ({ updatedAt }: Partial<Pick<ListedTerrakubeJob, 'updatedAt'>>, now: EpochMs): EpochMs =>
  epochMs(Math.min(now, updatedAt === undefined ? now : updatedAt + RESOLUTION_MS));
