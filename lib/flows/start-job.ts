// Creates the Kubernetes Job of a step, then its payload Secret, which belongs to the Job. A mounted Secret may come about
// a second later than its pod at no cost, and this order leaves no Secret behind that nobody owns.
import type { V1Job } from '@kubernetes/client-node';
import { createVerdict } from '../domain/create-answer.ts';
import { nameTakenReason } from '../domain/dispatch-reasons.ts';
import type { DispatchRequest } from '../domain/dispatch-request.ts';
import type { ExecutorSettings } from '../domain/executor-settings.ts';
import { buildJob } from '../domain/job-manifest.ts';
import { type Installation, jobName } from '../domain/job-name.ts';
import { isOurs, nextStart } from '../domain/next-start.ts';
import { recordedVerdict } from '../domain/recorded-verdict.ts';
import type { Clock, JobStore } from '../ports.ts';
import { giveSecret, UNTIL_COLLECTED } from './give-secret.ts';
import { later, refusalOf, type StartResult, waitFor } from './start-result.ts';

/** What starting a Job needs. */
export interface StartDeps {
  readonly jobs: JobStore;
  readonly clock: Clock;
  readonly executor: ExecutorSettings;
  readonly installation: Installation;
}

/** A request, and what was decided about it. */
export interface StartRequest extends DispatchRequest {
  /** Whether the payload may still become a Job; one that exists is given it all the same. */
  readonly isFresh: boolean;
  /** True: no Job is made; one that exists is finished all the same. */
  readonly isPaused: boolean;
}

const PAUSED = 'dispatching is paused by the administrators (DispatchPaused)';

/**
 * Makes sure that the step has its Job and the Job its Secret.
 *
 * @param known the step's Jobs, as listed just before.
 */
export async function startJob(deps: StartDeps, request: StartRequest, known: readonly V1Job[]): Promise<StartResult> {
  const next = nextStart(request.ids, deps.installation, known);
  switch (next.kind) {
    case 'create':
      if (request.isPaused) return { kind: 'wait', cause: 'paused', text: PAUSED, wait: {}, mayRun: false };
      return request.isFresh ? create(deps, request, next.start) : { kind: 'stale' };
    case 'ensureSecret':
      return giveSecret(deps, request, next.job, 'exists');
    case 'done':
      return carriedVerdict(next.job) ?? { kind: 'exists', jobName: next.job.metadata?.name ?? '' };
    case 'retry':
      return later('beingDeleted', 'an older Job of this step is being deleted', { exactly: UNTIL_COLLECTED });
  }
}

async function create(deps: StartDeps, request: StartRequest, start: number): Promise<StartResult> {
  const { jobs, clock, executor, installation } = deps;
  const job = buildJob({ request, settings: executor, installation, start, now: clock.now() });
  const answer = await jobs.createJob(job);
  if (answer.kind === 'ok') return giveSecret(deps, request, answer.object, 'created');
  const verdict = createVerdict('Job', refusalOf(answer), executor.namespace);
  switch (verdict.kind) {
    case 'wait':
      // The Job that goes may have its executor in its last seconds; otherwise there is none.
      return waitFor(verdict, verdict.cause === 'beingDeleted');
    case 'terminal':
      return { kind: 'terminal', reason: verdict.reason, isStopped: false };
    case 'readByName': {
      const name = jobName(request.ids, installation, start);
      const found = await jobs.getJob(name);
      if (found === 'notFound') return later('noAnswer', 'the Kubernetes API gave no answer to the create', {});
      if (!isOurs(found, installation)) {
        return { kind: 'terminal', reason: nameTakenReason(name, executor.namespace), isStopped: false };
      }
      return startJob(deps, request, [found]);
    }
  }
}

/** An earlier delivery stopped the Job and was itself stopped before it could tell. */
function carriedVerdict(job: V1Job): StartResult | undefined {
  const verdict = recordedVerdict(job);
  if (typeof verdict !== 'object' || verdict.action !== 'fail') return undefined;
  const { title, evidence, advice } = verdict;
  return { kind: 'terminal', reason: { title, evidence, advice }, isStopped: true };
}
