// Causes that Kubernetes tells apart by text only: what a registry answered, which object is missing, who refused a pod,
// what a pod was evicted for. Each pattern stands here and nowhere else, and has the real sentence in its test.
import type { Cause } from './causes.ts';
import { quote } from './quote.ts';

/** An object that a pod needs and that is not there. */
export interface MissingObject {
  readonly kind: 'Secret' | 'ConfigMap' | 'PersistentVolumeClaim';
  readonly name: string;
  /** The object is there, but not this key of it. */
  readonly key?: string;
}

const KINDS = { secret: 'Secret', configmap: 'ConfigMap', persistentvolumeclaim: 'PersistentVolumeClaim' } as const;
const OBJECT = '(secret|configmap|persistentvolumeclaim)';
const NOT_FOUND = new RegExp(`${OBJECT} "([^"]+)" not found`, 'i');
const NO_KEY = /couldn't find key (\S+) in (secret|configmap) (?:[^\s/]+\/)?([^\s/]+)/i;

/** Finds the object that a message of kubelet or scheduler says is missing. */
export function missingObject(message: string): MissingObject | undefined {
  const [, kind = '', name = ''] = NOT_FOUND.exec(message) ?? [];
  const known = kindOf(kind);
  if (known) return { kind: known, name };
  const [, key = '', holder = '', holderName = ''] = NO_KEY.exec(message) ?? [];
  const holderKind = kindOf(holder);
  return holderKind && { kind: holderKind, name: holderName, key };
}

function kindOf(word: string): MissingObject['kind'] | undefined {
  const lower = word.toLowerCase();
  return lower === 'secret' || lower === 'configmap' || lower === 'persistentvolumeclaim' ? KINDS[lower] : undefined;
}

/** Why an image does not come. */
export interface PullProblem {
  readonly short: string;
  /** It will not come by waiting. */
  readonly isFinal: boolean;
  /** Another start may get it. */
  readonly isPassing: boolean;
}

const PULL_PROBLEMS: readonly (readonly [pattern: RegExp, short: string, kind?: 'final' | 'passing'])[] = [
  [/toomanyrequests|too many requests|rate limit|\b429\b|qps exceeded/i, 'rate limit', 'passing'],
  [/i\/o timeout|timed out|time-?out|deadline exceeded/i, 'time-out', 'passing'],
  [/no route to host|network is unreachable/i, 'no route', 'passing'],
  [/no such host/i, 'no such host'],
  [
    /unauthorized|forbidden|denied|authentication required|no basic auth|authorization failed|\b40[13]\b/i,
    'unauthorized',
  ],
  [/manifest unknown|name unknown|not found|notfound|does not exist/i, 'not found', 'final'],
  [/invalid reference format|couldn't parse image/i, 'invalid name', 'final'],
  [/pull policy of never/i, 'pull policy Never', 'final'],
];

/** Reads what a registry, or the kubelet about it, says. Quoted parts are addresses and names, which may hold anything. */
export function pullProblem(message: string): PullProblem {
  const words = message.replace(/"[^"]*"/g, '""');
  const [, short = lastClause(message), kind] = PULL_PROBLEMS.find(([pattern]) => pattern.test(words)) ?? [];
  return { short, isFinal: kind === 'final', isPassing: kind === 'passing' };
}

/** The registry's words in an Event or a container's message, without the image, which is said before it. */
export const pullWords = (message: string): string =>
  quote(
    message
      .replace(/^(?:Back-off pulling image "[^"]*"|Failed to pull image "[^"]*"): (?:ErrImagePull: )?/, '')
      .replace(/failed to pull and unpack image "[^"]*": /, ''),
  );

/** Says whether an Event of reason `Failed` is about an image: other failures have the same reason. */
export const isPullFailure = (message: string): boolean => message.startsWith('Failed to pull image');

const lastClause = (message: string): string => quote(message.split(': ').at(-1) ?? '');

/** Who refused a pod. */
export interface RefusedPod {
  readonly cause: Extract<Cause, 'serviceAccountMissing' | 'quota' | 'podRefused' | 'unknown'>;
  readonly title: string;
  /** The words without the pod's name, which is another one at each attempt. */
  readonly words: string;
}

/** Reads a FailedCreate of the job controller. */
export function refusedPod(message: string, namespace: string): RefusedPod {
  const said = message.replace(/^Error creating: (?:pods "[^"]*" is forbidden: )?/, '');
  const words = quote(said);
  const account = /serviceaccount "([^"]+)" not found/.exec(said)?.[1];
  if (account !== undefined)
    return { cause: 'serviceAccountMissing', title: `service account "${account}" does not exist`, words };
  const quota = quotaTitle(said, namespace);
  if (quota !== undefined) return { cause: 'quota', title: quota, words };
  const refusal = REFUSALS.map(([pattern, text]) => replaced(said, pattern, text)).find((text) => text !== undefined);
  if (refusal !== undefined) return { cause: 'podRefused', title: quote(refusal), words };
  if (/^Error creating: pods "[^"]*" is forbidden/.test(message))
    return { cause: 'podRefused', title: `pod refused: ${words}`, words };
  return { cause: 'unknown', title: `Kubernetes says: FailedCreate: ${words}`, words };
}

/** A webhook that does not answer has refused nothing, so it is not among them: it may be back in a moment. */
const REFUSALS: readonly (readonly [pattern: RegExp, title: string])[] = [
  [/violates PodSecurity "([^":]+)[^"]*": (.*)$/s, 'pod refused by PodSecurity $1: $2'],
  [/failed quota: ([^:]+): (must specify .*)$/s, 'pod refused by quota $1: $2'],
  [/((?:maximum|minimum) \S+ usage per .*|\S+ max limit to request ratio per .*)$/s, 'pod refused by LimitRange: $1'],
  [/admission webhook "([^"]+)" denied the request: (.*)$/s, 'pod refused by webhook $1: $2'],
  [/ValidatingAdmissionPolicy '([^']+)'.*? denied request: (.*)$/s, 'pod refused by policy $1: $2'],
];

function replaced(text: string, pattern: RegExp, title: string): string | undefined {
  const match = pattern.exec(text);
  return match ? title.replace(/\$(\d)/g, (_, group) => match[Number(group)] ?? '') : undefined;
}

/** `requested: pods=1, used: pods=20, limited: pods=20` as a person would say it; the first resource is enough. */
function quotaTitle(text: string, namespace: string): string | undefined {
  const [, resource, used = '', limited = ''] =
    /exceeded quota: [^,]+, requested: ([^=,]+)=.*?, used: (.*), limited: (.*)$/s.exec(text) ?? [];
  if (resource === undefined) return undefined;
  const amount = (list: string): string =>
    list.split(',').flatMap((pair) => (pair.startsWith(`${resource}=`) ? [pair.slice(resource.length + 1)] : []))[0] ??
    '?';
  return `${quote(resource)} quota ${quote(amount(used))}/${quote(amount(limited))} used in ${namespace}`;
}

const EVICTIONS: readonly (readonly [pattern: RegExp, title: string])[] = [
  [/local storage usage exceeds the total limit of containers (\S+?)\.?\s*$/, 'ephemeral-storage over $1'],
  [/exceeded its local ephemeral storage limit "([^"]+)"/, 'ephemeral-storage over $1'],
  [/EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"/, 'volume $1 over $2'],
  [/node was low on resource: ([\w-]+)/, 'the node ran low on $1'],
  [/node had condition: \[([^\]]+)\]/, 'the node has $1'],
];

/** What a pod was evicted for, by the kubelet's message. */
export const evictedFor = (message: string): string =>
  EVICTIONS.map(([pattern, text]) => replaced(message, pattern, text)).find((text) => text !== undefined) ??
  quote(message);

/** The end of a runtime's message: before it, each layer only says that the one below has failed. */
export const startFailure = (message: string): string =>
  quote(message.replace(/^.*(?:unable to start container process|OCI runtime create failed): /s, ''));

/** The kernel refused to start a program with such an environment. */
export const isEnvTooLarge = (message: string): boolean => /argument list too long/i.test(message);

/** A taint that says that the node is gone, in a message about it. */
export const isUnreachableTaint = (message: string): boolean =>
  /node\.kubernetes\.io\/(unreachable|not-ready)/.test(message);
