// GetSecretValue. Only sandboxes whose secrets are in Secrets Manager load this file.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { AwsCredentials } from '../aws-credentials.ts';
import { CALL_LIMITS } from './call-limits.ts';

/** Reads a secret's text; a binary secret has none. IAM: `secretsmanager:GetSecretValue`. @throws the SDK's errors */
export async function getSecretValue(input: {
  readonly secretId: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}): Promise<string | undefined> {
  const { secretId, region, credentials } = input;
  const client = new SecretsManagerClient({ region, credentials, ...CALL_LIMITS });
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
    return SecretString;
  } finally {
    client.destroy();
  }
}
