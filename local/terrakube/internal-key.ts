/**
 * The key that Terrakube and its executors share (setting `InternalSecret`), read and used the way jjwt does it.
 * @see https://github.com/jwtk/jjwt#signature-algorithms-keys
 */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';

/** The decoded InternalSecret and the algorithm that jjwt picks for a key of its length. */
export interface InternalKey {
  readonly bytes: Uint8Array;
  readonly algorithm: 'HS256' | 'HS384' | 'HS512';
}

/** Seconds that the token of a dispatch lives. */
const DISPATCH_TOKEN_SECONDS = 10;

/**
 * Decodes an InternalSecret. Characters outside base64url are trimmed at the two ends only, as jjwt does.
 * @throws Error when the text is not base64url, or the key is shorter than 32 bytes.
 */
export function parseInternalKey(secret: string): InternalKey {
  const text = secret.replace(/^[^\w-]+|[^\w-]+$/g, '');
  if (!/^[\w-]*$/.test(text)) throw new Error('The InternalSecret is not base64url text.');
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  if (bytes.length < 32) throw new Error(`The InternalSecret has ${bytes.length} bytes; Terrakube needs 32.`);
  return { bytes, algorithm: bytes.length >= 64 ? 'HS512' : bytes.length >= 48 ? 'HS384' : 'HS256' };
}

/** Signs the token of one dispatch POST, with the recorded claims in the recorded order. */
export function signDispatchToken(key: InternalKey): Promise<string> {
  const issuedAt = Math.floor(Date.now() / 1000);
  return new SignJWT({
    iss: 'TERRAKUBE_INTERNAL',
    sub: 'Terrakube Internal (Token)',
    aud: ['TERRAKUBE_INTERNAL'],
    jti: randomUUID(),
    email: 'internal@terrakube.io',
    email_verified: true,
    name: 'Terrakube Api',
    iat: issuedAt,
    exp: issuedAt + DISPATCH_TOKEN_SECONDS,
  })
    .setProtectedHeader({ alg: key.algorithm })
    .sign(key.bytes);
}
