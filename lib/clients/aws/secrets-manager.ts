// GetSecretValue. Only sandboxes whose secrets are in Secrets Manager load this file.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DispatcherError } from '../../domain/errors.ts';
import type { AwsCredentials } from '../aws-credentials.ts';

/** Longest wait for a connection and for an answer: Terrakube waits for intake meanwhile. */
const CONNECTION_TIMEOUT_MS = 2000;
const REQUEST_TIMEOUT_MS = 4000;

/** Reads a secret's text. IAM: `secretsmanager:GetSecretValue`. @throws DispatcherError `secretUnavailable` */
export async function getSecretValue(input: {
  readonly secretId: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}): Promise<string> {
  const { secretId, region, credentials } = input;
  const client = new SecretsManagerClient({
    region,
    credentials,
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
    if (SecretString === undefined) throw new DispatcherError('secretUnavailable', `Secret ${secretId} holds no text.`);
    return SecretString;
  } catch (error) {
    if (error instanceof DispatcherError) throw error;
    const name = error instanceof Error ? error.name : 'no answer';
    throw new DispatcherError('secretUnavailable', `Secret ${secretId} cannot be read (${name}).`, { cause: error });
  } finally {
    client.destroy();
  }
}
