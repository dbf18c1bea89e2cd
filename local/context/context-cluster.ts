/**
 * The cluster of a kube context as the cluster of the local stack. What the run puts there for its own time only, it takes away
 * at the end: its node, and a Secret that names the stand-in Terrakube. Jobs stay to be looked at, until their TTL.
 */

import { randomBytes } from 'node:crypto';
import { followChanges, uidsAt } from '../cluster-changes.ts';
import { EXECUTOR_SECRET } from '../executor-secret.ts';
import { type ClusterApi, createClusterApi } from '../kubelet/api.ts';
import { describeNode } from '../kubelet/node.ts';
import type { LocalCluster } from '../local-cluster.ts';
import type { ClusterStarter } from '../stack.ts';
import { type KubeContext, loadKubeContext } from './kube-context.ts';
import { type ContextRun, type PreparedCluster, prepareCluster } from './prepare.ts';
import { startClusterProxy } from './proxy.ts';

/**
 * Finds the context, and says how its cluster is started.
 *
 * @throws StartRefusal when there is no such context. The starter throws it when the run cannot work there.
 */
export function contextStarter(run: ContextRun): ClusterStarter {
  const context = loadKubeContext(run.context);
  return (options) => startContextCluster(context, run, options);
}

async function startContextCluster(
  context: KubeContext,
  run: ContextRun,
  { authenticate, onChange }: Parameters<ClusterStarter>[0],
): Promise<LocalCluster> {
  const token = randomBytes(24).toString('base64url');
  const faults = createFaults(run);
  const { url, caPem, close } = await startClusterProxy({
    context,
    authenticate: async (given) => (given === token ? 'npm start' : authenticate(given)),
    onFault: faults.add,
  });
  const api = createClusterApi({ server: url, caPem, token });
  const state = { closed: false };
  const end = async (): Promise<void> => {
    state.closed = true;
    api.close();
    await close();
  };
  try {
    const prepared = await prepareCluster(api, run, faults.last);
    const paths = [`/apis/batch/v1/namespaces/${run.namespace}/jobs`, `/api/v1/namespaces/${run.namespace}/pods`];
    const ignored = new Set((await Promise.all(paths.map((path) => uidsAt(api, path)))).flat());
    if (onChange !== undefined) followChanges(api, paths, { isClosed: () => state.closed, onChange, ignored });
    faults.tellFromNowOn();
    return {
      ...{ url, caPem, hasNodes: prepared.hasNodes },
      close: async () => {
        await leave(api, run, prepared).catch(() => run.report('The cluster could not be tidied: it does not answer'));
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Takes away what nobody needs after the run. */
async function leave(api: ClusterApi, run: ContextRun, { hasNodes }: PreparedCluster): Promise<void> {
  if (!hasNodes) await api.delete(`/api/v1/nodes/${describeNode().name}`, {});
  if (run.terrakube !== undefined) return;
  const { status } = await api.delete(`/api/v1/namespaces/${run.namespace}/secrets/${EXECUTOR_SECRET}`, {});
  if (status === 200) run.report(`Deleted Secret ${EXECUTOR_SECRET} again: it named the stand-in Terrakube`);
}

/** Why requests get no answer: kept for the start, and later told, each new reason once. */
interface Faults {
  add(error: Error): void;
  last(): string;
  tellFromNowOn(): void;
}

function createFaults({ context, report }: ContextRun): Faults {
  const state = { last: 'no answer', isTold: false };
  return {
    add({ message }) {
      if (state.isTold && message !== state.last)
        report(`The cluster of context ${context} does not answer: ${message}`);
      state.last = message;
    },
    last: () => state.last,
    tellFromNowOn: () => {
      state.isTold = true;
    },
  };
}
