// The objects that the subjects without the product's code create: about as large as the product's own.
import { createHash } from 'node:crypto';
import type { V1Job, V1PodSpec, V1Secret } from '@kubernetes/client-node';

/** What is read of a message. */
export interface PlainPayload {
  readonly organizationId: string;
  readonly workspaceId: string;
  readonly jobId: string;
  readonly stepId: string;
  readonly type: string;
}

/** The Job's name, and the selector of all Jobs of its step. */
export function plainNames(of: PlainPayload): { readonly name: string; readonly labelSelector: string } {
  const parts = ['a1b2c3d4', of.organizationId, of.jobId, of.stepId, of.type];
  const hash = createHash('sha256').update(parts.join('/')).digest('hex').slice(0, 10);
  const labels = [
    'app.kubernetes.io/managed-by=terrakube-dispatcher',
    'terrakube.io/installation=a1b2c3d4',
    `terrakube.io/job=${of.jobId}`,
    `terrakube.io/step=${of.stepId}`,
    `terrakube.io/type=${of.type}`,
  ];
  return { name: `job-${of.jobId}-${hash}`, labelSelector: labels.join() };
}

const plainLabels = (of: PlainPayload) => ({
  team: 'infra',
  cost: '42',
  'app.kubernetes.io/managed-by': 'terrakube-dispatcher',
  'app.kubernetes.io/name': 'terrakube-executor',
  'terrakube.io/installation': 'a1b2c3d4',
  'terrakube.io/organization': of.organizationId,
  'terrakube.io/workspace': of.workspaceId,
  'terrakube.io/job': of.jobId,
  'terrakube.io/step': of.stepId,
  'terrakube.io/type': of.type,
  'terrakube.io/dispatcher-version': '0.1.0',
});

/** A Job that runs an executor. @param text the payload. */
export function plainJob(of: PlainPayload, name: string, text: string): V1Job {
  const labels = plainLabels(of);
  const annotations = {
    'terrakube.io/request-hash': createHash('sha256').update(text).digest('hex'),
    'terrakube.io/accepted-at': '2026-11-25T00:47:41.464Z',
    'terrakube.io/dispatched-at': '2026-11-25T00:47:41.698Z',
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'terrakube', labels, annotations },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: 21_000,
      ttlSecondsAfterFinished: 7200,
      template: {
        metadata: {
          labels,
          annotations: {
            'karpenter.sh/do-not-disrupt': 'true',
            'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
          },
        },
        spec: plainPod(name),
      },
    },
  };
}

function plainPod(secretName: string): V1PodSpec {
  return {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 60,
    automountServiceAccountToken: false,
    securityContext: { fsGroup: 1000, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'executor',
        image: 'azbuilder/executor:2.33.0',
        terminationMessagePolicy: 'FallbackToLogsOnError',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        envFrom: [{ secretRef: { name: 'terrakube-executor-secrets' } }],
        resources: { limits: { memory: '1Gi' } },
        env: [
          { name: 'EphemeralFlagBatch', value: 'true' },
          { name: 'SPRING_CONFIG_IMPORT', value: 'configtree:/var/run/terrakube/' },
          { name: 'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE', value: '2s' },
        ],
        volumeMounts: [{ name: 'payload', mountPath: '/var/run/terrakube', readOnly: true }],
      },
    ],
    volumes: [{ name: 'payload', secret: { secretName, defaultMode: 288 } }],
  };
}

/** The Secret with the payload, which belongs to the Job. @param text the payload. */
export function plainSecret(
  of: PlainPayload,
  { name, uid }: { readonly name: string; readonly uid: string },
  text: string,
): V1Secret {
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true };
  // The executor wants base64, and so does Kubernetes.
  const asItReads = Buffer.from(text, 'utf8').toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'terrakube', labels: plainLabels(of), ownerReferences: [owner] },
    type: 'Opaque',
    immutable: true,
    data: { EphemeralJobData: Buffer.from(asItReads, 'utf8').toString('base64') },
  };
}
