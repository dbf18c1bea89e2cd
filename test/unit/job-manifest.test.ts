import { describe, expect, test } from 'vitest';
import { buildJob, type ManifestInput } from '../../lib/domain/job-manifest.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { buildPayloadSecret } from '../../lib/domain/payload-secret.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { readIds } from '../../lib/schemas/payload-ids.ts';
import { executorSettings, INSTALLATION, ids, NOON, request } from '../support/builders.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

const plan = Buffer.from(readDispatch('dispatch_terraformPlan').text, 'utf8');
const LATER = epochMs(NOON + 1234);

const build = (changes: Partial<ManifestInput> = {}) =>
  buildJob({
    request: request(),
    settings: executorSettings(),
    installation: INSTALLATION,
    start: 1,
    now: LATER,
    ...changes,
  });

const labels = {
  'app.kubernetes.io/managed-by': 'terrakube-dispatcher',
  'app.kubernetes.io/name': 'terrakube-executor',
  'terrakube.io/installation': 'a1b2c3d4',
  'terrakube.io/organization': 'd9b58bd3-f3fc-4056-a026-1163297e80a8',
  'terrakube.io/workspace': '9ab83fc6-8726-4fe3-8e0b-e3880b98f012',
  'terrakube.io/job': '1',
  'terrakube.io/step': 'STEP',
  'terrakube.io/type': 'terraformPlan',
  'terrakube.io/dispatcher-version': '0.1.0',
};

test('the Job of a recorded plan', () => {
  const of = readIds(plan);
  if (!of) throw new Error('the recording has no ids');
  const ours = { ...labels, 'terrakube.io/job': of.jobId, 'terrakube.io/step': of.stepId };
  const expected = {
    ...ours,
    'terrakube.io/workspace': of.workspaceId,
    'terrakube.io/organization': of.organizationId,
  };
  const name = jobName(of, INSTALLATION, 1);
  expect(build({ request: { ids: of, payload: plan, acceptedAt: NOON } })).toEqual({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'terrakube',
      labels: expected,
      annotations: {
        'terrakube.io/request-hash': expect.stringMatching(/^[0-9a-f]{64}$/),
        'terrakube.io/accepted-at': '2026-11-24T20:41:37.504Z',
        'terrakube.io/dispatched-at': '2026-11-24T20:41:38.738Z',
      },
    },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: 21_000,
      ttlSecondsAfterFinished: 7200,
      template: {
        metadata: {
          labels: expected,
          annotations: {
            'karpenter.sh/do-not-disrupt': 'true',
            'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
          },
        },
        spec: {
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
              env: [
                { name: 'EphemeralFlagBatch', value: 'true' },
                { name: 'SPRING_CONFIG_IMPORT', value: 'configtree:/var/run/terrakube/' },
                { name: 'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE', value: '2s' },
              ],
              envFrom: [{ secretRef: { name: 'terrakube-executor-secrets' } }],
              volumeMounts: [{ name: 'payload', mountPath: '/var/run/terrakube', readOnly: true }],
            },
          ],
          volumes: [{ name: 'payload', secret: { secretName: name, defaultMode: 0o440 } }],
        },
      },
    },
  });
});

describe('the settings of an installation', () => {
  const container = (changes: Parameters<typeof executorSettings>[0]) =>
    build({ settings: executorSettings(changes) }).spec?.template.spec?.containers[0];

  test('Secrets come before ConfigMaps, each in its order', () => {
    expect(container({ secrets: ['s1', 's2'], configMaps: ['c1', 'c2'] })?.envFrom).toEqual([
      { secretRef: { name: 's1' } },
      { secretRef: { name: 's2' } },
      { configMapRef: { name: 'c1' } },
      { configMapRef: { name: 'c2' } },
    ]);
  });
  test('no Secret and no ConfigMap are none', () => {
    expect(container({ secrets: [], configMaps: [] })?.envFrom).toEqual([]);
  });
  test('variables come after our own', () => {
    const env = [
      { name: 'HTTPS_PROXY', value: 'http://proxy' },
      { name: 'EMPTY', value: '' },
    ];
    expect(container({ env })?.env?.slice(3)).toEqual(env);
    expect(
      container({ env })
        ?.env?.slice(0, 3)
        .map(({ name }) => name),
    ).toEqual(['EphemeralFlagBatch', 'SPRING_CONFIG_IMPORT', 'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE']);
  });
  test('an image that runs as root may, when the setting says so', () => {
    const pod = build({ settings: executorSettings({ runAsNonRoot: false }) }).spec?.template.spec;
    expect(pod?.securityContext?.runAsNonRoot).toBe(false);
  });
  test('the payload is never an environment variable, not even an empty one', () => {
    expect(container({})?.env?.map(({ name }) => name)).not.toContain('EphemeralJobData');
  });
});

test('a later start carries its number in its name and in the name of its Secret', () => {
  const job = build({ start: 3 });
  const name = jobName(ids(), INSTALLATION, 3);
  expect(job.metadata?.name).toBe(name);
  expect(name).toMatch(/-3$/);
  expect(job.spec?.template.spec?.volumes).toMatchObject([{ secret: { secretName: name } }]);
});

test('the request hash tells two payloads of one step apart', () => {
  const hashOf = (payload: Uint8Array) =>
    build({ request: request({ payload }) }).metadata?.annotations?.['terrakube.io/request-hash'];
  expect(hashOf(Buffer.from('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(hashOf(Buffer.from('abd'))).not.toBe(hashOf(Buffer.from('abc')));
});

test('the Secret of a Job', () => {
  const job = build();
  const owner = { name: job.metadata?.name ?? '', uid: 'uid-1' };
  expect(buildPayloadSecret(job, owner, Buffer.from('{"a":1}'))).toEqual({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: owner.name,
      namespace: 'terrakube',
      labels: job.metadata?.labels,
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: owner.name, uid: 'uid-1', controller: true }],
    },
    type: 'Opaque',
    immutable: true,
    // The base64 of the base64 of {"a":1}.
    data: { EphemeralJobData: 'ZXlKaElqb3hmUT09' },
  });
});
