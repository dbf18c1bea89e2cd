// The credentials of the function's role. Lambda puts them into the environment, so no provider chain is needed there;
// it would cost 32 KB and 15 ms of every cold start.
import type { EpochMs } from '../domain/time.ts';

/** AWS keys, as the signer takes them. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When they end, if that is known. */
  readonly expiresAt?: EpochMs;
}

/** Gives the credentials of this moment. */
export type CredentialSource = (now: EpochMs) => Promise<AwsCredentials>;
