// What an installation decides about its executors: the parsed form of the `ExecutorEphemeral*` settings, Terrakube's own
// names for its native executors.
import type { EphemeralOptions } from './ephemeral-options.ts';
import type { GuardRails } from './guard-rails.ts';
import type { EnvVar } from './option-values.ts';
import type { PayloadTransport } from './payload-transport.ts';
import type { Seconds } from './time.ts';

/** The settings of every executor of this installation. */
export interface ExecutorSettings {
  /** Namespace of Jobs and Secrets. */
  readonly namespace: string;
  /** Image of the executor; must be as new as the Terrakube API, or the executor hangs on a field it does not know. */
  readonly image: string;
  /** Secrets whose keys become environment variables, in order. */
  readonly secrets: readonly string[];
  /** ConfigMaps whose keys become environment variables, after the Secrets. */
  readonly configMaps: readonly string[];
  readonly env: readonly EnvVar[];
  /** The clock of one step, from the Job's start. */
  readonly activeDeadlineSeconds: Seconds;
  /** Time between SIGTERM and SIGKILL. */
  readonly terminationGracePeriodSeconds: Seconds;
  /** How long an ended Job stays to be looked at. */
  readonly ttlSecondsAfterFinished: Seconds;
  readonly runAsNonRoot: boolean;
  /** Secrets that hold the sign-in to the image's registry. */
  readonly imagePullSecrets: readonly string[];
  readonly priorityClass?: string;
  /** What every executor gets; in the settings of one step with the choices of its workspace laid over it. */
  readonly options: EphemeralOptions;
  /** What a workspace may choose. */
  readonly guardRails: GuardRails;
  /** Whether only workspaces with Terrakube's switch for ephemeral executors get one. */
  readonly requireOptIn: boolean;
  readonly transport: PayloadTransport;
}

/** Environment variables that the manifest sets itself; a second entry of the same name would hide the first. */
export const OWN_ENV_NAMES = [
  'EphemeralFlagBatch',
  'EphemeralJobData',
  'SPRING_CONFIG_IMPORT',
  'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE',
] as const;

/** With this one an executor reports nothing to Terrakube: every step would look silent. */
const BLINDING_ENV_NAME = 'ExecutorFlagDisableAcknowledge';

/**
 * Says what is wrong with the environment that an installation gives its executors; empty when nothing is. What is not a
 * name is not quoted: it may be the rest of a value that held the character which divides the pairs.
 */
export function envProblems(env: readonly EnvVar[]): readonly string[] {
  const seen = new Set<string>();
  return env.flatMap(({ name }, index) => {
    const problems: string[] = [];
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) {
      return [`pair ${index + 1} does not begin with the name of an environment variable and "="`];
    }
    if (OWN_ENV_NAMES.some((own) => own === name)) problems.push(`${name} is set by the dispatcher; leave it out`);
    if (name === BLINDING_ENV_NAME) problems.push(`${name} would keep executors from reporting; leave it out`);
    if (seen.has(name)) problems.push(`${name} is given twice`);
    seen.add(name);
    return problems;
  });
}
