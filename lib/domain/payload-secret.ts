// The payload's way to the executor: an immutable Secret that belongs to the Job and goes with it. The executor reads it
// as a file through Spring's config tree; an environment variable would end at 128 KiB and stand in `kubectl describe`.
import type { V1Job, V1Secret } from '@kubernetes/client-node';

/** Key of the Secret, name of the file, and name of the executor's property. */
export const PAYLOAD_KEY = 'EphemeralJobData';

/** Folder of the executor's container where the Secret is mounted. */
export const PAYLOAD_MOUNT_PATH = '/var/run/terrakube';

/** Largest payload that a Secret takes: its base64 is then exactly 1,048,576 bytes, which a real API server accepts. */
export const MAX_FILE_PAYLOAD_BYTES = 786_432;

/** The Job that a Secret belongs to, as the API server knows it. */
export interface JobOwner {
  readonly name: string;
  readonly uid: string;
}

/**
 * Builds the Secret of a Job. Its value is the base64 text of the payload's bytes, on one line and without a newline,
 * because the executor decodes it strictly; `data` is base64 once more, since that is how Kubernetes carries any value.
 */
export function buildPayloadSecret(job: V1Job, owner: JobOwner, payload: Uint8Array): V1Secret {
  const text = Buffer.from(payload).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: owner.name,
      ...(job.metadata?.namespace === undefined ? {} : { namespace: job.metadata.namespace }),
      labels: { ...job.metadata?.labels },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: owner.name, uid: owner.uid, controller: true }],
    },
    type: 'Opaque',
    immutable: true,
    data: { [PAYLOAD_KEY]: Buffer.from(text, 'ascii').toString('base64') },
  };
}
