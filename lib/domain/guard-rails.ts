// What a workspace may choose. Everybody who may edit a workspace may set its variables, and some of them reach further
// than the workspace: a service account or a pod annotation can bring a cloud role, a ConfigMap other people's values.
import { type EphemeralOptions, OPTION, type OptionVariable, RESOURCES } from './ephemeral-options.ts';
import type { OptionProblem, StringMap } from './option-values.ts';
import type { Quantity } from './quantity.ts';

/** Patterns of names. They match anywhere in a name, as regular expressions do. */
export type Patterns = readonly RegExp[];

/** The policy of an installation: the parsed form of the setting `GuardRails`, by the setting's own keys. */
export interface GuardRails {
  /** Patterns by what they are for. Absent: see `DENIED_UNLESS_LISTED`. */
  readonly patterns: Readonly<Partial<Record<PatternKey, Patterns | undefined>>>;
  /** Largest requests and limits; absent: no maximum. */
  readonly maxima: Readonly<Partial<Record<MaximumKey, Quantity | undefined>>>;
  readonly allowPrivilegeEscalation: boolean;
  /** Root within the container. */
  readonly allowRunAsRoot: boolean;
}

/** Keys of `GuardRails` that hold patterns: of names, and where they say so of keys. */
type PatternKey =
  | 'serviceAccounts'
  | 'configMaps'
  | 'persistentVolumeClaims'
  | 'env'
  | 'labels'
  | 'podAnnotations'
  | 'nodeSelectorKeys'
  | 'tolerationKeys';

type MaximumKey = (typeof RESOURCES)[number]['maximum'];

/** Without patterns these allow nothing; the others allow everything. */
const DENIED_UNLESS_LISTED: readonly PatternKey[] = [
  'serviceAccounts',
  'configMaps',
  'persistentVolumeClaims',
  'podAnnotations',
];

/** An option that is not allowed. */
export interface Refusal extends OptionProblem {
  /** What an administrator would write into `GuardRails` to allow it; absent where nothing can. */
  readonly allow?: { readonly key: PatternKey | MaximumKey | Right; readonly value: string | true | readonly string[] };
}

type Right = 'allowPrivilegeEscalation' | 'allowRunAsRoot';

/** What is left of the options, and everything that is refused. */
export interface GuardedOptions {
  readonly options: EphemeralOptions;
  readonly refusals: readonly Refusal[];
}

/** Longest name that a pattern is tried on: an administrator's pattern may be slow, and a workspace chooses the name. */
const MAX_MATCHED = 253;

/**
 * Compares a workspace's options with the policy. What the deployment gives every executor may be asked for by anybody.
 *
 * @param defaults what the deployment gives every executor.
 */
export function applyGuardRails(own: EphemeralOptions, policy: GuardRails, defaults: EphemeralOptions): GuardedOptions {
  const cache = own.pluginCache;
  const isForUs = cache && (cache.isNamed || isAllowed(policy, 'persistentVolumeClaims', cache.claimName));
  const options = isForUs ? own : { ...own, pluginCache: undefined };
  return {
    options,
    refusals: [
      ...reservedNames(options),
      ...refusedNames(options, policy, defaults),
      ...refusedAmounts(options, policy),
      ...refusedRights(options, policy, defaults),
    ],
  };
}

/** Keys that this project, the Job controller and Kueue decide by. */
const RESERVED_KEY =
  /^((terrakube\.io|app\.kubernetes\.io|batch\.kubernetes\.io|kueue\.x-k8s\.io)\/|(job-name|controller-uid)$)/i;

/**
 * Variables that would give the executor another job, key or Terrakube, silence it, or load code into its Java. Spring takes
 * a name in any case and with `.` or `-` for `_`, and a property of Terrakube's own by its long name.
 */
const RESERVED_ENV =
  /^(ephemeral|(internalsecret|azbuilderapiurl)$|(io_|org_)?terrakube|spring_|executorflag|(jdk_|_)?java_)/;

/** Refuses names that no policy can allow; also among the defaults of a deployment. */
export function reservedNames({ labels, annotations, podAnnotations, env }: EphemeralOptions): readonly Refusal[] {
  const refusal = (variable: OptionVariable, value: string): Refusal => ({
    variable,
    problem: 'has a reserved name',
    value,
    fix: 'Leave it out; no setting allows it.',
  });
  const keysOf = (variable: OptionVariable, map: StringMap) =>
    Object.keys(map)
      .filter((key) => RESERVED_KEY.test(key))
      .map((key) => refusal(variable, key));
  return [
    ...keysOf(OPTION.labels, labels),
    ...keysOf(OPTION.annotations, annotations),
    ...keysOf(OPTION.podAnnotations, podAnnotations),
    ...env
      .filter(({ name }) => RESERVED_ENV.test(name.replace(/[.-]/g, '_').toLowerCase()))
      .map(({ name }) => refusal(OPTION.env, name)),
  ];
}

function refusedNames(own: EphemeralOptions, policy: GuardRails, defaults: EphemeralOptions): readonly Refusal[] {
  const { serviceAccount, configMap, pluginCache, podAnnotations } = own;
  const asked: readonly (readonly [OptionVariable, PatternKey, readonly (string | undefined)[]])[] = [
    [OPTION.serviceAccount, 'serviceAccounts', serviceAccount === defaults.serviceAccount ? [] : [serviceAccount]],
    [OPTION.configMap, 'configMaps', [configMap?.name]],
    [OPTION.envFrom, 'configMaps', own.envFrom.filter((name) => !defaults.envFrom.includes(name))],
    [OPTION.pluginClaim, 'persistentVolumeClaims', [pluginCache?.claimName]],
    [OPTION.env, 'env', own.env.map(({ name }) => name)],
    [OPTION.labels, 'labels', Object.keys(own.labels).filter((key) => own.labels[key] !== defaults.labels[key])],
    [
      OPTION.podAnnotations,
      'podAnnotations',
      Object.keys(podAnnotations).filter((key) => podAnnotations[key] !== defaults.podAnnotations[key]),
    ],
    [OPTION.nodeSelector, 'nodeSelectorKeys', Object.keys(own.nodeSelector)],
    [OPTION.tolerations, 'tolerationKeys', own.tolerations.map(({ key }) => key)],
  ];
  return asked.flatMap(([variable, key, names]) =>
    names
      .filter((name) => name !== undefined)
      .filter((name) => !isAllowed(policy, key, name))
      .map((name) =>
        key === 'env' && !PLAIN_NAME.test(name)
          ? { variable, problem: 'has a name that is not allowed', fix: 'Leave it out.' }
          : notAllowed(variable, 'is not allowed', { key, value: [`^${escapePattern(name)}$`] }, name),
      ),
  );
}

/** What stands before a `=` may be the rest of a value that held a `;`: only what looks like a name is quoted. */
const PLAIN_NAME = /^[A-Z][A-Z0-9_]*$/;

function isAllowed({ patterns }: GuardRails, key: PatternKey, name: string): boolean {
  const list = patterns[key];
  if (list === undefined) return !DENIED_UNLESS_LISTED.includes(key);
  return name.length <= MAX_MATCHED && list.some((pattern) => pattern.test(name));
}

function refusedAmounts(own: EphemeralOptions, { maxima }: GuardRails): readonly Refusal[] {
  return RESOURCES.flatMap(({ resource, request, limit, maximum: key }) => {
    const most = maxima[key];
    if (most === undefined) return [];
    const asked = [
      [request, own.requests[resource]],
      [limit, own.limits[resource]],
    ] as const;
    return asked.flatMap(([variable, amount]) =>
      amount === undefined || amount.nanos <= most
        ? []
        : [notAllowed(variable, `is more than ${key} allows`, { key, value: amount.text }, amount.text)],
    );
  });
}

function refusedRights(own: EphemeralOptions, policy: GuardRails, defaults: EphemeralOptions): readonly Refusal[] {
  const asksForRoot = own.runAsUser === 0 || (own.runAsNonRoot === false && defaults.runAsNonRoot !== false);
  return [
    ...(own.allowPrivilegeEscalation === true && !policy.allowPrivilegeEscalation
      ? [notAllowed(OPTION.security, 'asks for more privileges', { key: 'allowPrivilegeEscalation', value: true })]
      : []),
    ...(asksForRoot && !policy.allowRunAsRoot
      ? [notAllowed(OPTION.podSecurity, 'asks to run as root', { key: 'allowRunAsRoot', value: true })]
      : []),
  ];
}

/** The part of a policy that would allow what was refused, as JSON; undefined when no policy can. */
export function allowingPolicy(refusals: readonly Refusal[]): string | undefined {
  const policy: Record<string, NonNullable<Refusal['allow']>['value']> = {};
  for (const { allow } of refusals) {
    if (!allow) continue;
    const before = policy[allow.key];
    policy[allow.key] =
      typeof before === 'object' && typeof allow.value === 'object'
        ? [...new Set([...before, ...allow.value])]
        : allow.value;
  }
  return Object.keys(policy).length > 0 ? JSON.stringify(policy) : undefined;
}

const notAllowed = (
  variable: OptionVariable,
  problem: string,
  allow: NonNullable<Refusal['allow']>,
  value?: string,
): Refusal => ({
  variable,
  problem,
  ...(value === undefined ? {} : { value }),
  fix: 'Leave it out or ask for less.',
  allow,
});

const escapePattern = (name: string): string => name.replaceAll('.', '\\.');
