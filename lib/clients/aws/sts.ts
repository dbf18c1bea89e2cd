// AssumeRole. Only functions with EksRoleArn load this file.
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import type { AwsCredentials } from '../aws-credentials.ts';
import { CALL_LIMITS } from './call-limits.ts';

/** The keys of an assumed role, as STS gives them. */
export interface AssumedKeys {
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
  readonly expiration: Date | undefined;
}

/** Assumes a role. IAM: `sts:AssumeRole` on it. @throws the SDK's errors */
export async function assumeRole(input: {
  readonly roleArn: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}): Promise<AssumedKeys> {
  const { roleArn, region, credentials } = input;
  const client = new STSClient({ region, credentials, ...CALL_LIMITS });
  try {
    const { Credentials } = await client.send(
      new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'terrakube-dispatcher' }),
    );
    return {
      accessKeyId: Credentials?.AccessKeyId,
      secretAccessKey: Credentials?.SecretAccessKey,
      sessionToken: Credentials?.SessionToken,
      expiration: Credentials?.Expiration,
    };
  } finally {
    client.destroy();
  }
}
