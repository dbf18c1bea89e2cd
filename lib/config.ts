// The settings of each function, from its environment: the only place that reads it. All faults are found at once, at
// start; no fault quotes a value, since some of them are secrets.
import * as v from 'valibot';
import {
  type AwsSettings,
  awsEntries,
  awsSettings,
  type ClusterSettings,
  clusterEntries,
  clusterSettings,
  httpUrl,
  installationSetting,
  optionalText,
  type SecretSetting,
  secretEntries,
  secretSetting,
  terrakubeEntries,
} from './config/connections.ts';
import { readExecutorSettings } from './config/executor.ts';
import {
  activeDeadline,
  bool,
  type Environment,
  executorNamespace,
  parseSettings,
  positive,
  terminationGrace,
  text,
} from './config/parts.ts';
import { DispatcherError } from './domain/errors.ts';
import type { ExecutorSettings } from './domain/executor-settings.ts';
import type { Installation } from './domain/job-name.ts';
import type { Patience } from './domain/payload-age.ts';
import { type DurationMs, type Seconds, seconds, secondsToMs } from './domain/time.ts';
import type { VerdictSettings } from './domain/verdict-types.ts';

export type { AwsSettings, SecretSetting } from './config/connections.ts';
export type { Environment } from './config/parts.ts';

/** Settings of intake. */
export interface IntakeConfig {
  readonly aws: AwsSettings;
  readonly queueUrl: string;
  /** `jwt`: Terrakube's token; `path`: a secret in the URL, for Terrakube up to 2.30. */
  readonly auth: { readonly mode: 'jwt' | 'path'; readonly secret: SecretSetting };
}

/** Settings that a manifest is made of. */
export type ManifestConfig = Pick<DispatchConfig, 'installation' | 'executor'>;

/** Settings of dispatch. */
export interface DispatchConfig {
  readonly aws: AwsSettings;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly terrakubeApiUrl: string;
  readonly internalSecret: SecretSetting;
  readonly cluster: ClusterSettings;
  readonly installation: Installation;
  readonly executor: ExecutorSettings;
  readonly patience: Patience;
}

/** Settings of job-status. */
export interface JobStatusConfig {
  readonly aws: AwsSettings;
  readonly terrakubeApiUrl: string;
  readonly internalSecret: SecretSetting;
  readonly cluster: ClusterSettings;
  readonly installation: Installation;
  readonly namespace: string;
  readonly maxStarts: number;
  readonly settings: VerdictSettings;
}

/** Settings of reconcile. */
export interface ReconcileConfig extends JobStatusConfig {
  readonly deadLetterQueueUrl: string;
  /** It says what it would do, and does nothing. */
  readonly isReportOnly: boolean;
  /** It watches also when nothing is unfinished, since a Job that is made a moment later needs its eyes at once. */
  readonly watchesWhenIdle: boolean;
  /** How long it goes without a look at Terrakube. */
  readonly cancelPoll: DurationMs;
}

/** Settings of a plan of reconcile that is only looked at. */
export interface PlanConfig extends JobStatusConfig {
  readonly deadLetterQueueUrl: string | undefined;
}

const patienceEntries = {
  PayloadMaxAgeSeconds: positive('1500'),
  MaxStarts: v.optional(v.pipe(text, v.regex(/^[1-9]$/, 'must be 1 to 9'), v.transform(Number)), '3'),
  KeepAlive: bool('true'),
  DispatchPaused: bool('false'),
};

// Each schema is a function, so that the bundle of one function goes without the settings of the others.
const intakeSchema = () =>
  v.object(
    {
      ...awsEntries,
      ...secretEntries,
      QueueUrl: httpUrl,
      IntakeAuth: v.optional(v.pipe(text, v.picklist(['jwt', 'path'], 'must be jwt or path')), 'jwt'),
      IntakePathSecret: optionalText,
      IntakePathSecretId: optionalText,
    },
    'is missing',
  );

const dispatchSchema = () =>
  v.object(
    {
      ...awsEntries,
      ...secretEntries,
      QueueUrl: httpUrl,
      DeadLetterQueueUrl: httpUrl,
      ...terrakubeEntries,
      ...clusterEntries,
      ...patienceEntries,
    },
    'is missing',
  );

const manifestSchema = () => v.object(terrakubeEntries, 'is missing');

const jobStatusEntries = () => ({
  ...awsEntries,
  ...secretEntries,
  ...terrakubeEntries,
  ...clusterEntries,
  ...patienceEntries,
  ExecutorEphemeralNamespace: executorNamespace,
  ExecutorEphemeralActiveDeadlineSeconds: activeDeadline,
  ExecutorEphemeralTerminationGracePeriodSeconds: terminationGrace,
  SilentAfterSeconds: positive('1800'),
  OwnsAllSteps: bool('false'),
  CancelRunningApply: bool('false'),
});

const jobStatusSchema = () => v.object(jobStatusEntries(), 'is missing');

const reconcileSchema = () =>
  v.object(
    {
      ...jobStatusEntries(),
      DeadLetterQueueUrl: httpUrl,
      ReconcileMode: v.optional(v.pipe(text, v.picklist(['act', 'report'], 'must be act or report')), 'act'),
      WatchWhenIdle: bool('true'),
      CancelPollSeconds: positive('10'),
    },
    'is missing',
  );

const planSchema = () => v.object({ ...jobStatusEntries(), DeadLetterQueueUrl: v.optional(httpUrl) }, 'is missing');

/** Loads intake's settings. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadIntakeConfig(environment: Environment): IntakeConfig {
  const faults: string[] = [];
  const settings = parseSettings(intakeSchema(), environment, faults);
  const mode = settings?.IntakeAuth ?? 'jwt';
  const secret =
    mode === 'jwt'
      ? secretSetting('InternalSecret', environment, faults)
      : secretSetting('IntakePathSecret', environment, faults);
  if (!settings || !secret || faults.length > 0) throw configInvalid(faults);
  return { aws: awsSettings(settings), queueUrl: settings.QueueUrl, auth: { mode, secret } };
}

/** Loads dispatch's settings. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadDispatchConfig(environment: Environment): DispatchConfig {
  const faults: string[] = [];
  const settings = parseSettings(dispatchSchema(), environment, faults);
  const executor = readExecutorSettings(environment, faults);
  const internalSecret = secretSetting('InternalSecret', environment, faults);
  const cluster = settings && clusterSettings(settings, faults);
  if (!settings || !executor || !internalSecret || !cluster || faults.length > 0) throw configInvalid(faults);
  return {
    aws: awsSettings(settings),
    queueUrl: settings.QueueUrl,
    deadLetterQueueUrl: settings.DeadLetterQueueUrl,
    terrakubeApiUrl: settings.TerrakubeApiUrl,
    internalSecret,
    cluster,
    installation: installationSetting(settings),
    patience: patienceOf(settings),
    executor,
  };
}

/** Loads what a manifest is made of. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadManifestConfig(environment: Environment): ManifestConfig {
  const faults: string[] = [];
  const settings = parseSettings(manifestSchema(), environment, faults);
  const executor = readExecutorSettings(environment, faults);
  if (!settings || !executor || faults.length > 0) throw configInvalid(faults);
  return { executor, installation: installationSetting(settings) };
}

/** Loads the settings of job-status. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadJobStatusConfig(environment: Environment): JobStatusConfig {
  const faults: string[] = [];
  return jobStatusConfig(parseSettings(jobStatusSchema(), environment, faults), environment, faults);
}

/** Loads the settings of reconcile. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadReconcileConfig(environment: Environment): ReconcileConfig {
  const faults: string[] = [];
  const settings = parseSettings(reconcileSchema(), environment, faults);
  const config = jobStatusConfig(settings, environment, faults);
  if (!settings) throw configInvalid(faults);
  return {
    ...config,
    deadLetterQueueUrl: settings.DeadLetterQueueUrl,
    isReportOnly: settings.ReconcileMode === 'report',
    watchesWhenIdle: settings.WatchWhenIdle,
    cancelPoll: secondsToMs(asSeconds(settings.CancelPollSeconds)),
  };
}

/** Loads the settings of a plan. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadPlanConfig(environment: Environment): PlanConfig {
  const faults: string[] = [];
  const settings = parseSettings(planSchema(), environment, faults);
  return {
    ...jobStatusConfig(settings, environment, faults),
    deadLetterQueueUrl: settings?.DeadLetterQueueUrl,
  };
}

type JobStatusSettings = v.InferOutput<v.ObjectSchema<ReturnType<typeof jobStatusEntries>, string>>;

function jobStatusConfig(
  settings: JobStatusSettings | undefined,
  environment: Environment,
  faults: string[],
): JobStatusConfig {
  const internalSecret = secretSetting('InternalSecret', environment, faults);
  const cluster = settings && clusterSettings(settings, faults);
  if (!settings || !internalSecret || !cluster || faults.length > 0) throw configInvalid(faults);
  const { payloadMaxAge, maxStarts, keepAlive, isPaused } = patienceOf(settings);
  return {
    aws: awsSettings(settings),
    terrakubeApiUrl: settings.TerrakubeApiUrl,
    internalSecret,
    cluster,
    installation: installationSetting(settings),
    namespace: settings.ExecutorEphemeralNamespace,
    maxStarts,
    settings: {
      payloadMaxAge: secondsToMs(payloadMaxAge),
      silentAfter: secondsToMs(asSeconds(settings.SilentAfterSeconds)),
      deadline: secondsToMs(
        asSeconds(
          settings.ExecutorEphemeralActiveDeadlineSeconds + settings.ExecutorEphemeralTerminationGracePeriodSeconds,
        ),
      ),
      ownsAllSteps: settings.OwnsAllSteps,
      isDispatchPaused: isPaused,
      cancelRunningApply: settings.CancelRunningApply,
      keepAlive,
    },
  };
}

const patienceOf = (settings: v.InferOutput<v.ObjectSchema<typeof patienceEntries, string>>): Patience => ({
  payloadMaxAge: asSeconds(settings.PayloadMaxAgeSeconds),
  maxStarts: settings.MaxStarts,
  keepAlive: settings.KeepAlive,
  isPaused: settings.DispatchPaused,
});

const asSeconds = (value: number): Seconds => seconds(value);

const configInvalid = (faults: readonly string[]): DispatcherError =>
  new DispatcherError('configInvalid', `The settings are wrong. ${faults.join('. ')}.`);
