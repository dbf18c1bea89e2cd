/**
 * Talks to a Terrakube API in tests: one raw exchange at a time, with tokens that are right or wrong on purpose.
 */
import { request } from 'node:http';
import { type JWTPayload, SignJWT } from 'jose';

/** What is sent. */
export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text goes as it is, everything else as JSON. */
  readonly body?: unknown;
}

/** What comes back; a JSON body is parsed. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The media type of JSON:API. */
export const JSON_API = 'application/vnd.api+json';

/** Sends one request on a connection of its own. */
export function exchange(url: string, { method, path, headers = {}, body }: Sent): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const { hostname, port } = new URL(url);
  const text = body === undefined || body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const length = { 'content-length': String(Buffer.byteLength(text)) };
  const options = { hostname, port, method, path, headers: { ...headers, ...length }, agent: false };
  const outgoing = request(options, async (incoming) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    const names = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
    const answer = Buffer.concat(chunks).toString();
    const isJson = incoming.headers['content-type']?.endsWith('json') === true;
    resolve({
      status: incoming.statusCode ?? 0,
      headers: Object.fromEntries(names),
      body: isJson ? JSON.parse(answer) : answer,
    });
  });
  outgoing.on('error', reject);
  outgoing.end(text);
  return promise;
}

/** The claims of a token that Terrakube lets in, from its smallest set. */
export function internalClaims(changes: Readonly<Record<string, unknown>> = {}): JWTPayload {
  return { iss: 'TerrakubeInternal', aud: 'TerrakubeInternal', exp: Math.floor(Date.now() / 1000) + 300, ...changes };
}

/** Signs claims with an InternalSecret. */
export function signToken(internalSecret: string, claims: JWTPayload, alg = 'HS256'): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(Buffer.from(internalSecret, 'base64url'));
}
