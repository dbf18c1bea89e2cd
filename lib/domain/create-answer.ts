// What an answer to a create means. Kubernetes says most of it by status and reason; the causes of a 403 differ by text
// only, and this is the one place that reads it (the texts are stable: API machinery and clients depend on them).
import type { DispatcherError } from './errors.ts';
import type { Reason } from './failure-text.ts';
import { type Seconds, seconds } from './time.ts';

/** An answer of the Kubernetes API that is not a success. */
export interface ApiRefusal {
  readonly status: number;
  /** `reason` of the Status object, if the body was one. */
  readonly reason?: string;
  readonly message: string;
  /** `details.kind`: the kind of the object that the answer speaks of. */
  readonly kind?: string;
  readonly causes: readonly { readonly field?: string; readonly message: string }[];
  readonly retryAfterSeconds?: number;
}

/** Why the same create may succeed later. */
export type WaitCause =
  | 'throttled'
  | 'quota'
  | 'namespaceTerminating'
  | 'unauthorized'
  | 'unavailable'
  | 'beingDeleted'
  | 'noAnswer'
  | 'paused';

/** What to do about a create that did not succeed. */
export type CreateVerdict =
  /** Read the object by its name: it may be there, made by an earlier delivery or by this very request. */
  | { readonly kind: 'readByName' }
  | {
      readonly kind: 'wait';
      readonly cause: WaitCause;
      readonly text: string;
      readonly atLeast?: Seconds;
      readonly atMost?: Seconds;
    }
  | { readonly kind: 'terminal'; readonly reason: Reason };

/** The object that was refused, for the sentences. */
export type CreatedKind = 'Job' | 'Secret';

/** A quota may be free again at any moment, and its message says so; asking seldom would waste it. */
const QUOTA_AT_MOST = seconds(30);

/**
 * Classifies an answer to the create of a Job or of its Secret.
 *
 * @param answer the refusal, or `noAnswer` when the connection broke or timed out.
 */
export function createVerdict(created: CreatedKind, answer: ApiRefusal | 'noAnswer', namespace: string): CreateVerdict {
  if (answer === 'noAnswer') return { kind: 'readByName' };
  const wait = waitFor(answer, namespace);
  if (wait) return wait;
  switch (answer.status) {
    case 409:
      return { kind: 'readByName' };
    case 403:
      return { kind: 'terminal', reason: forbidden(created, answer, namespace) };
    case 404:
      return { kind: 'terminal', reason: missingNamespace(created, answer, namespace) };
    case 413:
      return { kind: 'terminal', reason: tooLarge(created) };
    case 400:
    case 422:
      return { kind: 'terminal', reason: invalid(created, answer) };
    default:
      return { kind: 'terminal', reason: notUnderstood(created, answer) };
  }
}

/** What to look at when the cluster does not know us. */
const UNAUTHORIZED_TEXT =
  'the cluster does not accept the sign-in of the dispatcher; check the EKS access entry of the dispatch role (group terrakube-dispatch)';

/** Why a read of the cluster failed, as far as a user should know it. */
export function readFailure({
  code,
  message,
}: Pick<DispatcherError, 'code' | 'message'>): { readonly cause: WaitCause; readonly text: string } | undefined {
  switch (code) {
    case 'clusterUnauthorized':
      return { cause: 'unauthorized', text: UNAUTHORIZED_TEXT };
    case 'clusterUnavailable':
      return { cause: 'unavailable', text: 'the Kubernetes API does not answer' };
    case 'clusterUnknown':
      // Our own words, and AWS' name of the fault: they say what to look at, and nothing else does.
      return { cause: 'unavailable', text: message.replace(/\.$/, '') };
    case 'clusterRefused':
      return { cause: 'unavailable', text: 'the Kubernetes API refuses to list Jobs; apply deploy/kubernetes' };
    case 'configInvalid':
    case 'messageUnreadable':
    case 'secretInvalid':
    case 'secretUnavailable':
    case 'queueUnavailable':
    case 'jobChanging':
    case 'terrakubeUnavailable':
    case 'terrakubeRefused':
      return undefined;
  }
}

/** Our token is not known: 401, or a 403 for nobody, which is how a server with anonymous authentication says it. */
export const isUnauthorized = ({ status, message }: ApiRefusal): boolean =>
  status === 401 || (status === 403 && message.includes('User "system:anonymous"'));

function waitFor(answer: ApiRefusal, namespace: string): CreateVerdict | undefined {
  const { status, message } = answer;
  const atLeast = answer.retryAfterSeconds === undefined ? {} : { atLeast: seconds(answer.retryAfterSeconds) };
  if (status === 504) return { kind: 'readByName' };
  if (status === 429) return { kind: 'wait', cause: 'throttled', text: 'the Kubernetes API is throttling', ...atLeast };
  if (status >= 500)
    return {
      kind: 'wait',
      cause: 'unavailable',
      text: `the Kubernetes API answers ${status}${webhookOf(message)}`,
      ...atLeast,
    };
  // A proxy, or a wrong address: it says nothing about this step, and everybody's would fail.
  if (status === 404 && answer.kind !== 'namespaces') {
    return {
      kind: 'wait',
      cause: 'unavailable',
      text: 'the Kubernetes API is not at its address (404); check EksEndpoint',
    };
  }
  if (isUnauthorized(answer)) {
    return { kind: 'wait', cause: 'unauthorized', text: UNAUTHORIZED_TEXT };
  }
  if (status === 403 && message.includes('exceeded quota:')) {
    return { kind: 'wait', cause: 'quota', text: quotaText(message, namespace), atMost: QUOTA_AT_MOST };
  }
  if (status === 403 && message.includes('because it is being terminated')) {
    return { kind: 'wait', cause: 'namespaceTerminating', text: `namespace ${namespace} is being deleted` };
  }
  if (status === 409 && message.includes('object is being deleted')) {
    return { kind: 'wait', cause: 'beingDeleted', text: 'an older Job of this name is being deleted' };
  }
  return undefined;
}

/** The admission webhook that did not answer: the usual cause of a 500, and not one of the API server. */
function webhookOf(message: string): string {
  const name = /failed calling webhook "([\w.-]{1,253})"/.exec(message)?.[1];
  return name === undefined ? '' : ` because its webhook ${name} fails`;
}

/** A list such as `count/jobs.batch=20,pods=3`. Anything else may be the text of a policy, which may quote an object. */
const AMOUNTS = /^[\w./-]{1,253}=[\w.]{1,32}(?:,[\w./-]{1,253}=[\w.]{1,32})*$/;

/** `requested: count/jobs.batch=1, used: count/jobs.batch=20, limited: count/jobs.batch=20` as a person would say it. */
function quotaText(message: string, namespace: string): string {
  const [, quota = '', used = '', limited = ''] =
    /exceeded quota: ([a-z0-9.-]{1,253}), requested: [^ ]*, used: ([^ ]*), limited: ([^ ]*)$/.exec(message) ?? [];
  const isPlain = AMOUNTS.test(used) && AMOUNTS.test(limited);
  if (!isPlain) return `a quota of namespace ${namespace} is used up`;
  return `quota ${quota} of namespace ${namespace} is used up (used ${used}, limit ${limited})`;
}

function forbidden(created: CreatedKind, answer: ApiRefusal, namespace: string): Reason {
  const evidence = said(created, answer);
  if (!/cannot create resource/.test(answer.message)) {
    return {
      title: `the cluster's admission policy refused the ${created}`,
      evidence,
      advice: 'Ask the administrators of the cluster which policy it is and what it demands.',
    };
  }
  const cure =
    created === 'Secret'
      ? `Give it create and get on secrets (deploy/kubernetes), or set PayloadTransport=env, which needs Jobs only.`
      : `Apply deploy/kubernetes in this cluster and check the EKS access entry of the dispatch role.`;
  return {
    title: `the dispatcher may not create ${created}s in namespace ${namespace}`,
    evidence,
    advice: cure,
  };
}

function missingNamespace(created: CreatedKind, answer: ApiRefusal, namespace: string): Reason {
  return {
    title: `namespace ${namespace} does not exist in the cluster`,
    evidence: said(created, answer),
    advice: `Create the namespace and apply deploy/kubernetes, or correct ExecutorEphemeralNamespace.`,
  };
}

function tooLarge(created: CreatedKind): Reason {
  return {
    title: `the ${created} is larger than the cluster accepts`,
    evidence: 'The Kubernetes API answered 413 (request entity too large).',
    advice: 'Make the variables of the workspace and its organization smaller.',
  };
}

function invalid(created: CreatedKind, answer: ApiRefusal): Reason {
  if (isDenial(answer)) {
    return {
      title: `the cluster's admission policy refused the ${created}`,
      evidence: said(created, answer),
      advice: 'Ask the administrators of the cluster which policy it is and what it demands.',
    };
  }
  return {
    title: `Kubernetes refused the ${created} as invalid`,
    evidence: said(created, answer),
    advice: 'Correct the ExecutorEphemeral setting that the message names, then run the job again.',
  };
}

/** Neither the object nor a setting of the executor is at fault: this is not the API that we speak, or not its address. */
function notUnderstood(created: CreatedKind, answer: ApiRefusal): Reason {
  return {
    title: `the Kubernetes API does not take the ${created}`,
    evidence: said(created, answer),
    advice:
      'Check EksEndpoint and the version of the cluster; if both are right, report it as a fault of the dispatcher.',
  };
}

/** Longest quotation of the API server's words. */
const QUOTE_LIMIT = 500;

/** Webhooks say `denied the request`, policies `denied request`. */
const isDenial = ({ message }: ApiRefusal): boolean => /denied (?:the )?request/.test(message);

/** Who denied a request; every other word of a policy may be made of the object. */
const denier = ({ message }: ApiRefusal): string =>
  /(?:admission webhook|AdmissionPolicy) ["']([\w.-]{1,253})["']/.exec(message)?.[1] ?? 'a policy of the cluster';

/** The API server's own words, without what can be a part of the object that was sent. */
function said(created: CreatedKind, answer: ApiRefusal): string {
  const name = answer.reason === undefined ? `${answer.status}` : `${answer.status} ${quoted(answer.reason)}`;
  return `The Kubernetes API answered ${name}: ${quoted(created === 'Secret' ? aboutSecret(answer) : aboutJob(answer))}`;
}

/** A Secret is its payload: nobody's words about its content are passed on. */
function aboutSecret(answer: ApiRefusal): string {
  if (isDenial(answer)) return `denied by ${denier(answer)}`;
  const fields = answer.causes.flatMap(({ field }) => field ?? []);
  if (answer.status === 422) return `not valid: ${fields.map(masked).join(', ') || 'metadata or data'}`;
  return masked(answer.message);
}

function aboutJob({ causes, status, message }: ApiRefusal): string {
  const told = causes.map(({ field, message: text }) => (field ? `${field}: ${text}` : text));
  return masked(told.length > 0 && status === 422 ? told.join('; ') : message);
}

/** Quoted objects, also cut ones, in JSON or as Go prints them, and words that look like keys or encoded data. */
const masked = (text: string): string =>
  text
    .replace(/\{.*\}|\{.*$/gs, '{…}')
    .replace(/map\[.*\]|map\[.*$/gs, 'map[…]')
    .replace(/[\w+/=-]{24,}/g, (word) => (/[A-Z]/.test(word) && /[a-z]/.test(word) && /\d/.test(word) ? '…' : word));

const quoted = (text: string): string => (text.length > QUOTE_LIMIT ? `${text.slice(0, QUOTE_LIMIT)}…` : text);
