// Intake: put the payload on the queue, then answer. Nothing else happens before the answer, because Terrakube holds a
// row lock and a global queue while it waits. A failure that will always come again must not be answered 503: one job
// would stop every organization, for Terrakube sends it again without end.
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { DISPATCH_PATH, type HttpAnswer, type HttpRequest, refusal } from '../domain/http.ts';
import { messageWays } from '../domain/queue-message.ts';
import type { EpochMs } from '../domain/time.ts';
import type { JobQueue, TokenVerifier } from '../ports.ts';

/** What intake needs. */
export interface AcceptDeps {
  readonly queue: JobQueue;
  /** Where the sign-in is: Terrakube's bearer token, or a secret in the URL for Terrakube up to 2.30. */
  readonly authMode: 'jwt' | 'path';
  /** Verifies the bearer token or the secret of the URL. */
  readonly verifier: TokenVerifier;
  /** Reads the five ids of a payload, or undefined when it is not JSON or they are not there. */
  readonly readIds: (payload: Uint8Array) => DispatchIds | undefined;
}

/** The answer, and what may be logged about it. */
export interface AcceptResult {
  readonly answer: HttpAnswer;
  readonly ids?: DispatchIds;
  /** `payload` as it was, `base64`, or `oversized`. */
  readonly sentAs?: string;
}

/** Accepts one request. @throws DispatcherError `secretUnavailable`, `secretInvalid`, `queueUnavailable`: nothing was stored. */
export async function acceptJob(deps: AcceptDeps, request: HttpRequest, now: EpochMs): Promise<AcceptResult> {
  if (!request.path.endsWith(DISPATCH_PATH)) {
    return {
      answer: refusal('not_found', `Dispatches are taken at URLs that end in ${DISPATCH_PATH}, without a query.`),
    };
  }
  if (request.method !== 'POST') return { answer: refusal('method_not_allowed', 'Dispatches are sent with POST.') };
  const presented = deps.authMode === 'jwt' ? bearerToken(request) : pathSecret(request);
  if (presented === undefined || !(await deps.verifier.verify(presented, now))) {
    return { answer: refusal('unauthorized', 'The sign-in is missing, expired, or made with another secret.') };
  }
  const ids = deps.readIds(request.body);
  if (!ids) {
    return {
      answer: refusal(
        'invalid_body',
        'The body must be JSON with organizationId, workspaceId, jobId, stepId and type.',
      ),
    };
  }
  for (const content of messageWays(ids, request.body, now)) {
    const sent = await deps.queue.send({ ...content, groupId: ids.organizationId });
    if (sent === 'sent') {
      const { encoding, kind } = content.attributes;
      return { answer: { status: 202 }, ids, sentAs: kind ?? encoding ?? 'payload' };
    }
  }
  // The oversized notice holds five ids and two numbers; a queue that refuses it takes nothing at all.
  return { answer: refusal('unavailable', 'The queue takes no message.'), ids };
}

const bearerToken = ({ authorization }: HttpRequest): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];

/** The path segment right before the end of the URL that Terrakube appends. */
function pathSecret({ path }: HttpRequest): string | undefined {
  const segment = path.slice(0, -DISPATCH_PATH.length).split('/').at(-1);
  return segment === '' ? undefined : segment;
}
