// The credentials of another role, for a cluster in another account. They are assumed once, and again before they end.
import { DispatcherError } from '../domain/errors.ts';
import { durationMs, type EpochMs, epochMs } from '../domain/time.ts';
import type { AwsCredentials, CredentialSource } from './aws-credentials.ts';
import { faultName } from './aws-fault.ts';

/** Options of {@link createAssumedRole}. */
export interface AssumedRoleOptions {
  readonly roleArn: string;
  readonly region: string;
  /** The credentials that may assume the role. */
  readonly credentials: CredentialSource;
}

/** Renewed this long before their end, so that no call starts with keys that end under way. */
const SPARE_MS = durationMs(5 * 60_000);

/**
 * Creates the credentials of a role. Concurrent callers share one call.
 *
 * IAM: `sts:AssumeRole` on the role.
 * @throws DispatcherError `clusterUnknown` when the role cannot be assumed.
 */
export function createAssumedRole({ roleArn, region, credentials }: AssumedRoleOptions): CredentialSource {
  let kept: { readonly credentials: AwsCredentials; readonly until: EpochMs } | undefined;
  let pending: Promise<AwsCredentials> | undefined;
  const assume = async (now: EpochMs): Promise<AwsCredentials> => {
    // In a file of its own: sandboxes whose cluster is in the same account never load the SDK.
    const { assumeRole } = await import('./aws/sts.ts');
    const keys = await assumeRole({ roleArn, region, credentials: await credentials(now) }).catch((cause: unknown) => {
      throw new DispatcherError('clusterUnknown', `Role ${roleArn} cannot be assumed (${faultName(cause)}).`, {
        cause,
      });
    });
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = keys;
    if (!accessKeyId || !secretAccessKey || !sessionToken || !expiration) {
      throw new DispatcherError('clusterUnknown', `STS gave no keys for role ${roleArn}.`);
    }
    const expiresAt = epochMs(expiration.getTime());
    const assumed = { accessKeyId, secretAccessKey, sessionToken, expiresAt };
    kept = { credentials: assumed, until: epochMs(expiresAt - SPARE_MS) };
    return assumed;
  };
  return (now) => {
    if (kept && now < kept.until) return Promise.resolve(kept.credentials);
    pending ??= assume(now).finally(() => {
      pending = undefined;
    });
    return pending;
  };
}
