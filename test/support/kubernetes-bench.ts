/**
 * The client of the Kubernetes API on a bench: a real HTTPS server that answers as a test says, an address and tokens
 * whose use is counted, and short times.
 */
import type { ClusterAddress, EksCluster } from '../../lib/clients/eks-cluster.ts';
import type { EksToken } from '../../lib/clients/eks-token.ts';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { epochMs } from '../../lib/domain/time.ts';
import type { JobStore } from '../../lib/ports.ts';
import { type Certificates, makeCertificates } from '../../local/cluster/certificates.ts';
import { type Script, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

/** A client with the server that it talks to. */
export interface KubernetesBench {
  readonly store: JobStore;
  readonly server: ScriptedServer;
  readonly certificates: Certificates;
  /** How often the address was asked for anew. */
  readonly forgotten: () => number;
  close(): Promise<void>;
}

/** How the bench differs from a cluster whose address never changes. */
export interface KubernetesBenchOptions {
  /** The addresses that the cluster has in turn; the last one stays. Default: the server's own. */
  readonly addresses?: (server: ScriptedServer, certificates: Certificates) => readonly ClusterAddress[];
  /** False for an address from the settings. Default: true. */
  readonly canBeForgotten?: boolean;
}

/** One authority for all servers of a test file: making one takes longer than most tests. */
let shared: Promise<Certificates> | undefined;

/** Starts a server and a client of it. */
export async function startKubernetesBench(
  script: Script,
  options: KubernetesBenchOptions = {},
): Promise<KubernetesBench> {
  shared ??= makeCertificates();
  const certificates = await shared;
  const server = await startScriptedServer(script, certificates);
  const addresses = options.addresses?.(server, certificates) ?? [{ endpoint: server.url, caPem: certificates.caPem }];
  let forgotten = 0;
  const cluster: EksCluster = {
    async get() {
      const address = addresses[Math.min(forgotten, addresses.length - 1)];
      if (address === undefined) throw new DispatcherError('clusterUnavailable', 'The bench has no address.');
      return address;
    },
    forget() {
      forgotten += 1;
      return options.canBeForgotten ?? true;
    },
  };
  const store = createKubernetesJobs({
    cluster,
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => epochMs(0),
    timeoutMs: 100,
  });
  return { store, server, certificates, forgotten: () => forgotten, close: server.close };
}

/** `token-1` until it is forgotten, then `token-2`, and so on. */
export function createCountedToken(): EksToken {
  let number = 1;
  return {
    get: async () => `token-${number}`,
    forget(token) {
      if (token === `token-${number}`) number += 1;
    },
  };
}
