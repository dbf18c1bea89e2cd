// The bearer token of an EKS cluster: a presigned STS GetCallerIdentity URL that names the cluster. Nothing is called to
// make one; the cluster's authenticator calls STS with it. The URL is a credential and appears in no error and no log.

import { Sha256Node } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import { durationMs, type EpochMs, epochMs } from '../domain/time.ts';
import type { AwsCredentials, CredentialSource } from './aws-credentials.ts';

/** Options of {@link createEksToken}. */
export interface EksTokenOptions {
  readonly clusterName: string;
  readonly region: string;
  readonly credentials: CredentialSource;
}

/** Gives the bearer token of the cluster. */
export interface EksToken {
  get(now: EpochMs): Promise<string>;
  /** Forgets this token, because the cluster refused it. A newer one is kept. */
  forget(token: string): void;
}

/** The authenticator ignores it and demands it: it accepts a token for 15 minutes from its date. */
const EXPIRES_SECONDS = 60;
/** The API server caches an authentication by the token's text, so a new token for each call would cost an STS round trip. */
const KEEP_MS = durationMs(10 * 60_000);

/**
 * Creates the token source of one cluster. A token is kept for 10 minutes, and not past the end of its credentials.
 *
 * IAM: none (`sts:GetCallerIdentity` needs no permission).
 * @see https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
 */
export function createEksToken({ clusterName, region, credentials }: EksTokenOptions): EksToken {
  let kept: { readonly token: string; readonly key: string; readonly until: EpochMs } | undefined;
  return {
    async get(now) {
      const current = await credentials(now);
      const key = `${current.accessKeyId} ${current.sessionToken ?? ''}`;
      if (kept && kept.key === key && now < kept.until) return kept.token;
      const token = await presign(clusterName, region, current, now);
      const until = Math.min(now + KEEP_MS, current.expiresAt ?? Number.POSITIVE_INFINITY);
      kept = { token, key, until: epochMs(until) };
      return token;
    },
    forget(token) {
      if (kept?.token === token) kept = undefined;
    },
  };
}

async function presign(
  clusterName: string,
  region: string,
  credentials: AwsCredentials,
  now: EpochMs,
): Promise<string> {
  const hostname = stsHostname(region);
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Sha256Node });
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: hostname, 'x-k8s-aws-id': clusterName },
    },
    { expiresIn: EXPIRES_SECONDS, signingDate: new Date(now) },
  );
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${name}=${encodeURIComponent(String(value))}`,
  );
  const url = `https://${hostname}/?${query.join('&')}`;
  return `k8s-aws-v1.${Buffer.from(url, 'utf8').toString('base64url')}`;
}

/** The regional endpoint; clusters in China are in a partition with another domain. */
const stsHostname = (region: string): string => `sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
