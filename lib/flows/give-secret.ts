// Gives a Job its payload Secret, and lets a Job that was suspended until then start.
import type { V1Job } from '@kubernetes/client-node';
import { createVerdict } from '../domain/create-answer.ts';
import { type DispatchRequest, payloadHash } from '../domain/dispatch-request.ts';
import type { ExecutorSettings } from '../domain/executor-settings.ts';
import type { Reason } from '../domain/failure-text.ts';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { hasEnded } from '../domain/next-start.ts';
import { buildPayloadSecret } from '../domain/payload-secret.ts';
import { needsSecret } from '../domain/payload-transport.ts';
import { recordedVerdict } from '../domain/recorded-verdict.ts';
import { parseIsoTime, type Seconds, seconds } from '../domain/time.ts';
import type { Clock, JobStore } from '../ports.ts';
import { later, refusalOf, type StartResult, waitFor } from './start-result.ts';
import { stopJob } from './stop-job.ts';

/** What giving a Secret needs. */
export interface GiveSecretDeps {
  readonly jobs: JobStore;
  readonly clock: Clock;
  readonly executor: Pick<ExecutorSettings, 'namespace'>;
}

/** A name that is being given free, or a Secret that goes with its old Job: the garbage collector needs a moment. */
export const UNTIL_COLLECTED: Seconds = seconds(2);
/** A kubelet and a controller may change a Job between our read and our patch; three looks outlast that. */
const LOOKS = 3;

/** Nobody can say whether the Secret is there: an executor that has it must not be stopped. */
const MAY_NOT_READ = later('noAnswer', 'the dispatcher may not read Secrets; apply deploy/kubernetes', {});

/**
 * Makes sure that a Job has its payload.
 *
 * @param outcome what the Job is called when all is well: made by this delivery, or by an earlier one.
 */
export async function giveSecret(
  deps: GiveSecretDeps,
  request: DispatchRequest,
  job: V1Job,
  outcome: 'created' | 'exists',
): Promise<StartResult> {
  const owner = { name: job.metadata?.name ?? '', uid: job.metadata?.uid ?? '' };
  const { jobs } = deps;
  if (!needsSecret(job) || isOutdated(request, job)) return { kind: outcome, jobName: owner.name };
  const answer = await jobs.createSecret(buildPayloadSecret(job, owner, request.payload));
  if (answer.kind === 'ok') return resume(deps, job, outcome);
  const verdict = createVerdict('Secret', refusalOf(answer), deps.executor.namespace);
  switch (verdict.kind) {
    // Quotas, webhooks and policies refuse before the name is looked at: another delivery may have made the Secret.
    case 'wait':
      return isOwned(await jobs.getSecretOwners(owner.name), owner.uid)
        ? resume(deps, job, outcome)
        : waitFor(verdict, true);
    case 'terminal': {
      const owners = await jobs.getSecretOwners(owner.name);
      if (isOwned(owners, owner.uid)) return resume(deps, job, outcome);
      // The delivery that made the Job may have given it the Secret, too.
      if (owners === 'forbidden' && outcome === 'exists') return MAY_NOT_READ;
      return stopWithoutPayload(deps, owner.name, verdict.reason);
    }
    case 'readByName': {
      const owners = await jobs.getSecretOwners(owner.name);
      if (owners === 'forbidden') return MAY_NOT_READ;
      if (owners === 'notFound')
        return later('noAnswer', 'the Kubernetes API gave no answer to the create', { exactly: seconds(1) });
      return isOwned(owners, owner.uid)
        ? resume(deps, job, outcome)
        : later('beingDeleted', 'the Secret of an older Job is being deleted', { exactly: UNTIL_COLLECTED });
    }
  }
}

/** An old message must not give a newer start of its step the credentials that were renewed. */
function isOutdated({ payload, acceptedAt }: DispatchRequest, { metadata }: V1Job): boolean {
  const { [ANNOTATION.requestHash]: hash, [ANNOTATION.acceptedAt]: accepted = '' } = metadata?.annotations ?? {};
  const acceptedByJob = parseIsoTime(accepted);
  return acceptedByJob !== undefined && acceptedAt < acceptedByJob && hash !== payloadHash(payload);
}

/** Lets a suspended Job start, now that its Secret is there; not one that was judged or has ended meanwhile. */
async function resume(deps: GiveSecretDeps, job: V1Job, outcome: 'created' | 'exists'): Promise<StartResult> {
  const name = job.metadata?.name ?? '';
  let current: V1Job | 'notFound' = job;
  for (let look = 0; look < LOOKS; look += 1) {
    if (current === 'notFound') return later('beingDeleted', 'the Job was deleted', { exactly: UNTIL_COLLECTED });
    const isStarted = current.spec?.suspend !== true || hasEnded(current) || recordedVerdict(current) !== undefined;
    if (isStarted) return { kind: outcome, jobName: name };
    const resumed = await deps.jobs.resumeJob(name, current.metadata?.resourceVersion ?? '');
    if (resumed === 'patched') return { kind: outcome, jobName: name };
    current = await deps.jobs.getJob(name);
  }
  return later('noAnswer', 'the Job changes too often to be resumed', { exactly: seconds(1) });
}

const isOwned = (owners: Awaited<ReturnType<JobStore['getSecretOwners']>>, uid: string): boolean =>
  typeof owners !== 'string' && owners.includes(uid);

/** Without its payload the pod would wait for its volume until the Job's deadline. */
async function stopWithoutPayload(deps: GiveSecretDeps, name: string, reason: Reason): Promise<StartResult> {
  switch (await stopJob(deps, name, { action: 'fail', cause: 'payloadMissing', ...reason })) {
    // Without its payload it cannot run, whether it was there to stop and we may stop it or not: the user must know.
    case 'stopped':
    case 'gone':
    case 'forbidden':
      return { kind: 'terminal', reason, isStopped: true };
    // Somebody else judged it, or it ended by itself: what follows from that is not decided here.
    case 'alreadyStopped':
    case 'ended':
      return { kind: 'exists', jobName: name };
    case 'contended':
      return later('noAnswer', 'the Job changes too often to be stopped', { exactly: seconds(1) });
  }
}
