// The settings of each function, from its environment: the only place that reads it. All faults are found at once, at
// start; no fault quotes a value, since some of them are secrets.
import * as v from 'valibot';
import { readExecutorSettings } from './config/executor.ts';
import { bool, type Environment, parseSettings, positive, text } from './config/parts.ts';
import { DispatcherError } from './domain/errors.ts';
import type { ExecutorSettings } from './domain/executor-settings.ts';
import { type Installation, installationOf } from './domain/job-name.ts';
import type { Patience } from './domain/payload-age.ts';
import { type Seconds, seconds } from './domain/time.ts';

export type { Environment } from './config/parts.ts';

/** A secret: the value itself, or its name in Secrets Manager. */
export type SecretSetting = { readonly value: string } | { readonly secretId: string };

/** AWS keys from the environment, where Lambda puts the ones of the function's role. */
export interface AwsSettings {
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

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
  readonly cluster: {
    readonly name: string;
    readonly region: string;
    /** Role to assume for a cluster in another account. */
    readonly roleArn?: string;
    readonly address?: { readonly endpoint: string; readonly caPem: string };
  };
  readonly installation: Installation;
  readonly executor: ExecutorSettings;
  readonly patience: Patience;
}

const optionalText = v.optional(text);
// @__NO_SIDE_EFFECTS__
const url = (message: string) => v.pipe(text, v.regex(/^https?:\/\/[^\s/?#]+[^\s?#]*$/, message));
const httpUrl = url('must be a URL that begins with http:// or https:// and has no query');
const awsEntries = {
  AWS_REGION: text,
  AWS_ACCESS_KEY_ID: text,
  AWS_SECRET_ACCESS_KEY: text,
  AWS_SESSION_TOKEN: optionalText,
};
const secretEntries = { InternalSecret: optionalText, InternalSecretId: optionalText };

const intakeSchema = v.object(
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

const dispatchSchema = v.object(
  {
    ...awsEntries,
    ...secretEntries,
    QueueUrl: httpUrl,
    DeadLetterQueueUrl: httpUrl,
    TerrakubeApiUrl: httpUrl,
    Installation: v.optional(v.pipe(text, v.regex(/^[a-z0-9]{1,16}$/, 'must be 1 to 16 of a-z and 0-9'))),
    EksClusterName: v.pipe(text, v.regex(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, 'must be the name of an EKS cluster')),
    EksRegion: optionalText,
    EksRoleArn: v.optional(
      v.pipe(text, v.regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/\S+$/, 'must be the ARN of an IAM role')),
    ),
    EksEndpoint: v.optional(
      v.pipe(
        text,
        v.regex(/^https:\/\/[^\s/?#]+\/?$/, 'must begin with https:// and have no path'),
        // The generated client puts its paths right behind it, and they begin with a slash.
        v.transform((value) => value.replace(/\/$/, '')),
      ),
    ),
    EksCertificateAuthority: v.optional(
      v.pipe(
        text,
        v.transform(decodePem),
        v.startsWith(
          '-----BEGIN CERTIFICATE-----',
          'must be the base64 of a PEM certificate, as DescribeCluster gives it',
        ),
      ),
    ),
    PayloadMaxAgeSeconds: positive('1500'),
    MaxStarts: v.optional(v.pipe(text, v.regex(/^[1-9]$/, 'must be 1 to 9'), v.transform(Number)), '3'),
    KeepAlive: bool('true'),
    DispatchPaused: bool('false'),
  },
  'is missing',
);

const manifestSchema = v.object(
  { TerrakubeApiUrl: dispatchSchema.entries.TerrakubeApiUrl, Installation: dispatchSchema.entries.Installation },
  'is missing',
);

/** Loads intake's settings. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadIntakeConfig(environment: Environment): IntakeConfig {
  const faults: string[] = [];
  const settings = parseSettings(intakeSchema, environment, faults);
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
  const settings = parseSettings(dispatchSchema, environment, faults);
  const executor = readExecutorSettings(environment, faults);
  const internalSecret = secretSetting('InternalSecret', environment, faults);
  const { EksEndpoint: endpoint, EksCertificateAuthority: caPem } = settings ?? {};
  if (settings && (endpoint === undefined) !== (caPem === undefined)) {
    faults.push('EksEndpoint, EksCertificateAuthority: give both, or neither and the cluster is asked for them');
  }
  if (!settings || !executor || !internalSecret || faults.length > 0) throw configInvalid(faults);
  return {
    aws: awsSettings(settings),
    queueUrl: settings.QueueUrl,
    deadLetterQueueUrl: settings.DeadLetterQueueUrl,
    terrakubeApiUrl: settings.TerrakubeApiUrl,
    internalSecret,
    cluster: {
      name: settings.EksClusterName,
      region: settings.EksRegion ?? settings.AWS_REGION,
      ...(settings.EksRoleArn === undefined ? {} : { roleArn: settings.EksRoleArn }),
      ...(endpoint === undefined || caPem === undefined ? {} : { address: { endpoint, caPem } }),
    },
    installation: settings.Installation ?? installationOf(settings.TerrakubeApiUrl),
    patience: {
      payloadMaxAge: asSeconds(settings.PayloadMaxAgeSeconds),
      maxStarts: settings.MaxStarts,
      keepAlive: settings.KeepAlive,
      isPaused: settings.DispatchPaused,
    },
    executor,
  };
}

/** Loads what a manifest is made of. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadManifestConfig(environment: Environment): ManifestConfig {
  const faults: string[] = [];
  const settings = parseSettings(manifestSchema, environment, faults);
  const executor = readExecutorSettings(environment, faults);
  if (!settings || !executor || faults.length > 0) throw configInvalid(faults);
  return { executor, installation: settings.Installation ?? installationOf(settings.TerrakubeApiUrl) };
}

function secretSetting(name: string, environment: Environment, faults: string[]): SecretSetting | undefined {
  const value = environment[name]?.trim() || undefined;
  const secretId = environment[`${name}Id`]?.trim() || undefined;
  if (secretId !== undefined && value === undefined) return { secretId };
  if (value !== undefined && secretId === undefined) return { value };
  const problem = value === undefined ? 'one of them is needed' : 'give only one of them';
  faults.push(`${name}Id, ${name}: ${problem}`);
  return undefined;
}

const awsSettings = (settings: v.InferOutput<v.ObjectSchema<typeof awsEntries, string>>): AwsSettings => ({
  region: settings.AWS_REGION,
  credentials: {
    accessKeyId: settings.AWS_ACCESS_KEY_ID,
    secretAccessKey: settings.AWS_SECRET_ACCESS_KEY,
    ...(settings.AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: settings.AWS_SESSION_TOKEN }),
  },
});

function decodePem(value: string): string {
  return value.startsWith('-----BEGIN') ? value : Buffer.from(value, 'base64').toString('utf8');
}

const asSeconds = (value: number): Seconds => seconds(value);

const configInvalid = (faults: readonly string[]): DispatcherError =>
  new DispatcherError('configInvalid', `The settings are wrong. ${faults.join('. ')}.`);
