// Tokens of EKS that are signed well and wrong otherwise, as no client of the product makes them.

import type { AwsCredentials } from '../../../local/aws/credentials.ts';
import { LOCAL_REGION } from '../../../local/aws/credentials.ts';
import { signatureOf } from '../../support/signature-v4.ts';

/** What a token says. */
export interface PresignedTokenOptions {
  readonly credentials: AwsCredentials;
  readonly clusterName: string;
  /** Default is STS of the local region. */
  readonly host?: string;
  /** Default is both. */
  readonly signedHeaders?: readonly string[];
  /** Parameters in place of the right ones. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** The host that the right tokens are for. */
export const STS_HOST: string = `sts.${LOCAL_REGION}.amazonaws.com`;

/** Makes a token of this moment; without any option it is a good one. */
export function presignedToken(options: PresignedTokenOptions): string {
  const { credentials, clusterName, host = STS_HOST, signedHeaders = ['host', 'x-k8s-aws-id'] } = options;
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const query = {
    Action: 'GetCallerIdentity',
    Version: '2011-06-15',
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${accessKeyId}/${date.slice(0, 8)}/${LOCAL_REGION}/sts/aws4_request`,
    'X-Amz-Date': date,
    'X-Amz-Expires': '60',
    ...(sessionToken === undefined ? {} : { 'X-Amz-Security-Token': sessionToken }),
    'X-Amz-SignedHeaders': signedHeaders.join(';'),
    ...options.parameters,
  };
  const signature = signatureOf({ query, headers: { host, 'x-k8s-aws-id': clusterName }, secretAccessKey });
  return tokenOf(new URL(`https://${host}/?${new URLSearchParams({ ...query, 'X-Amz-Signature': signature })}`));
}

/** The request in a token. */
export const urlIn = (token: string): URL =>
  new URL(Buffer.from(token.replace('k8s-aws-v1.', ''), 'base64url').toString('utf8'));

/** The token with this request in it. */
export const tokenOf = (url: URL): string => `k8s-aws-v1.${Buffer.from(url.href, 'utf8').toString('base64url')}`;
