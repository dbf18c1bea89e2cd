/**
 * Who may call the API: bearers of a token that is signed with the internal key by HS256, whatever the length of the key.
 */
import { compactVerify, decodeJwt, type JWTPayload } from 'jose';
import { bootError, Refusal } from './errors.ts';
import type { InternalKey } from './internal-key.ts';

/** The part of a request that decides. */
export interface Credentials {
  readonly method: string;
  readonly path: string;
  readonly accept?: string;
  readonly authorization?: string;
}

/** Spring's allowance for clocks that differ. */
const CLOCK_SKEW_SECONDS = 60;

/**
 * Checks the token and answers its `email` claim, which Terrakube notes as the author of a change.
 * @throws Refusal 401, 403 (no token and not a GET: the CSRF filter comes first) or 500 (no `aud`, or an unknown issuer).
 */
export async function authenticate(request: Credentials, key: InternalKey): Promise<string | undefined> {
  const token = /^Bearer (.+)$/i.exec(request.authorization ?? '')?.[1];
  if (token === undefined) {
    if (request.method !== 'GET') throw bootError(403, request);
    throw unauthorized('Bearer', { 'set-cookie': 'JSESSIONID=0123456789ABCDEF; Path=/; HttpOnly' });
  }
  const claims = decode(token);
  if (claims.iss !== 'TerrakubeInternal' && claims.iss !== 'Terrakube') throw bootError(500, request);
  // Tokens of users ("Terrakube") are signed with a key that the stand-in does not have, so that they fail here, too.
  await verify(token, key);
  checkTimes(claims);
  if (claims.aud === undefined) throw bootError(500, request);
  const email = claims['email'];
  return typeof email === 'string' ? email : undefined;
}

function decode(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    throw invalidToken('Malformed token');
  }
}

async function verify(token: string, key: InternalKey): Promise<void> {
  try {
    await compactVerify(token, key.bytes, { algorithms: ['HS256'] });
  } catch {
    throw invalidToken('Signed JWT rejected: Invalid signature');
  }
}

function checkTimes({ exp, nbf }: JWTPayload): void {
  const now = Math.floor(Date.now() / 1000);
  if (exp !== undefined && now - CLOCK_SKEW_SECONDS > exp) throw invalidToken(`Jwt expired at ${instant(exp)}`);
  if (nbf !== undefined && now + CLOCK_SKEW_SECONDS < nbf) throw invalidToken(`Jwt used before ${instant(nbf)}`);
}

function instant(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

function invalidToken(why: string): Refusal {
  const description = `An error occurred while attempting to decode the Jwt: ${why}`;
  const uri = 'https://tools.ietf.org/html/rfc6750#section-3.1';
  return unauthorized(`Bearer error="invalid_token", error_description="${description}", error_uri="${uri}"`, {});
}

function unauthorized(challenge: string, headers: Readonly<Record<string, string>>): Refusal {
  return new Refusal({ status: 401, headers: { ...headers, 'www-authenticate': challenge, 'content-length': '0' } });
}
