/** The one node of this kubelet: what it offers, and its object in the API. */

import { type JsonObject, textAt } from '../json.ts';
import type { ApiAnswer, ClusterApi } from './api.ts';

/** The node as a scheduler sees it. */
export interface Node {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Quantities by resource: `cpu`, `memory`, `ephemeral-storage`. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** The label that tells this kubelet's node from one that can run containers. */
export const localNodeLabel = 'terrakube.io/local-kubelet';

/** The node of a kubelet that is told nothing else: large, so that only a request beyond all reason does not fit. */
export function describeNode(given: Partial<Node> = {}): Node {
  const name = given.name ?? 'local';
  return {
    name,
    labels: {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
      [localNodeLabel]: 'true',
      ...given.labels,
    },
    allocatable: { cpu: '64', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '1000', ...given.allocatable },
  };
}

/**
 * Writes the Node object; one that an earlier kubelet has left is taken over.
 *
 * @throws Error when the API server refuses.
 */
export async function registerNode(api: ClusterApi, node: Node): Promise<void> {
  const metadata = { name: node.name, labels: { ...node.labels } };
  const created = await api.post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata });
  const known = created.status === 409 ? await api.patch(`/api/v1/nodes/${node.name}`, { metadata }) : created;
  const reported = known.status < 300 ? await reportNode(api, node) : known;
  if (reported.status >= 300) {
    throw new Error(`The API server answered ${reported.status} to the node: ${textAt(reported.body, 'message')}`);
  }
}

/** Says that the node is ready. Without that for 40 s, a cluster's controllers take its pods away. */
export function reportNode(api: ClusterApi, node: Node): Promise<ApiAnswer> {
  return api.patch(`/api/v1/nodes/${node.name}/status`, statusOf(node));
}

function statusOf({ name, allocatable }: Node): JsonObject {
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    message: 'kubelet is posting ready status',
    lastHeartbeatTime: at,
    lastTransitionTime: at,
  };
  return {
    status: {
      capacity: { ...allocatable },
      allocatable: { ...allocatable },
      conditions: [ready],
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: name },
      ],
    },
  };
}
