// The settings of executors: Terrakube's own names where Terrakube has one. What has a twin among the variables of a
// workspace has its syntax and its reader too.
import * as v from 'valibot';
import {
  type EphemeralOptions,
  NO_OPTIONS,
  OPTION,
  type OptionVariable,
  parseOptions,
} from '../domain/ephemeral-options.ts';
import { type ExecutorSettings, envProblems } from '../domain/executor-settings.ts';
import { reservedNames } from '../domain/guard-rails.ts';
import { isObjectName } from '../domain/kubernetes-syntax.ts';
import type { EnvVar } from '../domain/option-values.ts';
import { PAYLOAD_TRANSPORTS } from '../domain/payload-transport.ts';
import { seconds } from '../domain/time.ts';
import { guardRails } from './guard-rails.ts';
import {
  activeDeadline,
  bool,
  type Environment,
  executorNamespace,
  names,
  parseSettings,
  positive,
  terminationGrace,
  text,
} from './parts.ts';

const schema = v.object({
  ExecutorEphemeralNamespace: executorNamespace,
  ExecutorEphemeralImage: v.optional(
    v.pipe(text, v.regex(/^\S+$/, 'must be the name of an image')),
    'azbuilder/executor:2.22.0',
  ),
  ExecutorEphemeralSecret: names('terrakube-executor-secrets'),
  ExecutorEphemeralConfigMap: names(''),
  ExecutorEphemeralEnv: v.optional(v.pipe(text, v.transform(parseEnv), v.rawCheck(checkEnv)), ''),
  ExecutorEphemeralImagePullSecrets: names(''),
  ExecutorEphemeralPriorityClass: v.optional(
    v.pipe(text, v.check(isObjectName, 'must be the name of a priority class')),
  ),
  ExecutorEphemeralActiveDeadlineSeconds: activeDeadline,
  ExecutorEphemeralTerminationGracePeriodSeconds: terminationGrace,
  ExecutorEphemeralTtlSecondsAfterFinished: positive('7200'),
  ExecutorEphemeralRunAsNonRoot: bool('true'),
  PayloadTransport: v.optional(v.pipe(text, v.picklist(PAYLOAD_TRANSPORTS, 'must be file, secretEnv or env')), 'file'),
  GuardRails: guardRails,
  RequireOptIn: bool('false'),
});

/** Reads the settings of executors. @param faults takes every setting that is wrong, without its value. */
export function readExecutorSettings(environment: Environment, faults: string[]): ExecutorSettings | undefined {
  const settings = parseSettings(schema, environment, faults);
  const options = readOptions(environment, faults);
  if (!settings) return undefined;
  const priorityClass = settings.ExecutorEphemeralPriorityClass;
  return {
    namespace: settings.ExecutorEphemeralNamespace,
    image: settings.ExecutorEphemeralImage,
    secrets: settings.ExecutorEphemeralSecret,
    configMaps: settings.ExecutorEphemeralConfigMap,
    env: settings.ExecutorEphemeralEnv,
    activeDeadlineSeconds: seconds(settings.ExecutorEphemeralActiveDeadlineSeconds),
    terminationGracePeriodSeconds: seconds(settings.ExecutorEphemeralTerminationGracePeriodSeconds),
    ttlSecondsAfterFinished: seconds(settings.ExecutorEphemeralTtlSecondsAfterFinished),
    runAsNonRoot: settings.ExecutorEphemeralRunAsNonRoot,
    transport: settings.PayloadTransport,
    imagePullSecrets: settings.ExecutorEphemeralImagePullSecrets,
    ...(priorityClass === undefined ? {} : { priorityClass }),
    options,
    guardRails: settings.GuardRails,
    requireOptIn: settings.RequireOptIn,
  };
}

/** The settings that are options: `ExecutorEphemeral` and the name at the right. */
const TWINS: readonly (readonly [OptionVariable, string])[] = [
  [OPTION.serviceAccount, 'ServiceAccount'],
  [OPTION.podAnnotations, 'PodAnnotations'],
  [OPTION.nodeSelector, 'NodeSelector'],
  [OPTION.tolerations, 'Tolerations'],
  ['EPHEMERAL_CPU_REQUEST', 'CpuRequest'],
  ['EPHEMERAL_CPU_LIMIT', 'CpuLimit'],
  ['EPHEMERAL_MEMORY_REQUEST', 'MemoryRequest'],
  ['EPHEMERAL_MEMORY_LIMIT', 'MemoryLimit'],
  ['EPHEMERAL_STORAGE_REQUEST', 'StorageRequest'],
  ['EPHEMERAL_STORAGE_LIMIT', 'StorageLimit'],
];

/** Reads what every executor gets. */
function readOptions(environment: Environment, faults: string[]): EphemeralOptions {
  const given = TWINS.flatMap(([variable, name]) => {
    const value = environment[`ExecutorEphemeral${name}`];
    return value === undefined ? [] : [[variable, value] as const];
  });
  const settingOf = new Map<string, string>(TWINS);
  const { options, problems } = parseOptions(Object.fromEntries(given), NO_OPTIONS);
  for (const { variable, problem } of [...problems, ...reservedNames(options)]) {
    faults.push(`ExecutorEphemeral${settingOf.get(variable)}: ${problem}`);
  }
  return options;
}

/** `k=v;k=v`, Terrakube's syntax: the first `=` divides, blanks at the ends are dropped. A pair without `=` has no name. */
function parseEnv(value: string): readonly EnvVar[] {
  return value
    .split(';')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const divider = pair.indexOf('=');
      return { name: pair.slice(0, Math.max(0, divider)).trim(), value: pair.slice(divider + 1).trim() };
    });
}

function checkEnv({ dataset, addIssue }: v.RawCheckContext<readonly EnvVar[]>): void {
  if (!dataset.typed) return;
  for (const message of envProblems(dataset.value)) addIssue({ message });
}
