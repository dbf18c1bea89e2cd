// Jobs, pods and Events without what nobody here reads of them: a namespace with 10,000 Jobs would otherwise not fit into
// a function's memory. Whoever acts on an object reads it again, whole.
import type { CoreV1Event, V1Container, V1Job, V1ObjectMeta, V1Pod, V1PodSpec } from '@kubernetes/client-node';

/**
 * What is kept of a pod's spec, in a Job's template as in a pod: the clocks and the node for the outcome, the Secret volumes
 * for whether there is a payload Secret. The rest (affinity, tolerations, security, mounts) is half of a Job's document.
 */
const KEPT_OF_SPEC = ['nodeName', 'activeDeadlineSeconds', 'terminationGracePeriodSeconds'] as const satisfies readonly (keyof V1PodSpec)[];

/** What is kept of a container: its image, memory limit and variables are evidence for why it did not start. */
const KEPT_OF_CONTAINER = ['name', 'image', 'resources', 'env'] as const satisfies readonly (keyof V1Container)[];

/** A Job without its pod template's details. */
export function slimJob({ metadata, spec, status }: V1Job): V1Job {
  const slim: V1Job = {};
  if (metadata) slim.metadata = slimMetadata(metadata);
  if (spec) {
    const { suspend, activeDeadlineSeconds, ttlSecondsAfterFinished, template } = spec;
    slim.spec = { template: template.spec ? { spec: slimSpec(template.spec) } : {} };
  }
  return slim;
}
