// Verifies the secret in the URL of an agent, for Terrakube up to 2.30, which sends no token. Terrakube prints the URL into
// step names when a dispatch fails, so this secret is weak; see docs/security.md.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { SecretSource, TokenVerifier } from '../ports.ts';

/** Creates the verifier. When the secret differs, it is read again: it may have been rotated. */
export function createPathSecret(secret: SecretSource): TokenVerifier {
  return {
    async verify(segment, now) {
      if (isSame(segment, await secret.get(now))) return true;
      const rotated = await secret.refresh(now);
      return rotated !== undefined && isSame(segment, rotated);
    },
  };
}

/** Compares hashes, which have one length, in constant time. Gateways may hand the segment on encoded or decoded. */
function isSame(segment: string, secret: string): boolean {
  const wanted = digest(secret.trim());
  const isRaw = timingSafeEqual(digest(segment), wanted);
  const isDecoded = timingSafeEqual(digest(decoded(segment)), wanted);
  return isRaw || isDecoded;
}

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
