// The options of `npm start`, read and checked together: every fault is found, and each one names what mends it.
import { accessSync, constants, statSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { internalSecretKey } from '../../lib/domain/internal-secret.ts';
import { loadScenarios, type Scenario } from '../scenarios/scenario.ts';
import { StartRefusal } from './refusal.ts';
import { splitCommand } from './split-command.ts';

/** What `--help` prints. */
export const USAGE = `npm start [-- OPTIONS]
  --json      one JSON object a line on standard output
  --watch     keep running, and print what happens
  --port N    port of the front door (default: a free one)
  --verbose   also print the functions' log lines
The cluster (default: a stand-in):
  --control-plane      a real etcd, kube-apiserver and controllers (built once: 5 to 10 minutes, with Go)
  --kube-context NAME  the cluster of this kube context (KUBECONFIG or ~/.kube/config), with its sign-in
  --scenario NAME      the stand-in, with one job that comes to what a real cluster was recorded to show
  --list-scenarios     the names, each with a line about it
Terrakube (default: a stand-in, and two demo jobs):
  --terrakube-url URL  this Terrakube, until Ctrl-C; the environment variable InternalSecret is the one that it has
  --host ADDRESS       address of the front door, for a Terrakube on another machine (default: 127.0.0.1; plain HTTP)
The executor (default: one that only plays Terraform):
  --executor COMMAND   runs on this machine for each pod, with its environment: --executor "java -jar /opt/executor.jar"
With --kube-context and --terrakube-url, environment variables ExecutorEphemeral… set the parameters of template.yaml.`;

/** The cluster to run on. */
export type ClusterChoice =
  | { readonly kind: 'standIn' | 'controlPlane' }
  | { readonly kind: 'context'; readonly name: string };

/** A Terrakube that somebody else runs. */
export interface RealTerrakube {
  /** Base URL of its API. */
  readonly url: string;
  readonly internalSecret: string;
}

/** What was asked for. */
export interface StartOptions {
  readonly json: boolean;
  readonly watch: boolean;
  readonly verbose: boolean;
  readonly cluster: ClusterChoice;
  readonly terrakube?: RealTerrakube;
  /** Command and arguments. */
  readonly executor?: readonly string[];
  /** What the one job comes to. */
  readonly scenario?: Scenario;
  readonly port?: number;
  readonly host?: string;
  /** Parameters of template.yaml. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Where the options stand. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder in which the user typed the command. */
  readonly folder: string;
}

/**
 * Reads the arguments.
 *
 * @throws StartRefusal with every fault, and exit code 2.
 */
export function parseStartOptions(
  args: readonly string[],
  surroundings: Surroundings,
): StartOptions | 'help' | 'scenarios' | 'scenariosAsJson' {
  const values = readArguments(args);
  if (values.help) return 'help';
  if (values['list-scenarios']) return values.json ? 'scenariosAsJson' : 'scenarios';
  const { json, watch, verbose } = values;
  const faults = createFaults();
  const port = faults.read(values.port, readPort);
  const host = faults.read(values.host, readHost);
  const cluster = faults.read(values, readCluster) ?? { kind: 'standIn' };
  const terrakube = faults.read(values['terrakube-url'], (url) => readTerrakube(url, surroundings.env));
  const executor = faults.read(values.executor, (command) => readExecutor(command, surroundings));
  const isReal = cluster.kind === 'context' || values['terrakube-url'] !== undefined;
  const parameters = faults.read(surroundings.env, (env) => readParameters(isReal ? env : {}, cluster)) ?? {};
  if (values.host !== undefined && values['terrakube-url'] === undefined) {
    faults.add('--host is for a Terrakube on another machine: add --terrakube-url URL, or leave --host out.');
  }
  const scenario = faults.read(values, readScenario);
  faults.throwAny();
  return {
    ...{ json, watch, verbose, cluster, parameters },
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(terrakube === undefined ? {} : { terrakube }),
    ...(executor === undefined ? {} : { executor }),
    ...(scenario === undefined || scenario === 'none' ? {} : { scenario }),
  };
}

function readArguments(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        watch: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        'control-plane': { type: 'boolean', default: false },
        'kube-context': { type: 'string' },
        'terrakube-url': { type: 'string' },
        executor: { type: 'string' },
        scenario: { type: 'string' },
        'list-scenarios': { type: 'boolean', default: false },
        host: { type: 'string' },
        port: { type: 'string' },
      },
    });
    return values;
  } catch (error) {
    throw new StartRefusal(error instanceof Error ? error.message : 'bad usage', 2);
  }
}

/** A value that was read, or what is wrong with it. */
type Read<T> = { readonly value: T } | { readonly fault: string };

/** Collects faults, so that a user learns of all at once. */
interface Faults {
  /** Reads what is there; undefined when nothing is, or when it has a fault. */
  read<In, Out>(given: In | undefined, read: (given: In) => Read<Out>): Out | undefined;
  add(fault: string): void;
  throwAny(): void;
}

function createFaults(): Faults {
  const faults: string[] = [];
  return {
    read(given, read) {
      if (given === undefined) return undefined;
      const result = read(given);
      if ('value' in result) return result.value;
      faults.push(result.fault);
      return undefined;
    },
    add: (fault) => void faults.push(fault),
    throwAny: () => {
      if (faults.length > 0) throw new StartRefusal(faults.join('\n'), 2);
    },
  };
}

function readPort(text: string): Read<number> {
  const port = Number(text);
  const isPort = Number.isInteger(port) && port > 0 && port < 65_536;
  return isPort ? { value: port } : { fault: '--port must be a number from 1 to 65535.' };
}

function readHost(host: string): Read<string> {
  const isHost = isIP(host) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host);
  return isHost
    ? { value: host }
    : { fault: '--host must be an address or a name of this machine, such as 192.0.2.7.' };
}

function readCluster(values: ReturnType<typeof readArguments>): Read<ClusterChoice> {
  const name = values['kube-context'];
  if (name === undefined) return { value: { kind: values['control-plane'] ? 'controlPlane' : 'standIn' } };
  if (values['control-plane']) {
    return { fault: '--control-plane and --kube-context are two clusters: leave one of them out.' };
  }
  if (name === '') return { fault: '--kube-context needs the name of a context: kubectl config get-contexts' };
  return { value: { kind: 'context', name } };
}

/** What template.yaml takes as TerrakubeApiUrl. */
const API_URL = /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._~/-]*)?$/;

function readTerrakube(url: string, env: Surroundings['env']): Read<RealTerrakube> {
  if (!API_URL.test(url) || !URL.canParse(url)) {
    return {
      fault:
        '--terrakube-url must be the base URL of the Terrakube API, such as https://terrakube-api.example.com: http or https, without user, query and fragment.',
    };
  }
  const internalSecret = env['InternalSecret'] ?? '';
  if (internalSecret === '') {
    return {
      fault:
        '--terrakube-url needs the environment variable InternalSecret, with the value that the Terrakube API has.',
    };
  }
  const decoded = internalSecretKey(internalSecret);
  if ('problem' in decoded) return { fault: `The environment variable InternalSecret: ${decoded.problem}.` };
  return { value: { url, internalSecret } };
}

/** The roles of deploy/kubernetes, which the local control plane gets, are those of one namespace. */
function readParameters(env: Surroundings['env'], cluster: ClusterChoice): Read<StartOptions['parameters']> {
  const given = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith('ExecutorEphemeral') && value !== undefined ? [[name, value] as const] : [],
  );
  const parameters: Readonly<Record<string, string>> = Object.fromEntries(given);
  const namespace = parameters['ExecutorEphemeralNamespace'];
  if (cluster.kind === 'controlPlane' && namespace !== undefined && namespace !== 'terrakube') {
    return { fault: '--control-plane has the namespace terrakube only: unset ExecutorEphemeralNamespace.' };
  }
  return { value: parameters };
}

function readExecutor(command: string, { env, folder }: Surroundings): Read<readonly string[]> {
  const words = splitCommand(command);
  if ('problem' in words) return { fault: `--executor ${words.problem}.` };
  const [program = '', ...args] = words;
  if (program === '') return { fault: '--executor needs a command, such as "java -jar /opt/executor.jar".' };
  // Each executor starts in a folder of its own, as a container does: what is relative here would not be found there.
  const relative = [...(program.includes('/') ? [program] : []), ...args].find(
    (word) => !path.isAbsolute(word) && isFile(path.resolve(folder, word)),
  );
  if (relative !== undefined) {
    const absolute = path.resolve(folder, relative);
    return { fault: `--executor starts in a folder of its own: write ${absolute} instead of ${relative}.` };
  }
  const places = program.includes('/') ? [program] : inPath(program, env['PATH'] ?? '');
  if (places.some(isProgram)) return { value: words };
  return { fault: `--executor: there is no program ${program}${program.includes('/') ? '' : ' in PATH'}.` };
}

function readScenario(values: ReturnType<typeof readArguments>): Read<Scenario | 'none'> {
  const name = values.scenario;
  if (name === undefined) return { value: 'none' };
  const others = (['control-plane', 'kube-context', 'terrakube-url', 'executor'] as const).filter(
    (option) => values[option] !== undefined && values[option] !== false,
  );
  if (others.length > 0) {
    const listed = others.map((option) => `--${option}`).join(' and ');
    return { fault: `--scenario is played in the stand-in cluster, to the stand-in Terrakube: leave ${listed} out.` };
  }
  const scenarios = loadScenarios();
  const scenario = scenarios.find((known) => known.name === name);
  if (scenario !== undefined) return { value: scenario };
  return {
    fault: `--scenario: there is no scenario ${JSON.stringify(name)}. There are ${scenarios.map((one) => one.name).join(', ')}.`,
  };
}

const inPath = (program: string, folders: string): readonly string[] =>
  folders.split(path.delimiter).map((folder) => path.join(folder, program));

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return isFile(file);
  } catch {
    return false;
  }
}
