// The settings of each function, from its environment: the only place that reads it. All faults are found at once, at
// start; no fault quotes a value, since some of them are secrets.
import * as v from 'valibot';
import { DispatcherError } from './domain/errors.ts';
import { type EnvVar, type ExecutorSettings, envProblems } from './domain/executor-settings.ts';
import { type Installation, installationOf } from './domain/job-name.ts';
import type { Patience } from './domain/payload-age.ts';
import { PAYLOAD_TRANSPORTS } from './domain/payload-transport.ts';
import { type Seconds, seconds } from './domain/time.ts';

/** A process environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

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

const text = v.pipe(v.string(), v.trim());
const optionalText = v.optional(text);
const url = (message: string) => v.pipe(text, v.regex(/^https?:\/\/[^\s/?#]+[^\s?#]*$/, message));
const httpUrl = url('must be a URL that begins with http:// or https:// and has no query');
const positive = (fallback: string) =>
  v.optional(
    v.pipe(text, v.regex(/^[1-9][0-9]{0,8}$/, 'must be a whole number of seconds, 1 or more'), v.transform(Number)),
    fallback,
  );
const bool = (fallback: 'true' | 'false') =>
  v.optional(
    v.pipe(
      text,
      v.picklist(['true', 'false'], 'must be true or false'),
      v.transform((value) => value === 'true'),
    ),
    fallback,
  );
const names = (fallback: string) =>
  v.optional(
    v.pipe(
      text,
      v.transform((value) =>
        value
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== ''),
      ),
      v.everyItem(
        (name) => /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name),
        'must be names of objects in the cluster, separated by commas',
      ),
    ),
    fallback,
  );

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
    ExecutorEphemeralNamespace: v.optional(
      v.pipe(text, v.regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a namespace')),
      'terrakube',
    ),
    ExecutorEphemeralImage: v.optional(
      v.pipe(text, v.regex(/^\S+$/, 'must be the name of an image')),
      'azbuilder/executor:2.22.0',
    ),
    ExecutorEphemeralSecret: names('terrakube-executor-secrets'),
    ExecutorEphemeralConfigMap: names(''),
    ExecutorEphemeralEnv: v.optional(v.pipe(text, v.transform(parseEnv), v.rawCheck(checkEnv)), ''),
    ExecutorEphemeralActiveDeadlineSeconds: positive('21000'),
    ExecutorEphemeralTerminationGracePeriodSeconds: positive('60'),
    ExecutorEphemeralTtlSecondsAfterFinished: positive('7200'),
    ExecutorEphemeralRunAsNonRoot: bool('true'),
    PayloadMaxAgeSeconds: positive('1500'),
    MaxStarts: v.optional(v.pipe(text, v.regex(/^[1-9]$/, 'must be 1 to 9'), v.transform(Number)), '3'),
    KeepAlive: bool('true'),
    DispatchPaused: bool('false'),
    PayloadTransport: v.optional(
      v.pipe(text, v.picklist(PAYLOAD_TRANSPORTS, 'must be file, secretEnv or env')),
      'file',
    ),
  },
  'is missing',
);

/** Loads intake's settings. @throws DispatcherError `configInvalid`, naming every setting that is wrong. */
export function loadIntakeConfig(environment: Environment): IntakeConfig {
  const { settings, faults } = parse(intakeSchema, environment);
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
  const { settings, faults } = parse(dispatchSchema, environment);
  const internalSecret = secretSetting('InternalSecret', environment, faults);
  const { EksEndpoint: endpoint, EksCertificateAuthority: caPem } = settings ?? {};
  if (settings && (endpoint === undefined) !== (caPem === undefined)) {
    faults.push('EksEndpoint, EksCertificateAuthority: give both, or neither and the cluster is asked for them');
  }
  if (!settings || !internalSecret || faults.length > 0) throw configInvalid(faults);
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
    executor: {
      namespace: settings.ExecutorEphemeralNamespace,
      image: settings.ExecutorEphemeralImage,
      secrets: settings.ExecutorEphemeralSecret,
      configMaps: settings.ExecutorEphemeralConfigMap,
      env: settings.ExecutorEphemeralEnv,
      activeDeadlineSeconds: asSeconds(settings.ExecutorEphemeralActiveDeadlineSeconds),
      terminationGracePeriodSeconds: asSeconds(settings.ExecutorEphemeralTerminationGracePeriodSeconds),
      ttlSecondsAfterFinished: asSeconds(settings.ExecutorEphemeralTtlSecondsAfterFinished),
      runAsNonRoot: settings.ExecutorEphemeralRunAsNonRoot,
      transport: settings.PayloadTransport,
    },
  };
}

/** An empty setting is an absent one, but for this list, where it means "none". */
const EMPTY_COUNTS = 'ExecutorEphemeralSecret';

function parse<const Schema extends v.GenericSchema>(schema: Schema, environment: Environment) {
  const given = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => value !== undefined && (value.trim() !== '' || name === EMPTY_COUNTS),
    ),
  );
  const parsed = v.safeParse(schema, given);
  const faults = parsed.success ? [] : parsed.issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);
  return { settings: parsed.success ? parsed.output : undefined, faults };
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

/** `k=v;k=v`, Terrakube's syntax: the first `=` divides, blanks at the ends are dropped. A pair without `=` has no name. */
function parseEnv(value: string): readonly EnvVar[] {
  return value
    .split(';')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const divider = pair.indexOf('=');
      return { name: pair.slice(0, Math.max(0, divider)).trim(), value: pair.slice(divider + 1).trim() };
    });
}

function checkEnv({ dataset, addIssue }: v.RawCheckContext<readonly EnvVar[]>): void {
  if (!dataset.typed) return;
  for (const message of envProblems(dataset.value)) addIssue({ message });
}

function decodePem(value: string): string {
  return value.startsWith('-----BEGIN') ? value : Buffer.from(value, 'base64').toString('utf8');
}

const asSeconds = (value: number): Seconds => seconds(value);

const configInvalid = (faults: readonly string[]): DispatcherError =>
  new DispatcherError('configInvalid', `The settings are wrong. ${faults.join('. ')}.`);
