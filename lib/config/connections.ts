// Settings that several functions share: where the cluster, Terrakube and AWS are, and as whom to speak to them.
import * as v from 'valibot';
import { type Installation, installationOf } from '../domain/job-name.ts';
import { type Environment, text, type WithDefault } from './parts.ts';

/** A setting that has to be given. */
type Field<Output> = v.GenericSchema<string, Output>;

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

/** Where the cluster is, and as whom to sign in. */
export interface ClusterSettings {
  readonly name: string;
  readonly region: string;
  /** Role to assume for a cluster in another account. */
  readonly roleArn?: string;
  readonly address?: { readonly endpoint: string; readonly caPem: string };
}

/** A text that may be absent. */
export const optionalText: WithDefault<string | undefined> = v.optional(text);
// @__NO_SIDE_EFFECTS__
const url = (message: string) => v.pipe(text, v.regex(/^https?:\/\/[^\s/?#]+[^\s?#]*$/, message));
/** A URL without a query. */
export const httpUrl: Field<string> = url('must be a URL that begins with http:// or https:// and has no query');
/** What Lambda gives a function. */
export const awsEntries: {
  readonly AWS_REGION: Field<string>;
  readonly AWS_ACCESS_KEY_ID: Field<string>;
  readonly AWS_SECRET_ACCESS_KEY: Field<string>;
  readonly AWS_SESSION_TOKEN: WithDefault<string | undefined>;
} = {
  AWS_REGION: text,
  AWS_ACCESS_KEY_ID: text,
  AWS_SECRET_ACCESS_KEY: text,
  AWS_SESSION_TOKEN: optionalText,
};
/** Terrakube's InternalSecret. */
export const secretEntries: {
  readonly InternalSecret: WithDefault<string | undefined>;
  readonly InternalSecretId: WithDefault<string | undefined>;
} = { InternalSecret: optionalText, InternalSecretId: optionalText };

/** Which Terrakube it is. */
export const terrakubeEntries: {
  readonly TerrakubeApiUrl: Field<string>;
  readonly Installation: WithDefault<string | undefined>;
} = {
  TerrakubeApiUrl: httpUrl,
  Installation: v.optional(v.pipe(text, v.regex(/^[a-z0-9]{1,16}$/, 'must be 1 to 16 of a-z and 0-9'))),
};
/** Which cluster it is. */
export const clusterEntries: {
  readonly EksClusterName: Field<string>;
  readonly EksRegion: WithDefault<string | undefined>;
  readonly EksRoleArn: WithDefault<string | undefined>;
  readonly EksEndpoint: WithDefault<string | undefined>;
  readonly EksCertificateAuthority: WithDefault<string | undefined>;
} = {
  EksClusterName: v.pipe(text, v.regex(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, 'must be the name of an EKS cluster')),
  EksRegion: optionalText,
  EksRoleArn: v.optional(
    v.pipe(text, v.regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/\S+$/, 'must be the ARN of an IAM role')),
  ),
  EksEndpoint: v.optional(
    v.pipe(
      text,
      v.regex(/^https:\/\/[^\s/?#]+\/?$/, 'must begin with https:// and have no path'),
      // Paths are put right behind it, and they begin with a slash.
      v.transform((value) => value.replace(/\/$/, '')),
    ),
  ),
  EksCertificateAuthority: v.optional(
    v.pipe(
      text,
      v.transform(decodePem),
      v.regex(/^-----BEGIN CERTIFICATE-----/, 'must be the base64 of a PEM certificate, as DescribeCluster gives it'),
    ),
  ),
};

type Settings<Entries extends v.ObjectEntries> = v.InferOutput<v.ObjectSchema<Entries, string>>;

/** The installation that the settings name, or the one that their URL stands for. */
export const installationSetting = ({
  Installation,
  TerrakubeApiUrl,
}: Settings<typeof terrakubeEntries>): Installation => Installation ?? installationOf(TerrakubeApiUrl);

/** The cluster of the settings. @param faults takes half an address. */
export function clusterSettings(
  settings: Settings<typeof clusterEntries & typeof awsEntries>,
  faults: string[],
): ClusterSettings {
  const { EksEndpoint: endpoint, EksCertificateAuthority: caPem } = settings;
  if ((endpoint === undefined) !== (caPem === undefined)) {
    faults.push('EksEndpoint, EksCertificateAuthority: give both, or neither and the cluster is asked for them');
  }
  return {
    name: settings.EksClusterName,
    region: settings.EksRegion ?? settings.AWS_REGION,
    ...(settings.EksRoleArn === undefined ? {} : { roleArn: settings.EksRoleArn }),
    ...(endpoint === undefined || caPem === undefined ? {} : { address: { endpoint, caPem } }),
  };
}

/** A secret of which either the value or the id is given. @param faults takes a choice that was not made. */
export function secretSetting(name: string, environment: Environment, faults: string[]): SecretSetting | undefined {
  const value = environment[name]?.trim() || undefined;
  const secretId = environment[`${name}Id`]?.trim() || undefined;
  if (secretId !== undefined && value === undefined) return { secretId };
  if (value !== undefined && secretId === undefined) return { value };
  const problem = value === undefined ? 'one of them is needed' : 'give only one of them';
  faults.push(`${name}Id, ${name}: ${problem}`);
  return undefined;
}

/** The region and keys of a function. */
export const awsSettings = (settings: Settings<typeof awsEntries>): AwsSettings => ({
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
