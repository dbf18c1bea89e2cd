// Builders of what verdicts are taken from: outcomes, facts and settings. A test says only what it is about.
import type { Blocker, Finding } from '../../lib/domain/finding.ts';
import type { JobOutcome } from '../../lib/domain/job-outcome.ts';
import { type DurationMs, durationMs, type EpochMs, epochMs } from '../../lib/domain/time.ts';
import type { StepFacts, VerdictInput, VerdictSettings } from '../../lib/domain/verdict.ts';
import { ids, NOON, terrakubeJob } from './builders.ts';

type Kind = JobOutcome['kind'];
type Outcome<K extends Kind> = Extract<JobOutcome, { kind: K }>;

/** A moment this many seconds before {@link NOON}. */
export const secondsAgo = (seconds: number): EpochMs => epochMs(NOON - seconds * 1000);

/** So many seconds. */
export const lasting = (seconds: number): DurationMs => durationMs(seconds * 1000);

const always = { intent: undefined, start: 1, type: 'terraformPlan' } as const;

/** What was found at a Job whose pod was preempted: it may pass. */
export const finding = (changes: Partial<Finding> = {}): Finding => ({
  cause: 'disrupted',
  title: 'the pod was preempted',
  evidence: 'Pod condition DisruptionTarget: PreemptionByScheduler.',
  restartable: true,
  ...changes,
});

/** What a Job waits for: an image that may not be pulled, for two minutes at most. */
export const blocker = (changes: Partial<Blocker> = {}): Blocker => ({
  cause: 'imagePull',
  title: 'image x:1 cannot be pulled: unauthorized',
  evidence: 'ImagePullBackOff: unauthorized.',
  restartable: false,
  grace: lasting(120),
  ...changes,
});

/** No node fits; as long as the payload is fresh, that may pass. */
export const noNode: Blocker = {
  cause: 'unschedulable',
  title: 'no node fits: 0/5 nodes are available',
  evidence: 'PodScheduled=False Unschedulable: 0/5 nodes are available.',
  restartable: true,
  grace: 'payloadAge',
};

/** No such Job. */
export const missing = (changes: Partial<Outcome<'missing'>> = {}): Outcome<'missing'> => ({
  kind: 'missing',
  hasPods: false,
  ...changes,
});

/** Made suspended a minute ago. */
export const suspended = (changes: Partial<Outcome<'suspended'>> = {}): Outcome<'suspended'> => ({
  kind: 'suspended',
  ...always,
  everStarted: 'no',
  since: secondsAgo(60),
  ...changes,
});

/** Waiting for nothing in particular, for ten seconds. */
export const waiting = (changes: Partial<Outcome<'waiting'>> = {}): Outcome<'waiting'> => ({
  kind: 'waiting',
  ...always,
  blocker: undefined,
  everStarted: 'no',
  since: secondsAgo(10),
  ...changes,
});

/** Running for a minute. */
export const running = (changes: Partial<Outcome<'running'>> = {}): Outcome<'running'> => ({
  kind: 'running',
  ...always,
  everStarted: 'yes',
  startedAt: secondsAgo(60),
  ...changes,
});

/** Ending for ten seconds. */
export const stopping = (changes: Partial<Outcome<'stopping'>> = {}): Outcome<'stopping'> => ({
  kind: 'stopping',
  ...always,
  since: secondsAgo(10),
  graceMs: lasting(60),
  node: 'ip-10-0-1-7',
  ...changes,
});

/** Complete for five minutes. */
export const succeeded = (changes: Partial<Outcome<'succeeded'>> = {}): Outcome<'succeeded'> => ({
  kind: 'succeeded',
  ...always,
  everStarted: 'yes',
  endedAt: secondsAgo(300),
  ...changes,
});

/** Failed two seconds ago: preempted before it had started. */
export const failed = (changes: Partial<Outcome<'failed'>> = {}): Outcome<'failed'> => ({
  kind: 'failed',
  ...always,
  ...finding(),
  everStarted: 'no',
  endedAt: secondsAgo(2),
  isSuspended: false,
  ...changes,
});

/** The only Job of its step and job, for which two starts are left, and nothing has been seen for long. */
export const stepFacts = (changes: Partial<StepFacts> = {}): StepFacts => ({
  isNewest: true,
  hasOtherJobOfStep: false,
  hasUnfinishedJobOfTerrakubeJob: false,
  hasOtherJobOfTerrakubeJob: false,
  startsLeft: 2,
  payloadAge: lasting(60),
  unchangedFor: lasting(0),
  ...changes,
});

/** The settings that an installation has when it sets none. */
export const verdictSettings = (changes: Partial<VerdictSettings> = {}): VerdictSettings => ({
  payloadMaxAge: lasting(1500),
  silentAfter: lasting(1800),
  deadline: lasting(21_060),
  ownsAllSteps: false,
  isDispatchPaused: false,
  cancelRunningApply: false,
  keepAlive: true,
  ...changes,
});

/** What {@link verdictInput} may be given. */
export interface InputChanges extends Partial<Omit<VerdictInput, 'facts' | 'settings'>> {
  readonly facts?: Partial<StepFacts>;
  readonly settings?: Partial<VerdictSettings>;
}

/** A waiting Job of a plan whose step is pending, at {@link NOON}. */
export const verdictInput = ({ facts, settings, ...changes }: InputChanges = {}): VerdictInput => ({
  ids: ids(),
  outcome: waiting(),
  terrakube: terrakubeJob(),
  now: NOON,
  ...changes,
  facts: stepFacts(facts),
  settings: verdictSettings(settings),
});
