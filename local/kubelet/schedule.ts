/**
 * Whether a pod fits on the node, and a scheduler's words when it does not. Each pod is looked at alone: what others on the
 * node have asked for is not counted. Pure.
 */

import type { Node } from './node.ts';
import type { Pod } from './pod.ts';
import { parseQuantity } from './quantity.ts';

/** What a scheduler adds to every refusal that moving other pods away would not cure. */
const noPreemption =
  'no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';

/** Resources in the order in which a scheduler names them. */
const resources = ['cpu', 'memory', 'ephemeral-storage'];

/** Why the pod cannot be put on the node; undefined when it can. */
export function whyUnschedulable(pod: Pod, node: Node): string | undefined {
  const selects = Object.entries(pod.nodeSelector).every(([key, value]) => node.labels[key] === value);
  if (!selects) return `0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. ${noPreemption}`;
  const short = resources.filter(
    (resource) => (pod.requests[resource] ?? 0) > parseQuantity(node.allocatable[resource] ?? '0'),
  );
  if (short.length === 0) return undefined;
  return `0/1 nodes are available: ${short.map((resource) => `1 Insufficient ${resource}`).join(', ')}. ${noPreemption}`;
}
