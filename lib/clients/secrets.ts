// Where a secret comes from: the environment, for local use, or Secrets Manager, kept for five minutes.
import { DispatcherError } from '../domain/errors.ts';
import { durationMs, type EpochMs } from '../domain/time.ts';
import type { SecretSource } from '../ports.ts';
import type { AwsCredentials, CredentialSource } from './aws-credentials.ts';
import { faultName } from './aws-fault.ts';

/** Options of {@link createSecretsManagerSecret}. */
export interface SecretsManagerOptions {
  /** Name or ARN. */
  readonly secretId: string;
  readonly region: string;
  readonly credentials: CredentialSource;
}

const KEEP_MS = durationMs(5 * 60_000);
/** A flood of wrong tokens must not become a flood of calls, least of all while they fail. */
const ASK_AT_MOST_EVERY_MS = durationMs(60_000);

/** A secret as the settings give it: the value, or its name in Secrets Manager. IAM: then what createSecretsManagerSecret needs. */
export function createSecret(
  setting: { readonly value: string } | { readonly secretId: string },
  aws: { readonly region: string; readonly credentials: AwsCredentials },
): SecretSource {
  if ('value' in setting) return createFixedSecret(setting.value);
  const credentials = () => Promise.resolve(aws.credentials);
  return createSecretsManagerSecret({ secretId: setting.secretId, region: aws.region, credentials });
}

/** A secret that was given as it is. It never changes. */
export const createFixedSecret = (value: string): SecretSource => ({
  get: () => Promise.resolve(value),
  refresh: () => Promise.resolve(undefined),
});

/**
 * A secret in Secrets Manager. Concurrent callers share one call; while it cannot be read, the last known value goes on.
 *
 * IAM: `secretsmanager:GetSecretValue` on the secret, `kms:Decrypt` on its key.
 */
export function createSecretsManagerSecret({ secretId, region, credentials }: SecretsManagerOptions): SecretSource {
  let kept: { readonly value: string; readonly readAt: EpochMs } | undefined;
  let failed: { readonly error: unknown; readonly at: EpochMs } | undefined;
  let pending: Promise<string> | undefined;
  const read = (now: EpochMs): Promise<string> => {
    pending ??= fetchSecret(secretId, region, () => credentials(now))
      .then(
        (value) => {
          kept = { value, readAt: now };
          return value;
        },
        (error: unknown) => {
          failed = { error, at: now };
          throw error;
        },
      )
      .finally(() => {
        pending = undefined;
      });
    return pending;
  };
  const justFailed = (now: EpochMs) => (failed && now - failed.at < ASK_AT_MOST_EVERY_MS ? failed : undefined);
  return {
    async get(now) {
      if (kept === undefined) return read(now);
      if (now - kept.readAt < KEEP_MS || justFailed(now)) return kept.value;
      const { value } = kept;
      return read(now).catch(() => value);
    },
    async refresh(now) {
      if (kept && now - kept.readAt < ASK_AT_MOST_EVERY_MS) return undefined;
      // Whether it has changed is not known, which is not the same as "no".
      const failure = justFailed(now);
      if (failure) throw failure.error;
      const last = kept?.value;
      const value = await read(now);
      return value === last ? undefined : value;
    },
  };
}

async function fetchSecret(
  secretId: string,
  region: string,
  credentials: () => Promise<AwsCredentials>,
): Promise<string> {
  let value: string | undefined;
  try {
    // In a file of its own: a sandbox that got its secret from the environment never loads the SDK.
    const { getSecretValue } = await import('./aws/secrets-manager.ts');
    value = await getSecretValue({ secretId, region, credentials: await credentials() });
  } catch (cause) {
    throw new DispatcherError('secretUnavailable', `Secret ${secretId} cannot be read (${faultName(cause)}).`, {
      cause,
    });
  }
  if (value === undefined) throw new DispatcherError('secretUnavailable', `Secret ${secretId} holds no text.`);
  return value;
}
