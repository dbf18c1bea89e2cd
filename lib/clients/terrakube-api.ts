// Terrakube's JSON:API and log stream, signed in with a token of our own that the InternalSecret signs. Only the fields
// that we use are asked for: a whole job carries its template, and the answer would grow with every step.
import { createHmac } from 'node:crypto';
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { internalSecretKey } from '../domain/internal-secret.ts';
import { type EpochMs, epochMs } from '../domain/time.ts';
import type { SecretSource, Terrakube, TerrakubeChange } from '../ports.ts';
import { parseTerrakubeErrors, parseTerrakubeJob } from '../schemas/terrakube-document.ts';
import { createKeepAliveHttp, type HttpReply } from './keep-alive-http.ts';

/** Options of {@link createTerrakubeApi}. */
export interface TerrakubeApiOptions {
  /** URL of the Terrakube API, http or https, with or without a trailing slash. */
  readonly apiUrl: string;
  readonly secret: SecretSource;
  readonly now: () => EpochMs;
  /** Longest silence of Terrakube; default is 10 seconds. */
  readonly timeoutMs?: number;
}

const JSON_API = 'application/vnd.api+json';
const TOKEN_LIFE_SECONDS = 300;
/** A token is replaced this long before its end, so that no request starts with one that ends under way. */
const TOKEN_SPARE_MS = 60_000;
const SPARSE = 'include=step&fields[job]=status,comments,step&fields[step]=status,name,stepNumber,output';

/** Creates the client of one Terrakube. It needs no IAM action and no RBAC verb. */
export function createTerrakubeApi({ apiUrl, secret, now, timeoutMs }: TerrakubeApiOptions): Terrakube {
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
  const call = async (method: string, path: string, document?: unknown): Promise<HttpReply> => {
    const bearer = await token.get(now());
    const first = await once(bearer, method, path, document);
    // The secret may have been rotated: read it again, and if it changed, try once more.
    const isRenewed = first.status === 401 && (await token.renew(bearer, now()));
    const reply = isRenewed ? await once(await token.get(now()), method, path, document) : first;
    if (reply.status >= 200 && reply.status <= 299) return reply;
    const isUnavailable = reply.status >= 500 || reply.status === 429;
    if (reply.status === 404) return reply;
    throw refused(reply, `${method} ${pathOnly(path)}`, isUnavailable);
  };
  const patch = async (path: string, type: string, id: string, attributes: TerrakubeChange): Promise<void> => {
    const reply = await call('PATCH', path, { data: { type, id, attributes } });
    if (reply.status === 404) throw refused(reply, `PATCH ${path}`, false);
  };
  return {
    async getJob(ids) {
      const path = `${jobPath(ids)}?${encodeQuery(SPARSE)}`;
      const reply = await call('GET', path);
      const text = reply.body.toString('utf8');
      if (reply.status === 404) {
        if (parseTerrakubeErrors(text).includes(`Unknown identifier [${ids.jobId}] for job`)) return 'notFound';
        // Another 404 comes from a wrong URL or a proxy: it says nothing about the job.
        throw refused(reply, `GET ${jobPath(ids)}`, false);
      }
      const job = parseTerrakubeJob(text);
      if (!job)
        throw new DispatcherError('terrakubeRefused', `Terrakube's answer to GET ${jobPath(ids)} is not a job.`);
      return job;
    },
    patchJob: (ids, change) => patch(jobPath(ids), 'job', ids.jobId, change),
    patchStep: (ids, change) => patch(`${jobPath(ids)}/step/${ids.stepId}`, 'step', ids.stepId, change),
    async appendLog(ids, lines) {
      const data = lines.map((output, index) => ({
        jobId: Number(ids.jobId),
        stepId: ids.stepId,
        lineNumber: index + 1,
        output,
      }));
      const reply = await call('POST', '/logs', { data });
      if (reply.status === 404) throw refused(reply, 'POST /logs', false);
    },
    async readLog({ organizationId, jobId, stepId }) {
      const path = `/tfoutput/v1/organization/${organizationId}/job/${jobId}/step/${stepId}`;
      const reply = await call('GET', path);
      if (reply.status === 404) throw refused(reply, `GET ${path}`, false);
      return reply.body.toString('utf8');
    },
  };
}

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

const jobPath = ({ organizationId, jobId }: DispatchIds): string =>
  `/api/v1/organization/${organizationId}/job/${jobId}`;

/** Proxies drop raw brackets and semicolons; Terrakube reads them percent-encoded all the same. */
const encodeQuery = (query: string): string => query.replace(/[[\]]/g, encodeURIComponent);

const pathOnly = (path: string): string => path.split('?')[0] ?? path;

function refused({ status }: HttpReply, what: string, isUnavailable: boolean): DispatcherError {
  const code = isUnavailable ? 'terrakubeUnavailable' : 'terrakubeRefused';
  return new DispatcherError(code, `Terrakube answered ${status} to ${what}.`, { status });
}
