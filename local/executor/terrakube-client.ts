/**
 * The executor's side of Terrakube's API: the calls of the real executor, its token, and its three tries of each call.
 */

import { SignJWT } from 'jose';
import { type Json, type JsonObject, objectAt } from '../json.ts';
import type { Payload } from './payload.ts';

/** The calls that an executor makes. All reject after the third try. */
export interface TerrakubeClient {
  getJob(): Promise<JsonObject>;
  patchJob(attributes: JsonObject, relationships: JsonObject): Promise<void>;
  patchStep(attributes: JsonObject): Promise<void>;
  /** Shows lines in the run while it goes on. Tried once: a run does not fail for its log. */
  postLogs(lines: readonly string[]): Promise<void>;
}

/** Where Terrakube is, and the secret that it shares with its executors. */
export interface TerrakubeClientOptions {
  readonly apiUrl: string;
  readonly internalSecret: string;
  readonly payload: Payload;
}

/** Waits before the second and the third try. */
const backOffMs = [1000, 2000] as const;

/** An executor's token lives as long as the longest run might take. */
const tokenSeconds = 30 * 24 * 60 * 60;

const jsonApi = 'application/vnd.api+json';

/** Creates the client for one step. */
export function createTerrakubeClient(options: TerrakubeClientOptions): TerrakubeClient {
  const { organizationId, jobId, stepId } = options.payload;
  const job = `/api/v1/organization/${organizationId}/job/${jobId}`;
  const token = signToken(options.internalSecret);

  async function send(method: string, path: string, body?: JsonObject, contentType = jsonApi): Promise<Json> {
    const response = await fetch(new URL(path, options.apiUrl), {
      method,
      headers: {
        Accept: path === '/logs' ? '*/*' : jsonApi,
        Authorization: `Bearer ${await token}`,
        ...(body === undefined ? {} : { 'Content-Type': contentType }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path.split('?')[0]} answered ${response.status}`);
    return text === '' ? null : JSON.parse(text);
  }

  return {
    getJob: async () => objectAt(await retried(() => send('GET', `${job}?include=step`))),
    patchJob: async (attributes, relationships) => {
      await retried(() => send('PATCH', job, { data: { type: 'job', id: jobId, attributes, relationships } }));
    },
    patchStep: async (attributes) => {
      await retried(() => send('PATCH', `${job}/step/${stepId}`, { data: { type: 'step', id: stepId, attributes } }));
    },
    postLogs: async (lines) => {
      const entry = (output: string, i: number): Json => ({ jobId: Number(jobId), stepId, lineNumber: i + 1, output });
      await send('POST', '/logs', { data: lines.map(entry) }, 'application/json');
    },
  };
}

async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (const waitMs of backOffMs) {
    try {
      return await call();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  return call();
}

/** HS256 always: Terrakube's API takes nothing else, however long the key is. */
function signToken(internalSecret: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({
    iss: 'TerrakubeInternal',
    sub: 'TerrakubeInternal (TOKEN)',
    aud: 'TerrakubeInternal',
    email: 'no-reply@terrakube.io',
    email_verified: true,
    name: 'TerrakubeInternal Client',
    iat: now,
    exp: now + tokenSeconds,
  })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(internalSecret, 'base64url'));
}
