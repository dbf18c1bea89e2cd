// Where a secret comes from: the environment, for local use, or Secrets Manager, kept for five minutes.
import { durationMs, type EpochMs } from '../domain/time.ts';
import type { SecretSource } from '../ports.ts';
import type { AwsCredentials, CredentialSource } from './aws-credentials.ts';

/** Options of {@link createSecretsManagerSecret}. */
export interface SecretsManagerOptions {
  /** Name or ARN. */
  readonly secretId: string;
  readonly region: string;
  readonly credentials: CredentialSource;
}

const KEEP_MS = durationMs(5 * 60_000);
/** A flood of wrong tokens must not become a flood of calls. */
const REFRESH_AT_MOST_EVERY_MS = durationMs(60_000);

/** A secret as the settings give it: the value, or its name in Secrets Manager. */
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
  let pending: Promise<string> | undefined;
  const read = (now: EpochMs): Promise<string> => {
    pending ??= fetchSecret(now).finally(() => {
      pending = undefined;
    });
    return pending;
  };
  const fetchSecret = async (now: EpochMs): Promise<string> => {
    // In a file of its own: a sandbox that got its secret from the environment never loads the SDK.
    const { getSecretValue } = await import('./aws/secrets-manager.ts');
    const value = await getSecretValue({ secretId, region, credentials: await credentials(now) });
    kept = { value, readAt: now };
    return value;
  };
  return {
    async get(now) {
      if (kept && now - kept.readAt < KEEP_MS) return kept.value;
      const last = kept?.value;
      try {
        return await read(now);
      } catch (error) {
        if (last !== undefined) return last;
        throw error;
      }
    },
    async refresh(now) {
      if (kept && now - kept.readAt < REFRESH_AT_MOST_EVERY_MS) return undefined;
      const last = kept?.value;
      const value = await read(now);
      return value === last ? undefined : value;
    },
  };
}
