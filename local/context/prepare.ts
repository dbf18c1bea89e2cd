// What a cluster must have before the run, and what the run makes of it: namespace, nodes, rights, the executors' Secret.
import { isIPv4 } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { uidsAt } from '../cluster-changes.ts';
import { createNamespace } from '../control-plane/namespace.ts';
import { EXECUTOR_SECRET } from '../executor-secret.ts';
import { at, listAt, textAt } from '../json.ts';
import type { ApiAnswer, ClusterApi } from '../kubelet/api.ts';
import { localNodeLabel } from '../kubelet/node.ts';
import { StartRefusal } from '../start/refusal.ts';
import { demoRights, dispatchRights, kubeletRights, type Right, requireRights } from './rights.ts';

/** What the run is to do in the cluster. */
export interface ContextRun {
  /** The context's name. */
  readonly context: string;
  readonly namespace: string;
  /** The Terrakube that runs already; without it the run brings a stand-in along. */
  readonly terrakube?: { readonly url: string; readonly internalSecret: string };
  /** A command is to run in the executors' place. */
  readonly hasExecutor: boolean;
  /** Tells what is found and done. */
  report(text: string): void;
}

/** What was found. */
export interface PreparedCluster {
  /** The cluster's own nodes run its pods. */
  readonly hasNodes: boolean;
  /** Jobs and pods that were there before, by `metadata.uid`. */
  readonly known: ReadonlySet<string>;
}

/** The path of the run's Jobs. */
export const jobsPath = ({ namespace }: ContextRun): string => `/apis/batch/v1/namespaces/${namespace}/jobs`;

/** The path of the run's pods. */
export const podsPath = ({ namespace }: ContextRun): string => `/api/v1/namespaces/${namespace}/pods`;

/** A cluster that takes longer than this to say its version is not reached. */
const answerLimitMs = 20_000;

/**
 * Looks at the cluster, and creates the namespace if it is not there. Nothing is changed before everything is in order.
 *
 * @param fault why the last request got no answer.
 * @throws StartRefusal when the run cannot work there.
 */
export async function prepareCluster(api: ClusterApi, run: ContextRun, fault: () => string): Promise<PreparedCluster> {
  await requireAnswer(api, run, fault);
  const nodes = await findNodes(api, run);
  const hasNodes = nodes === 'some';
  if (hasNodes) requireReachable(run);
  const namespacePath = `/api/v1/namespaces/${run.namespace}`;
  // Who may not read it, may still work in it.
  const isMissing = (await api.get(namespacePath)).status === 404;
  const rights: readonly Right[] = [
    ...dispatchRights,
    ...(hasNodes ? [] : kubeletRights),
    ...(nodes === 'unknown' ? [{ resource: 'nodes', verbs: ['list'], isClusterWide: true }] : []),
    ...(isMissing ? [{ resource: 'namespaces', verbs: ['create'], isClusterWide: true }] : []),
    ...(run.terrakube === undefined ? demoRights : []),
  ];
  await requireRights(api, rights, run);
  if (isMissing) {
    await createNamespace(api, run.namespace, true);
    run.report(`Created namespace ${run.namespace}`);
  }
  await lookAtSecret(await api.get(`${namespacePath}/secrets/${EXECUTOR_SECRET}`), run);
  const known = new Set([...(await uidsAt(api, jobsPath(run))), ...(await uidsAt(api, podsPath(run)))]);
  return { hasNodes, known };
}

async function requireAnswer(api: ClusterApi, { context, report }: ContextRun, fault: () => string): Promise<void> {
  const late = pause(answerLimitMs, `no answer within ${answerLimitMs / 1000} s`, { ref: false });
  const answer = await Promise.race([api.get('/version').catch(fault), late]);
  if (typeof answer === 'string') {
    throw new StartRefusal(`The cluster of context ${context} cannot be reached: ${answer}`, 1);
  }
  const { status, body } = answer;
  if (status === 401) {
    throw new StartRefusal(`The cluster does not accept the credentials of context ${context}: sign in again.`, 1);
  }
  report(`Context ${context}: Kubernetes ${textAt(body, 'gitVersion') ?? `of an unknown version (${status})`}`);
}

/** Who may not list nodes is taken to have some, but for a run that could not work with them. */
async function findNodes(
  api: ClusterApi,
  { terrakube, hasExecutor, report }: ContextRun,
): Promise<'some' | 'none' | 'unknown'> {
  const { status, body } = await api.get('/api/v1/nodes');
  if (status !== 200) {
    if (terrakube === undefined || hasExecutor) return 'unknown';
    report('The context may not list nodes: taken as a cluster that has some, whose kubelets run the pods');
    return 'some';
  }
  const own = listAt(body, 'items').filter((node) => at(node, 'metadata', 'labels', localNodeLabel) === undefined);
  report(
    own.length === 0
      ? 'It has no nodes: a kubelet of this machine runs its pods, as processes'
      : `It has nodes (${own.length}): their kubelets run the pods`,
  );
  return own.length === 0 ? 'none' : 'some';
}

/** Pods on nodes reach neither a stand-in nor anything else on this machine's own address. */
function requireReachable({ terrakube, hasExecutor }: ContextRun): void {
  if (hasExecutor) {
    throw new StartRefusal(
      '--executor is for a cluster without nodes. This one has nodes, which run the image: leave it out.',
      2,
    );
  }
  if (terrakube === undefined) {
    throw new StartRefusal(
      'The cluster has nodes, and pods on them cannot reach the stand-in Terrakube on 127.0.0.1 of this machine: add --terrakube-url URL, with a Terrakube that they reach.',
      2,
    );
  }
  const { hostname } = new URL(terrakube.url);
  if (isLoopback(hostname)) {
    throw new StartRefusal(
      `The cluster has nodes, and in pods on them ${hostname} is the pod itself: give --terrakube-url an address that they reach.`,
      2,
    );
  }
}

/** The name or the address means the machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || (isIPv4(hostname) && hostname.startsWith('127.'));
}

/** The Secret is never overwritten, so it has to fit. */
async function lookAtSecret(
  { status, body }: ApiAnswer,
  { context, namespace, terrakube, report }: ContextRun,
): Promise<void> {
  if (status !== 200) return;
  const where = `Secret ${EXECUTOR_SECRET} is in namespace ${namespace} already`;
  if (terrakube === undefined) {
    throw new StartRefusal(
      `${where}, and is not overwritten: with it, executors would report to the Terrakube that it names, not to the stand-in.
Take that Terrakube (--terrakube-url URL), or another namespace (environment variable ExecutorEphemeralNamespace).
If an earlier run has left it: kubectl --context ${context} -n ${namespace} delete secret ${EXECUTOR_SECRET}`,
      2,
    );
  }
  report(`${where}, and stays as it is`);
  const value = (key: string): string => Buffer.from(textAt(body, 'data', key) ?? '', 'base64').toString('utf8');
  if (value('InternalSecret').trim() !== terrakube.internalSecret.trim()) {
    report('Its InternalSecret is not the one of the environment: Terrakube will refuse one of the two');
  }
  const apiUrl = value('AzBuilderApiUrl');
  if (apiUrl !== '' && apiUrl.replace(/\/$/, '') !== terrakube.url.replace(/\/$/, '')) {
    report(`Its AzBuilderApiUrl is ${apiUrl}: executors report there, not to ${terrakube.url}`);
  }
}
