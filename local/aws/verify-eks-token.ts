/**
 * The authenticator of the stand-in cluster: what aws-iam-authenticator and STS do together with the bearer token of a
 * client of EKS, which is a presigned request of STS GetCallerIdentity. Instead of sending it to STS, its signature is
 * computed anew from the keys that are known here.
 *
 * @see https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go
 */
import { Sha256Node } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsCredentials } from './credentials.ts';

/** An identity that STS knows. */
export interface StsIdentity {
  readonly arn: string;
  readonly credentials: AwsCredentials;
}

/** What a token is checked against. */
export interface EksTokenCheck {
  readonly clusterName: string;
  readonly identities: readonly StsIdentity[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const PREFIX = 'k8s-aws-v1.';
const CLUSTER_HEADER = 'x-k8s-aws-id';
/** Both authenticator and STS count 15 min from X-Amz-Date, whatever X-Amz-Expires says below that. */
const LIFETIME_MS = 15 * 60_000;
const LONGEST_EXPIRES_SECONDS = 900;
/** STS refuses a signature from further in the future. */
const CLOCK_SKEW_MS = 5 * 60_000;
/** The regional endpoints; the dispatcher uses no other. */
const HOST = /^sts\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(\.cn)?$/;
const PARAMETERS = new Set([
  'Action',
  'Version',
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
]);

/** Says who sent the token, or `undefined` when the cluster would answer 401. */
export async function verifyEksToken(token: string, check: EksTokenCheck): Promise<{ arn: string } | undefined> {
  const url = presignedUrl(token);
  const region = url && HOST.exec(url.hostname)?.[1];
  if (!url || region === undefined || !isGetCallerIdentity(url)) {
    return undefined;
  }
  const signedAtMs = signingTime(url.searchParams.get('X-Amz-Date') ?? '');
  if (signedAtMs === undefined || check.now > signedAtMs + LIFETIME_MS || check.now < signedAtMs - CLOCK_SKEW_MS) {
    return undefined;
  }
  const [accessKeyId] = (url.searchParams.get('X-Amz-Credential') ?? '').split('/');
  const identity = check.identities.find(({ credentials }) => credentials.accessKeyId === accessKeyId);
  if (!identity) {
    return undefined;
  }
  const expected = await presign(url, region, new Date(signedAtMs), identity.credentials, check.clusterName);
  return sameParameters(url.searchParams, expected) ? { arn: identity.arn } : undefined;
}

function presignedUrl(token: string): URL | undefined {
  const encoded = token.startsWith(PREFIX) ? token.slice(PREFIX.length) : '';
  // Go's RawURLEncoding, which the authenticator uses, takes neither padding nor the other alphabet.
  return /^[A-Za-z0-9_-]+$/.test(encoded)
    ? (URL.parse(Buffer.from(encoded, 'base64url').toString()) ?? undefined)
    : undefined;
}

function isGetCallerIdentity(url: URL): boolean {
  const names = [...url.searchParams.keys()];
  const signedHeaders = (url.searchParams.get('X-Amz-SignedHeaders') ?? '').split(';');
  const expires = Number(url.searchParams.get('X-Amz-Expires') ?? Number.NaN);
  return (
    url.protocol === 'https:' &&
    url.port === '' &&
    url.pathname === '/' &&
    names.every((name) => PARAMETERS.has(name)) &&
    new Set(names).size === names.length &&
    url.searchParams.get('Action') === 'GetCallerIdentity' &&
    url.searchParams.get('Version') === '2011-06-15' &&
    signedHeaders.includes(CLUSTER_HEADER) &&
    signedHeaders.includes('host') &&
    Number.isInteger(expires) &&
    expires >= 0 &&
    expires <= LONGEST_EXPIRES_SECONDS
  );
}

/** `20261124T204137Z` as milliseconds since the epoch. */
function signingTime(text: string): number | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The same request, signed here: the authenticator always sends its own cluster's name in the signed header. */
async function presign(
  url: URL,
  region: string,
  signingDate: Date,
  credentials: AwsCredentials,
  clusterName: string,
): Promise<Readonly<Record<string, unknown>>> {
  const signer = new SignatureV4({ credentials, region, service: 'sts', sha256: Sha256Node });
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname: url.hostname,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: url.hostname, [CLUSTER_HEADER]: clusterName },
    },
    { signingDate, expiresIn: Number(url.searchParams.get('X-Amz-Expires')) },
  );
  return signed.query ?? {};
}

function sameParameters(given: URLSearchParams, expected: Readonly<Record<string, unknown>>): boolean {
  return given.size === Object.keys(expected).length && [...given].every(([name, value]) => expected[name] === value);
}
