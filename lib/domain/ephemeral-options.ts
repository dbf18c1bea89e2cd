// What a workspace may ask of its executor, by Terrakube's own variables and in their syntax, the faults of Terrakube's
// reader repaired: nothing ends with an error, and no value is wrong that the API server would have to refuse.
// https://docs.terrakube.io/getting-started/deployment/ephemeral-agents
import { annotationBytes, MAX_ANNOTATION_BYTES, pathsOverlap } from './kubernetes-syntax.ts';
import {
  type Amount,
  checkKeys,
  type EnvVar,
  type OptionProblem,
  type Reader,
  type Report,
  readAmount,
  readAnnotations,
  readEnv,
  readField,
  readFlag,
  readId,
  readLabels,
  readMountPath,
  readName,
  readNames,
  readTolerations,
  type StringMap,
} from './option-values.ts';
import { PAYLOAD_MOUNT_PATH } from './payload-secret.ts';
import type { Toleration } from './tolerations.ts';

/** The variables, by what they set; those of amounts are in {@link RESOURCES}. */
export const OPTION = {
  nodeSelector: 'EPHEMERAL_CONFIG_NODE_SELECTOR_TAGS',
  tolerations: 'EPHEMERAL_CONFIG_TOLERATIONS',
  serviceAccount: 'EPHEMERAL_CONFIG_SERVICE_ACCOUNT',
  annotations: 'EPHEMERAL_CONFIG_ANNOTATIONS',
  podAnnotations: 'EPHEMERAL_CONFIG_POD_ANNOTATIONS',
  labels: 'EPHEMERAL_CONFIG_LABELS',
  configMap: 'EPHEMERAL_CONFIG_MAP_NAME',
  configMapPath: 'EPHEMERAL_CONFIG_MAP_MOUNT_PATH',
  envFrom: 'EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP',
  env: 'EPHEMERAL_JOB_ENV_VARS',
  pluginCache: 'TF_PLUGIN_CACHE_DIR',
  pluginClaim: 'PVC_CLAIM_NAME',
  podSecurity: 'EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT',
  security: 'EPHEMERAL_CONFIG_SECURITY_CONTEXT',
} as const;

/** A resource of a container by Kubernetes' name, the variables that set it, and the key of its maximum in `GuardRails`. */
export const RESOURCES = [
  {
    resource: 'cpu',
    unit: 'cores',
    request: 'EPHEMERAL_CPU_REQUEST',
    limit: 'EPHEMERAL_CPU_LIMIT',
    maximum: 'maxCpu',
  },
  {
    resource: 'memory',
    unit: 'bytes',
    request: 'EPHEMERAL_MEMORY_REQUEST',
    limit: 'EPHEMERAL_MEMORY_LIMIT',
    maximum: 'maxMemory',
  },
  {
    resource: 'ephemeral-storage',
    unit: 'bytes',
    request: 'EPHEMERAL_STORAGE_REQUEST',
    limit: 'EPHEMERAL_STORAGE_LIMIT',
    maximum: 'maxEphemeralStorage',
  },
] as const;

/** One of the variables. */
export type OptionVariable = (typeof OPTION)[keyof typeof OPTION] | (typeof RESOURCES)[number]['request' | 'limit'];

/** All of them. */
export const OPTION_VARIABLES: readonly OptionVariable[] = [
  ...Object.values(OPTION),
  ...RESOURCES.flatMap(({ request, limit }) => [request, limit]),
];

/** Requests or limits. */
export type Amounts = Readonly<Partial<Record<(typeof RESOURCES)[number]['resource'], Amount>>>;

/** What was asked for; absent and empty parts were not. */
export interface EphemeralOptions {
  readonly nodeSelector: StringMap;
  readonly tolerations: readonly Toleration[];
  readonly serviceAccount?: string | undefined;
  /** Of the Job, not of its pod. */
  readonly annotations: StringMap;
  readonly podAnnotations: StringMap;
  /** Of both. */
  readonly labels: StringMap;
  readonly configMap?: { readonly name: string; readonly mountPath: string } | undefined;
  /** ConfigMaps whose keys become environment variables. */
  readonly envFrom: readonly string[];
  readonly env: readonly EnvVar[];
  /** @property isNamed whether the workspace named the claim; otherwise it may only have set Terraform's own variable. */
  readonly pluginCache?:
    | { readonly claimName: string; readonly mountPath: string; readonly isNamed: boolean }
    | undefined;
  readonly fsGroup?: number | undefined;
  readonly runAsUser?: number | undefined;
  readonly runAsNonRoot?: boolean | undefined;
  readonly allowPrivilegeEscalation?: boolean | undefined;
  readonly requests: Amounts;
  readonly limits: Amounts;
}

/** Nothing was asked for. */
export const NO_OPTIONS: EphemeralOptions = {
  nodeSelector: {},
  tolerations: [],
  annotations: {},
  podAnnotations: {},
  labels: {},
  envFrom: [],
  env: [],
  requests: {},
  limits: {},
};

/** What could be read, and everything that could not. */
export interface ParsedOptions {
  readonly options: EphemeralOptions;
  readonly problems: readonly OptionProblem[];
}

/** Terrakube's default for the ConfigMap's folder. */
const CONFIG_MAP_PATH = '/data';
/** Terrakube's default for the claim of the plugin cache. */
const PLUGIN_CLAIM = 'terrakube-plugin-pvc';
/** The payload's folder by both of its names: in most images /var/run leads to /run. */
const PAYLOAD_PATHS: readonly string[] = [PAYLOAD_MOUNT_PATH, PAYLOAD_MOUNT_PATH.replace('/var', '')];
/** Room for what we write on a Job ourselves, verdicts included. */
const OWN_ANNOTATION_BYTES = 16_384;

/** Reads the variables of a workspace. A blank one counts as absent. @param defaults what a deployment gives every executor. */
export function parseOptions(
  variables: Readonly<Partial<Record<OptionVariable, string>>>,
  defaults: EphemeralOptions,
): ParsedOptions {
  const problems: OptionProblem[] = [];
  const reportOn =
    (variable: string): Report =>
    (problem, fix, value) =>
      problems.push({ variable, problem, fix, ...(value === undefined ? {} : { value }) });
  const read = <T>(variable: OptionVariable, reader: Reader<T>): T | undefined => {
    const text = variables[variable]?.trim();
    return text ? reader(text, reportOn(variable)) : undefined;
  };
  const map = (variable: OptionVariable, reader: typeof readLabels): StringMap => read(variable, reader) ?? {};
  const options: EphemeralOptions = {
    nodeSelector: map(OPTION.nodeSelector, readLabels),
    tolerations: read(OPTION.tolerations, readTolerations) ?? [],
    serviceAccount: read(OPTION.serviceAccount, readName),
    annotations: map(OPTION.annotations, readAnnotations),
    podAnnotations: map(OPTION.podAnnotations, readAnnotations),
    labels: map(OPTION.labels, readLabels),
    envFrom: read(OPTION.envFrom, readNames) ?? [],
    env: read(OPTION.env, readEnv) ?? [],
    ...readVolumes(read, reportOn),
    ...readSecurity(read),
    ...readResources(read),
  };
  checkTogether(options, mergeOptions(defaults, options), reportOn);
  return { options, problems };
}

type Read = <T>(variable: OptionVariable, reader: Reader<T>) => T | undefined;
type ReportOn = (variable: string) => Report;

function readVolumes(read: Read, reportOn: ReportOn): Pick<EphemeralOptions, 'configMap' | 'pluginCache'> {
  const name = read(OPTION.configMap, readName);
  const configPath = (name === undefined ? undefined : read(OPTION.configMapPath, readMountPath)) ?? CONFIG_MAP_PATH;
  const configMap = name === undefined ? undefined : { name, mountPath: configPath };
  const overlaps = (path: string, others: readonly string[]) => others.find((other) => pathsOverlap(path, other));
  const checkFree = (variable: OptionVariable, path: string, others: readonly string[]): void => {
    const other = overlaps(path, others);
    if (other !== undefined) reportOn(variable)(`overlaps ${other}, which is taken`, 'Choose another folder.', path);
  };
  if (configMap) checkFree(OPTION.configMapPath, configPath, PAYLOAD_PATHS);
  const taken = [...PAYLOAD_PATHS, ...(configMap ? [configPath] : [])];
  // Terraform itself knows this variable, with paths that nothing can be mounted at: without a claim they are not for us.
  const quiet = read(OPTION.pluginCache, (text) => readMountPath(text, () => {}));
  const claimName = read(OPTION.pluginCache, () => read(OPTION.pluginClaim, readName));
  if (claimName === undefined) {
    const isUsable = quiet !== undefined && overlaps(quiet, taken) === undefined;
    const unnamed = { claimName: PLUGIN_CLAIM, mountPath: quiet ?? '', isNamed: false };
    return { configMap, pluginCache: isUsable ? unnamed : undefined };
  }
  const mountPath = read(OPTION.pluginCache, readMountPath) ?? '';
  if (mountPath !== '') checkFree(OPTION.pluginCache, mountPath, taken);
  return { configMap, pluginCache: { claimName, mountPath, isNamed: true } };
}

type Security = 'fsGroup' | 'runAsUser' | 'runAsNonRoot' | 'allowPrivilegeEscalation';

function readSecurity(read: Read): Pick<EphemeralOptions, Security> {
  const ofPod = <T>(key: string, reader: Reader<T>) => read(OPTION.podSecurity, readField(key, reader));
  read(OPTION.podSecurity, checkKeys(['fsGroup', 'runAsNonRoot', 'runAsUser']));
  read(OPTION.security, checkKeys(['allowPrivilegeEscalation']));
  return {
    fsGroup: ofPod('fsGroup', readId),
    runAsUser: ofPod('runAsUser', readId),
    runAsNonRoot: ofPod('runAsNonRoot', readFlag),
    allowPrivilegeEscalation: read(OPTION.security, readField('allowPrivilegeEscalation', readFlag)),
  };
}

function readResources(read: Read): Pick<EphemeralOptions, 'requests' | 'limits'> {
  const amounts = (kind: 'request' | 'limit'): Amounts =>
    Object.fromEntries(
      RESOURCES.flatMap(({ resource, unit, [kind]: variable }) => {
        const amount = read(variable, (text, report) => {
          const found = readAmount(text, report, unit);
          // A container runtime takes a limit of 0 for no limit at all.
          if (kind === 'limit' && found?.nanos === 0n)
            report('is a limit of nothing', 'Leave it out, or raise it.', text);
          return found;
        });
        return amount === undefined ? [] : [[resource, amount]];
      }),
    );
  return { requests: amounts('request'), limits: amounts('limit') };
}

/** What is right by itself and wrong together, with the defaults of the deployment as well. */
function checkTogether(own: EphemeralOptions, all: EphemeralOptions, reportOn: ReportOn): void {
  for (const { resource, request, limit } of RESOURCES) {
    const [least, most] = [all.requests[resource], all.limits[resource]];
    if (least === undefined || most === undefined || least.nanos <= most.nanos) continue;
    if (own.requests[resource] === undefined && own.limits[resource] === undefined) continue;
    const isRequest = own.requests[resource] !== undefined;
    const other = isRequest ? `the limit ${most.text}` : `the request ${least.text}`;
    reportOn(isRequest ? request : limit)(
      `is ${isRequest ? 'more' : 'less'} than ${other}`,
      `Set ${request} to at most ${limit}; what a workspace leaves out has the default of the deployment.`,
      (isRequest ? least : most).text,
    );
  }
  for (const [variable, annotations] of [
    [OPTION.annotations, all.annotations],
    [OPTION.podAnnotations, all.podAnnotations],
  ] as const) {
    const room = MAX_ANNOTATION_BYTES - OWN_ANNOTATION_BYTES;
    if (annotationBytes(annotations) <= room) continue;
    reportOn(variable)(`has more than ${room} bytes`, 'Keep large texts in a ConfigMap.');
  }
  if (own.runAsUser === 0 && all.runAsNonRoot === true) {
    reportOn(OPTION.podSecurity)(
      'has runAsUser=0 (root) with runAsNonRoot=true',
      'Choose another user, or add runAsNonRoot=false.',
    );
  }
}

/** Lays the options of a workspace over those of the deployment: maps are merged, everything else is replaced. */
export function mergeOptions(defaults: EphemeralOptions, own: EphemeralOptions): EphemeralOptions {
  return {
    // As Terrakube does it: the labels of two kinds of nodes together often fit no node at all.
    nodeSelector: Object.keys(own.nodeSelector).length > 0 ? own.nodeSelector : defaults.nodeSelector,
    tolerations: own.tolerations.length > 0 ? own.tolerations : defaults.tolerations,
    serviceAccount: own.serviceAccount ?? defaults.serviceAccount,
    annotations: { ...defaults.annotations, ...own.annotations },
    podAnnotations: { ...defaults.podAnnotations, ...own.podAnnotations },
    labels: { ...defaults.labels, ...own.labels },
    configMap: own.configMap ?? defaults.configMap,
    envFrom: [...new Set([...defaults.envFrom, ...own.envFrom])],
    env: [...defaults.env.filter(({ name }) => !own.env.some((other) => other.name === name)), ...own.env],
    pluginCache: own.pluginCache ?? defaults.pluginCache,
    fsGroup: own.fsGroup ?? defaults.fsGroup,
    runAsUser: own.runAsUser ?? defaults.runAsUser,
    runAsNonRoot: own.runAsNonRoot ?? defaults.runAsNonRoot,
    allowPrivilegeEscalation: own.allowPrivilegeEscalation ?? defaults.allowPrivilegeEscalation,
    requests: { ...defaults.requests, ...own.requests },
    limits: { ...defaults.limits, ...own.limits },
  };
}
