// HTTP with Terrakube, signed in with a token of our own that the InternalSecret signs.
import { createHmac } from 'node:crypto';
import { DispatcherError } from '../domain/errors.ts';
import { internalSecretKey } from '../domain/internal-secret.ts';
import { type EpochMs, epochMs } from '../domain/time.ts';
import type { SecretSource } from '../ports.ts';
import { createKeepAliveHttp, type HttpReply } from './keep-alive-http.ts';

/** Options of {@link createTerrakubeCall}. */
export interface TerrakubeOptions {
  /** URL of the Terrakube API, http or https, with or without a trailing slash. */
  readonly apiUrl: string;
  readonly secret: SecretSource;
  readonly now: () => EpochMs;
  /** Longest silence of Terrakube; default is 10 seconds. */
  readonly timeoutMs?: number;
}

/**
 * Sends one request with a token. The answer is a success or, to a GET, a 404: only who asked can say what that means. To a
 * write, a web page is no success.
 * @throws `terrakubeUnavailable`, `terrakubeRefused`, `secretInvalid`, `secretUnavailable`
 */
export type TerrakubeCall = (method: string, path: string, document?: unknown) => Promise<HttpReply>;

const JSON_API = 'application/vnd.api+json';
const TOKEN_LIFE_SECONDS = 300;
/** A token is replaced this long before its end, so that no request starts with one that ends under way. */
const TOKEN_SPARE_MS = 60_000;

/** Creates the connection with one Terrakube. What is made of the same one shares its sockets and its token. */
export function createTerrakubeCall({ apiUrl, secret, now, timeoutMs }: TerrakubeOptions): TerrakubeCall {
  const send = createKeepAliveHttp({ now, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  const token = createOutboundToken(secret);
  const base = apiUrl.replace(/\/+$/, '');
  const once = async (bearer: string, method: string, path: string, document?: unknown): Promise<HttpReply> => {
    const body = document === undefined ? {} : { body: JSON.stringify(document) };
    const type = document === undefined ? {} : { 'Content-Type': JSON_API };
    // Logs are not JSON:API: Terrakube would answer 406 to a client that takes nothing else.
    const accept = path.startsWith('/api/') ? JSON_API : '*/*';
    const headers = { Accept: accept, Authorization: `Bearer ${bearer}`, ...type };
    try {
      return await send({ method, url: `${base}${path}`, headers, ...body });
    } catch (cause) {
      if (cause instanceof DispatcherError) throw cause;
      throw new DispatcherError('terrakubeUnavailable', `Terrakube gave no answer to ${method} ${pathOnly(path)}.`, {
        cause,
      });
    }
  };
  return async (method, path, document) => {
    const bearer = await token.get(now());
    const first = await once(bearer, method, path, document);
    // The secret may have been rotated: read it again, and if it changed, try once more.
    const isRenewed = first.status === 401 && (await token.renew(bearer, now()));
    const reply = isRenewed ? await once(await token.get(now()), method, path, document) : first;
    if (reply.status >= 200 && reply.status <= 299) {
      if (method === 'GET' || !isPage(reply)) return reply;
      throw new DispatcherError('terrakubeUnavailable', `A web page is no answer to ${method} ${pathOnly(path)}.`);
    }
    if (reply.status === 404 && method === 'GET') return reply;
    throw refusedByTerrakube(reply, `${method} ${pathOnly(path)}`);
  };
}

/** A proxy shows a page of its own, with status 200 as often as not. What was to be written is not. */
const isPage = ({ body }: HttpReply): boolean => /^\s*</.test(body.toString('latin1', 0, 64));

/** Proxies drop raw brackets and semicolons; Terrakube reads them percent-encoded all the same. */
export const encodeQuery = (query: string): string => query.replace(/[[\]]/g, encodeURIComponent);

/** The error that an answer without success is, to what was asked. */
export function refusedByTerrakube({ status }: HttpReply, what: string): DispatcherError {
  const code = status >= 500 || status === 429 ? 'terrakubeUnavailable' : 'terrakubeRefused';
  return new DispatcherError(code, `Terrakube answered ${status} to ${what}.`, { status });
}

const pathOnly = (path: string): string => path.split('?')[0] ?? path;

/** Our own sign-in: signed with HS256 whatever the length of the key, which is all that Terrakube's API accepts. */
function createOutboundToken(secret: SecretSource) {
  let kept: { readonly token: string; readonly until: EpochMs } | undefined;
  return {
    async get(now: EpochMs): Promise<string> {
      if (kept && now < kept.until) return kept.token;
      const decoded = internalSecretKey(await secret.get(now));
      if ('problem' in decoded) throw new DispatcherError('secretInvalid', `${decoded.problem}.`);
      const token = signToken(decoded.key, Math.floor(now / 1000));
      kept = { token, until: epochMs(now + TOKEN_LIFE_SECONDS * 1000 - TOKEN_SPARE_MS) };
      return token;
    },
    /** Says whether there is a newer token than the one that was refused. */
    async renew(refused: string, now: EpochMs): Promise<boolean> {
      // Calls run side by side: another one may have had this answer, and the secret is read once a minute only.
      if (kept?.token !== refused) return true;
      const isChanged = (await secret.refresh(now)) !== undefined;
      if (isChanged) kept = undefined;
      return isChanged;
    },
  };
}

/** A JWT, signed with HS256. It is this short because we only write one: who must believe one has a library for it. */
function signToken(key: Uint8Array, issuedAt: number): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
  const claims = {
    email: 'terrakube-dispatcher@terrakube.io',
    email_verified: true,
    iss: 'TerrakubeInternal',
    sub: 'TerrakubeInternal (TOKEN)',
    aud: 'TerrakubeInternal',
    iat: issuedAt,
    exp: issuedAt + TOKEN_LIFE_SECONDS,
  };
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}
