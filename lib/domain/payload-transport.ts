// The ways of a payload into the executor's container.
import type { V1Container, V1EnvVar, V1Job, V1Volume } from '@kubernetes/client-node';
import { MAX_FILE_PAYLOAD_BYTES, PAYLOAD_KEY, PAYLOAD_MOUNT_PATH } from './payload-secret.ts';

/**
 * `file`: a Secret, mounted; Spring's config tree reads it. `secretEnv`: a Secret, as an environment variable, for
 * executors that read nothing else. `env`: the value in the Job itself, Terrakube's own way; it needs no right to create
 * Secrets, and stands in the cluster's audit log.
 */
export type PayloadTransport = 'file' | 'secretEnv' | 'env';

/** All of them, for the settings. */
export const PAYLOAD_TRANSPORTS = ['file', 'secretEnv', 'env'] as const;

/** Linux takes 131,072 bytes for one environment variable, its name and the end of the text included. */
const MAX_ENV_BASE64_BYTES = 131_000;

/** Largest payload of a transport, in bytes before base64. */
export function payloadLimitBytes(transport: PayloadTransport): number {
  return transport === 'file' ? MAX_FILE_PAYLOAD_BYTES : (MAX_ENV_BASE64_BYTES / 4) * 3;
}

/** What a transport adds to a pod. */
export interface TransportParts {
  readonly env: readonly V1EnvVar[];
  readonly volumes: readonly V1Volume[];
  readonly volumeMounts: NonNullable<V1Container['volumeMounts']>;
  /** Created suspended, until its Secret is there: a missing one costs 16 seconds of the kubelet's patience. */
  readonly suspend: boolean;
}

/** Read for owner and group (0440). */
const PAYLOAD_FILE_MODE = 0o440;

/** Builds a transport's parts. */
export function transportParts(transport: PayloadTransport, secretName: string, payload: Uint8Array): TransportParts {
  const none = { env: [], volumes: [], volumeMounts: [], suspend: false };
  switch (transport) {
    case 'file':
      return {
        ...none,
        // Not `optional:`: without its payload the executor then ends at once with 1; otherwise it would wait for ever.
        env: [{ name: 'SPRING_CONFIG_IMPORT', value: `configtree:${PAYLOAD_MOUNT_PATH}/` }],
        volumes: [{ name: 'payload', secret: { secretName, defaultMode: PAYLOAD_FILE_MODE } }],
        volumeMounts: [{ name: 'payload', mountPath: PAYLOAD_MOUNT_PATH, readOnly: true }],
      };
    case 'secretEnv':
      return {
        ...none,
        env: [{ name: PAYLOAD_KEY, valueFrom: { secretKeyRef: { name: secretName, key: PAYLOAD_KEY } } }],
        suspend: true,
      };
    case 'env':
      return { ...none, env: [{ name: PAYLOAD_KEY, value: Buffer.from(payload).toString('base64') }] };
  }
}

/** Says whether a Job needs a payload Secret. The Job itself says it: the setting may have changed since it was made. */
export function needsSecret(job: V1Job): boolean {
  const spec = job.spec?.template.spec;
  const isMounted = spec?.volumes?.some(({ secret }) => secret?.secretName === job.metadata?.name) ?? false;
  const isReferred = (variable: V1EnvVar): boolean => variable.valueFrom?.secretKeyRef?.key === PAYLOAD_KEY;
  return isMounted || (spec?.containers.some(({ env }) => env?.some(isReferred)) ?? false);
}
