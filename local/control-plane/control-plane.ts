/**
 * A real Kubernetes control plane on 127.0.0.1: etcd, kube-apiserver and the controllers that Jobs need, without container,
 * root or Docker. There is no scheduler and no kubelet: a test plays them, or starts local/kubelet.
 */

import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createClusterApi } from '../kubelet/api.ts';
import type { ControlPlanePrograms } from './build.ts';
import { apiServerFlags, controllerFlags, etcdAddress, etcdFlags, webhookFlags } from './flags.ts';
import { freePort } from './free-port.ts';
import type { Tokens } from './identities.ts';
import { createNamespace } from './namespace.ts';
import { type Program, type RunningPrograms, startPrograms } from './programs.ts';
import { files, makeStateFolder, type StateFolder, writeWebhookConfig } from './state-folder.ts';
import { type Authenticate, startTokenWebhook } from './token-webhook.ts';

/** How the control plane starts. */
export interface ControlPlaneOptions {
  readonly programs: ControlPlanePrograms;
  /** File for the audit log, in the folder of its state unless the path is absolute; without it none is written. */
  readonly auditLog?: string;
  /** Knows bearer tokens besides the static ones and those of service accounts. */
  readonly authenticate?: Authenticate;
  /** More flags of kube-apiserver; a later flag wins. */
  readonly flags?: readonly string[];
  /** Namespaces that are created; by default `terrakube`. */
  readonly namespaces?: readonly string[];
}

/** A running control plane. */
export interface ControlPlane {
  readonly url: string;
  readonly caPem: string;
  readonly tokens: Tokens;
  /** The admin's kubeconfig, for kubectl. */
  readonly kubeconfig: string;
  /** Where its state, its log and its keys are, until {@link stop}. */
  readonly dir: string;
  /** False with envtest's programs: then nothing happens to a Job, and nothing is collected. */
  readonly hasControllers: boolean;
  /** Ends all parts and starts them again with the same state, keys and address. */
  restart(): Promise<void>;
  /** Ends all parts and removes the state. */
  stop(): Promise<void>;
}

/** Longest wait for one step of the start, on a machine that has much else to do. */
const readyLimitMs = 120_000;

/**
 * Starts a control plane; it takes 3 to 5 seconds.
 *
 * @throws Error with the end of its log when it does not come up.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { programs, authenticate, namespaces = ['terrakube'] } = options;
  const hasControllers = programs.kind === 'module' || programs.controllers !== undefined;
  const folder = await makeStateFolder(await freePort());
  const webhook = authenticate === undefined ? undefined : await startTokenWebhook(authenticate);
  if (webhook !== undefined) await writeWebhookConfig(folder, webhook);
  const api = createClusterApi({ server: folder.url, caPem: folder.caPem, token: folder.tokens.admin });
  let running: RunningPrograms | undefined;
  const start = async (): Promise<void> => {
    running = await startPrograms(join(folder.dir, files.log), {
      first: serverPrograms(folder, options),
      isReady: async () => (await api.get('/readyz')).status === 200,
      second: controllerPrograms(folder, programs),
      limitMs: readyLimitMs,
    });
  };
  const stop = async (): Promise<void> => {
    api.close();
    await running?.stop();
    await webhook?.close();
    await rm(folder.dir, { recursive: true, force: true });
  };
  try {
    await start();
    for (const name of namespaces) await createNamespace(api, name, hasControllers);
  } catch (error) {
    await stop();
    throw error;
  }
  const { dir, url, caPem, tokens } = folder;
  return {
    url,
    caPem,
    tokens,
    kubeconfig: join(dir, files.admin),
    dir,
    hasControllers,
    restart: async () => {
      await running?.stop();
      await start();
    },
    stop,
  };
}

function serverPrograms(folder: StateFolder, options: ControlPlaneOptions): readonly Program[] {
  const { programs, authenticate, auditLog, flags = [] } = options;
  const webhook = authenticate === undefined ? [] : webhookFlags(folder);
  const auditFile = auditLog === undefined ? undefined : resolve(folder.dir, auditLog);
  const serverFlags = [...apiServerFlags(folder, auditFile), ...webhook, ...flags];
  if (programs.kind === 'assets') {
    const etcdServers = `--etcd-servers=${etcdAddress(folder.dir)}`;
    return [
      { file: programs.etcd, args: etcdFlags(folder) },
      { file: programs.apiServer, args: [...serverFlags, etcdServers] },
    ];
  }
  const own = [`-dir=${folder.dir}`, `-kubeconfig=${join(folder.dir, files.controllers)}`];
  return [{ file: programs.binary, args: [...own, '--', ...serverFlags, '--', ...controllerFlags(folder)] }];
}

function controllerPrograms(folder: StateFolder, programs: ControlPlanePrograms): readonly Program[] {
  if (programs.kind === 'module' || programs.controllers === undefined) return [];
  const kubeconfig = `=${join(folder.dir, files.controllers)}`;
  const who = ['--kubeconfig', '--authentication-kubeconfig', '--authorization-kubeconfig'];
  return [{ file: programs.controllers, args: [...controllerFlags(folder), ...who.map((flag) => flag + kubeconfig)] }];
}
