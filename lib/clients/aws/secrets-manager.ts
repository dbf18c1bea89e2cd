// GetSecretValue. Only sandboxes whose secrets are in Secrets Manager load this file.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DispatcherError } from '../../domain/errors.ts';
import type { AwsCredentials } from '../aws-credentials.ts';
import { CALL_LIMITS, faultName } from './calls.ts';

/** Reads a secret's text. IAM: `secretsmanager:GetSecretValue`. @throws DispatcherError `secretUnavailable` */
export async function getSecretValue(input: {
  readonly secretId: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}): Promise<string> {
  const { secretId, region, credentials } = input;
  const client = new SecretsManagerClient({ region, credentials, ...CALL_LIMITS });
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
    if (SecretString === undefined) throw new DispatcherError('secretUnavailable', `Secret ${secretId} holds no text.`);
    return SecretString;
  } catch (error) {
    if (error instanceof DispatcherError) throw error;
    throw new DispatcherError('secretUnavailable', `Secret ${secretId} cannot be read (${faultName(error)}).`, {
      cause: error,
    });
  } finally {
    client.destroy();
  }
}
