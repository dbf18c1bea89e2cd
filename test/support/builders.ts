// Builders of values for tests: each gives a sensible whole, and a test says only what it is about.
import type { V1Job } from '@kubernetes/client-node';
import type { ApiRefusal } from '../../lib/domain/create-answer.ts';
import {
  type DispatchIds,
  type DispatchRequest,
  dispatchIds,
  type OversizedRequest,
  stepId,
} from '../../lib/domain/dispatch-request.ts';
import { NO_OPTIONS } from '../../lib/domain/ephemeral-options.ts';
import type { ExecutorSettings } from '../../lib/domain/executor-settings.ts';
import type { Reason } from '../../lib/domain/failure-text.ts';
import type { GuardRails } from '../../lib/domain/guard-rails.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import type { Patience } from '../../lib/domain/payload-age.ts';
import { type RecordedVerdict, verdictText } from '../../lib/domain/recorded-verdict.ts';
import type { TerrakubeJob, TerrakubeStep } from '../../lib/domain/terrakube-job.ts';
import { type EpochMs, epochMs, seconds } from '../../lib/domain/time.ts';
import { readRequestedOptions } from '../../lib/schemas/payload-options.ts';

/** The installation of all builders. */
export const INSTALLATION = 'a1b2c3d4';

/** The moment at which tests begin: 2026-11-24T20:41:37.504Z. */
export const NOON: EpochMs = epochMs(Date.UTC(2026, 10, 24, 20, 41, 37, 504));

/** Five ids. */
export const ids = (changes: Partial<Record<keyof DispatchIds, string>> = {}): DispatchIds =>
  dispatchIds({
    organizationId: 'd9b58bd3-f3fc-4056-a026-1163297e80a8',
    workspaceId: '9ab83fc6-8726-4fe3-8e0b-e3880b98f012',
    jobId: '17',
    stepId: '3fed47b3-cbb9-427c-b9e7-5bc0469c7201',
    type: 'terraformPlan',
    ...changes,
  });

/** Values of {@link payload} that must never be seen anywhere but in the payload's own Secret. */
export const PAYLOAD_SECRETS: readonly string[] = [
  'ghp_vcsTokenOfTheWorkspace',
  'BEGIN OPENSSH PRIVATE KEY',
  'hunter2-in-a-variable',
  'hunter3-in-the-environment',
];

/** A payload: the five ids, and in it {@link PAYLOAD_SECRETS}. */
export const payload = (of: DispatchIds = ids(), more: Readonly<Record<string, unknown>> = {}): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      commandList: null,
      onFailureList: null,
      type: of.type,
      organizationId: of.organizationId,
      workspaceId: of.workspaceId,
      jobId: of.jobId,
      stepId: of.stepId,
      terraformVersion: '1.9.8',
      accessToken: PAYLOAD_SECRETS[0],
      moduleSshKey: `-----${PAYLOAD_SECRETS[1]}-----\nabc\n`,
      variables: { password: PAYLOAD_SECRETS[2] },
      environmentVariables: { TF_TOKEN: PAYLOAD_SECRETS[3] },
      ...more,
    }),
    'utf8',
  );

/** A request that was accepted at {@link NOON}. */
export function request(changes: Partial<DispatchRequest> = {}): DispatchRequest {
  const of = changes.ids ?? ids();
  const { payload: bytes = payload(of) } = changes;
  return { ids: of, payload: bytes, asked: readRequestedOptions(bytes), acceptedAt: NOON, ...changes };
}

/** A notice that a payload was too large for the queue. */
export const oversized = (changes: Partial<OversizedRequest> = {}): OversizedRequest => ({
  ids: ids(),
  bodyBytes: 1_203_847,
  limitBytes: 786_432,
  acceptedAt: NOON,
  ...changes,
});

/** A step that waits for its executor. */
export const step = (changes: Partial<TerrakubeStep> = {}): TerrakubeStep => ({
  id: ids().stepId,
  stepNumber: 100,
  status: 'pending',
  name: 'Terraform Plan',
  output: null,
  ...changes,
});

/** A job in `queue` whose only step waits for its executor. */
export const terrakubeJob = (changes: Partial<TerrakubeJob> = {}): TerrakubeJob => ({
  status: 'queue',
  comments: null,
  steps: [step()],
  ...changes,
});

/** A later step of the same job. */
export const laterStep = (changes: Partial<TerrakubeStep> = {}): TerrakubeStep =>
  step({ id: stepId('f6f317b1-74ac-4f75-9295-742200abbb01'), stepNumber: 200, name: 'Terraform Apply', ...changes });

/** How patient dispatch is. */
export const patience = (changes: Partial<Patience> = {}): Patience => ({
  payloadMaxAge: seconds(1500),
  maxStarts: 3,
  keepAlive: true,
  isPaused: false,
  ...changes,
});

/** A policy: the one that counts when `GuardRails` is not set. */
export const guardRails = (changes: Partial<GuardRails> = {}): GuardRails => ({
  patterns: {},
  maxima: {},
  allowPrivilegeEscalation: false,
  allowRunAsRoot: false,
  ...changes,
});

/** Settings of executors. */
export const executorSettings = (changes: Partial<ExecutorSettings> = {}): ExecutorSettings => ({
  namespace: 'terrakube',
  image: 'azbuilder/executor:2.33.0',
  secrets: ['terrakube-executor-secrets'],
  configMaps: [],
  env: [],
  activeDeadlineSeconds: seconds(21_000),
  terminationGracePeriodSeconds: seconds(60),
  ttlSecondsAfterFinished: seconds(7200),
  transport: 'file',
  runAsNonRoot: true,
  imagePullSecrets: [],
  options: NO_OPTIONS,
  guardRails: guardRails(),
  requireOptIn: false,
  ...changes,
});

/** A reason in three parts. */
export const reason = (changes: Partial<Reason> = {}): Reason => ({
  title: 'the Job was refused',
  evidence: 'The Kubernetes API answered 422 Invalid: no image.',
  advice: 'Correct the setting.',
  ...changes,
});

/** A verdict as it stands in a Job's annotation. */
export const recordedVerdict = (changes: Partial<RecordedVerdict> = {}): RecordedVerdict => ({
  ...reason(),
  action: 'fail',
  cause: 'payloadMissing',
  at: '2026-11-24T20:41:40.000Z',
  ...changes,
});

/** How a Job of a step looks in the cluster. */
export interface JobLook {
  readonly of?: DispatchIds;
  readonly start?: number;
  readonly ended?: 'Complete' | 'Failed';
  readonly verdict?: RecordedVerdict | string;
  readonly isBeingDeleted?: boolean;
  readonly installation?: string;
  readonly payload?: Uint8Array;
}

/** A Job of a step, as the cluster has it. */
export function kubernetesJob(look: JobLook = {}): V1Job {
  const of = look.of ?? ids();
  const { start = 1, installation = INSTALLATION } = look;
  const job = buildJob({
    request: { ids: of, payload: look.payload ?? payload(of), acceptedAt: NOON },
    settings: executorSettings(),
    installation,
    start,
    now: NOON,
  });
  const verdict = typeof look.verdict === 'object' ? verdictText(look.verdict) : look.verdict;
  return {
    ...job,
    metadata: {
      ...job.metadata,
      name: jobName(of, installation, start),
      uid: `uid-of-start-${start}`,
      resourceVersion: '1',
      ...(look.isBeingDeleted ? { deletionTimestamp: new Date(NOON) } : {}),
      annotations: {
        ...job.metadata?.annotations,
        ...(verdict === undefined ? {} : { 'terrakube.io/verdict': verdict }),
      },
    },
    status: look.ended === undefined ? { active: 1 } : { conditions: [{ type: look.ended, status: 'True' }] },
  };
}

/** A refusal of the Kubernetes API. */
export const refusal = (changes: Partial<ApiRefusal> = {}): ApiRefusal => ({
  status: 403,
  reason: 'Forbidden',
  message: 'admission webhook "policy.example.com" denied the request: no',
  causes: [],
  ...changes,
});
