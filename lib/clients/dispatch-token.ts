// Verifies the token of a dispatch POST. Terrakube picks the algorithm by the length of its key, so all three are taken
// with the one key.
import { errors, jwtVerify } from 'jose';
import { DispatcherError } from '../domain/errors.ts';
import { internalSecretKey } from '../domain/internal-secret.ts';
import type { EpochMs } from '../domain/time.ts';
import type { SecretSource, TokenVerifier } from '../ports.ts';

const TERRAKUBE = 'TERRAKUBE_INTERNAL';
/** Terrakube's tokens live 10 seconds; its own executor allows this much skew of clocks. */
const SKEW_SECONDS = 60;

/** Creates the verifier of one InternalSecret. When a signature fails, the secret is read again: it may have been rotated. */
export function createDispatchToken(secret: SecretSource): TokenVerifier {
  return {
    async verify(token, now) {
      const first = await check(token, await secret.get(now), now);
      if (first !== 'otherKey') return first === 'valid';
      const rotated = await secret.refresh(now);
      return rotated !== undefined && (await check(token, rotated, now)) === 'valid';
    },
  };
}

async function check(token: string, secret: string, now: EpochMs): Promise<'valid' | 'otherKey' | 'invalid'> {
  const decoded = internalSecretKey(secret);
  if ('problem' in decoded) throw new DispatcherError('secretInvalid', `${decoded.problem}.`);
  try {
    await jwtVerify(token, decoded.key, {
      algorithms: ['HS256', 'HS384', 'HS512'],
      issuer: TERRAKUBE,
      audience: TERRAKUBE,
      requiredClaims: ['exp'],
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(now),
    });
    return 'valid';
  } catch (error) {
    return error instanceof errors.JWSSignatureVerificationFailed ? 'otherKey' : 'invalid';
  }
}
