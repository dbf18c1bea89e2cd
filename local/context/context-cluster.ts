/** The cluster of a kube context as the cluster of the local stack. */

import { randomBytes } from 'node:crypto';
import { followChanges } from '../cluster-changes.ts';
import { createClusterApi } from '../kubelet/api.ts';
import type { LocalCluster } from '../local-cluster.ts';
import type { ClusterStarter } from '../stack.ts';
import { type KubeContext, loadKubeContext } from './kube-context.ts';
import { leave } from './leave.ts';
import { type ContextRun, jobsPath, podsPath, prepareCluster } from './prepare.ts';
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
    const follower = { isClosed: () => state.closed, ignored: prepared.known };
    if (onChange !== undefined) followChanges(api, [jobsPath(run), podsPath(run)], { ...follower, onChange });
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
