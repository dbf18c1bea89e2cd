// Notes what one delivery saw and made of its step's Jobs, so that nobody writes to a Terrakube job whose executor may be
// about to speak. A refusal does not say that there is no Job: quotas and policies refuse before the name is looked at.
import type { V1Job } from '@kubernetes/client-node';
import { hasEnded } from '../domain/next-start.ts';
import type { ApiAnswer, JobStore } from '../ports.ts';

/** The Jobs of one delivery. */
export interface WatchedJobs {
  /** The same store. */
  readonly jobs: JobStore;
  /** Lists the Jobs again, and says whether none may be running. */
  isQuiet(labelSelector: string): Promise<boolean>;
}

/** Watches the Jobs of one delivery. */
export function watchJobs(store: JobStore): WatchedJobs {
  let hasCreated = false;
  let isUnreadable = false;
  let seen: readonly V1Job[] = [];
  const note = async <T>(create: () => Promise<ApiAnswer<T>>): Promise<ApiAnswer<T>> => {
    const before = hasCreated;
    // Until it is refused: what was not answered may have been done.
    hasCreated = true;
    const answer = await create();
    if (answer.kind === 'refused') hasCreated = before;
    return answer;
  };
  const listJobs = async (labelSelector: string): Promise<readonly V1Job[]> => {
    isUnreadable = true;
    seen = await store.listJobs(labelSelector);
    isUnreadable = false;
    return seen;
  };
  return {
    jobs: {
      ...store,
      listJobs,
      createJob: (job) => note(() => store.createJob(job)),
      createSecret: (secret) => note(() => store.createSecret(secret)),
    },
    async isQuiet(labelSelector) {
      if (hasCreated) return false;
      // A cluster that did not answer a moment ago is not asked again. What it showed last counts; mostly that is nothing,
      // and nothing runs: a step that was started would not be pending for long.
      if (!isUnreadable) await listJobs(labelSelector).catch(() => undefined);
      return seen.every(hasEnded);
    },
  };
}
