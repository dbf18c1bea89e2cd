// The server of aws-iam-authenticator (test/cluster/authenticator) as the token webhook of an API server.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../local/control-plane/free-port.ts';
import { startPrograms } from '../../../local/control-plane/programs.ts';
import { type Json, textAt } from '../../../local/json.ts';
import type { StandInSts } from './stand-in-sts.ts';

/** Who a role is in the cluster, as its access entry says. */
export interface RoleMapping {
  readonly rolearn: string;
  /** With `{{AccountID}}` and `{{SessionName}}`. */
  readonly username: string;
  readonly groups: readonly string[];
}

/** How the authenticator runs. */
export interface AuthenticatorOptions {
  readonly binary: string;
  readonly clusterName: string;
  readonly sts: StandInSts;
  readonly roles: readonly RoleMapping[];
}

/** A running authenticator. */
export interface Authenticator {
  /** The file that tells kube-apiserver where it is, and what to trust. */
  readonly webhookConfig: string;
  /** Why callers were refused so far, from its own log. */
  refusals(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Longest wait for its start, on a machine that has much else to do. */
const LIMIT_MS = 60_000;

/** Starts the authenticator on a free port of 127.0.0.1. @throws Error with the end of its log. */
export async function startAuthenticator(options: AuthenticatorOptions): Promise<Authenticator> {
  const { binary, clusterName, sts, roles } = options;
  const dir = await mkdtemp(join(tmpdir(), 'authenticator-'));
  const removeDir = (): Promise<void> => rm(dir, { recursive: true, force: true });
  const inDir = (name: string): string => join(dir, name);
  const config = inDir('config.json');
  const stsCa = inDir('sts.crt');
  const log = inDir('log');
  const webhookConfig = inDir('webhook.kubeconfig');
  const port = await freePort();
  await writeFile(stsCa, sts.caPem);
  await writeFile(
    config,
    JSON.stringify({
      PartitionID: 'aws',
      ClusterID: clusterName,
      Hostname: '127.0.0.1',
      Address: '127.0.0.1',
      HostPort: port,
      StateDir: dir,
      GenerateKubeconfigPath: webhookConfig,
      BackendMode: ['MountedFile'],
      RoleMappings: roles,
    }),
  );
  const running = await startPrograms(log, {
    first: [{ file: binary, args: ['-config', config, '-sts', sts.address, '-sts-ca', stsCa] }],
    isReady: () => isListening(port),
    second: [],
    limitMs: LIMIT_MS,
  }).catch(async (error: unknown) => {
    await removeDir();
    throw error;
  });
  return {
    webhookConfig,
    refusals: async () => refusalsIn(await readFile(log, 'utf8')),
    close: async () => {
      await running.stop();
      await removeDir();
    },
  };
}

/** Its entries are lines of JSON; libraries that it uses write other lines. */
function refusalsIn(log: string): readonly string[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  const entries = lines.map((line): Json => JSON.parse(line));
  return entries
    .filter((entry) => textAt(entry, 'msg') === 'access denied')
    .map((entry) => textAt(entry, 'error') ?? '');
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
