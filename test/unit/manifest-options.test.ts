import { expect, test } from 'vitest';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName, stepLabels } from '../../lib/domain/job-name.ts';
import { stepSettings } from '../../lib/domain/step-settings.ts';
import { readIds } from '../../lib/schemas/payload-ids.ts';
import { executorSettings, guardRails, INSTALLATION, ids, NOON, payload, request } from '../support/builders.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

const ANY = [/.*/];
/** A policy that allows everything that a policy can allow. */
const generous = guardRails({
  patterns: { serviceAccounts: ANY, configMaps: ANY, persistentVolumeClaims: ANY, podAnnotations: ANY },
  allowPrivilegeEscalation: true,
  allowRunAsRoot: true,
});

/** The Job of a payload with these variables. */
function jobWith(
  environmentVariables: Readonly<Record<string, string>>,
  settings: Parameters<typeof executorSettings>[0] = {},
) {
  const asking = request({ payload: payload(ids(), { environmentVariables }) });
  const step = stepSettings(asking.asked, executorSettings({ guardRails: generous, ...settings }));
  if ('reason' in step) throw new Error(JSON.stringify(step.reason));
  return buildJob({ request: asking, settings: step.settings, installation: INSTALLATION, start: 1, now: NOON });
}

test('the Job of a workspace that sets everything, in a deployment that sets everything', () => {
  const job = jobWith(
    {
      EPHEMERAL_CONFIG_NODE_SELECTOR_TAGS: 'gpu=true',
      EPHEMERAL_CONFIG_TOLERATIONS: 'gpu=true:Equal:NoSchedule;spot',
      EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'team-a',
      EPHEMERAL_CONFIG_ANNOTATIONS: 'example.com/owner=Team A',
      EPHEMERAL_CONFIG_POD_ANNOTATIONS: 'vault.example/role=a;karpenter.sh/do-not-disrupt=false',
      EPHEMERAL_CONFIG_LABELS: 'team=a',
      EPHEMERAL_CONFIG_MAP_NAME: 'cm-a',
      EPHEMERAL_CONFIG_MAP_MOUNT_PATH: '/mnt/cm',
      EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP: 'cm-b,common',
      EPHEMERAL_JOB_ENV_VARS: 'TF_LOG=debug;HTTPS_PROXY=http://mine',
      TF_PLUGIN_CACHE_DIR: '/cache',
      PVC_CLAIM_NAME: 'plugins',
      EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT: 'fsGroup=2000;runAsUser=0;runAsNonRoot=false',
      EPHEMERAL_CONFIG_SECURITY_CONTEXT: 'allowPrivilegeEscalation=true',
      EPHEMERAL_CPU_REQUEST: '500m',
      EPHEMERAL_MEMORY_REQUEST: '1Gi',
      EPHEMERAL_MEMORY_LIMIT: '2Gi',
      EPHEMERAL_STORAGE_LIMIT: '20Gi',
    },
    {
      configMaps: ['common'],
      env: [
        { name: 'HTTPS_PROXY', value: 'http://default' },
        { name: 'NO_PROXY', value: 'a' },
      ],
      imagePullSecrets: ['registry'],
      priorityClass: 'terraform',
    },
  );
  const name = jobName(ids(), INSTALLATION, 1);
  const labels = { team: 'a', ...stepLabels(ids(), INSTALLATION) };
  expect(job).toEqual({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'terrakube',
      labels,
      annotations: {
        'example.com/owner': 'Team A',
        'terrakube.io/request-hash': expect.stringMatching(/^[0-9a-f]{64}$/),
        'terrakube.io/accepted-at': '2026-11-24T20:41:37.504Z',
        'terrakube.io/dispatched-at': '2026-11-24T20:41:37.504Z',
      },
    },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: 21_000,
      ttlSecondsAfterFinished: 7200,
      template: {
        metadata: {
          labels,
          annotations: {
            'karpenter.sh/do-not-disrupt': 'false',
            'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
            'vault.example/role': 'a',
          },
        },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 60,
          serviceAccountName: 'team-a',
          imagePullSecrets: [{ name: 'registry' }],
          priorityClassName: 'terraform',
          nodeSelector: { gpu: 'true' },
          tolerations: [
            { key: 'gpu', operator: 'Equal', value: 'true', effect: 'NoSchedule' },
            { key: 'spot', operator: 'Exists' },
          ],
          securityContext: {
            fsGroup: 2000,
            runAsUser: 0,
            runAsNonRoot: false,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: 'executor',
              image: 'azbuilder/executor:2.33.0',
              terminationMessagePolicy: 'FallbackToLogsOnError',
              securityContext: { allowPrivilegeEscalation: true, capabilities: { drop: ['ALL'] } },
              resources: {
                requests: { cpu: '500m', memory: '1Gi' },
                limits: { memory: '2Gi', 'ephemeral-storage': '20Gi' },
              },
              env: [
                { name: 'EphemeralFlagBatch', value: 'true' },
                { name: 'SPRING_CONFIG_IMPORT', value: 'configtree:/var/run/terrakube/' },
                { name: 'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE', value: '2s' },
                { name: 'NO_PROXY', value: 'a' },
                { name: 'TF_LOG', value: 'debug' },
                { name: 'HTTPS_PROXY', value: 'http://mine' },
              ],
              envFrom: [
                { secretRef: { name: 'terrakube-executor-secrets' } },
                { configMapRef: { name: 'common' } },
                { configMapRef: { name: 'cm-b' } },
              ],
              volumeMounts: [
                { name: 'payload', mountPath: '/var/run/terrakube', readOnly: true },
                { name: 'config-volume', mountPath: '/mnt/cm', readOnly: true },
                { name: 'tf-plugin-volume', mountPath: '/cache' },
              ],
            },
          ],
          volumes: [
            { name: 'payload', secret: { secretName: name, defaultMode: 0o440 } },
            { name: 'config-volume', configMap: { name: 'cm-a' } },
            { name: 'tf-plugin-volume', persistentVolumeClaim: { claimName: 'plugins' } },
          ],
        },
      },
    },
  });
});

test('the recorded plan gets its limit and its labels', () => {
  const plan = Buffer.from(readDispatch('dispatch_terraformPlan').text, 'utf8');
  const of = readIds(plan);
  if (!of) throw new Error('the recording has no ids');
  const asking = request({ ids: of, payload: plan });
  const step = stepSettings(asking.asked, executorSettings());
  if ('reason' in step) throw new Error(JSON.stringify(step.reason));
  const job = buildJob({ request: asking, settings: step.settings, installation: INSTALLATION, start: 1, now: NOON });
  const labels = { team: 'infra', cost: '42', ...stepLabels(of, INSTALLATION) };
  expect(job.metadata?.labels).toEqual(labels);
  expect(job.spec?.template.metadata?.labels).toEqual(labels);
  expect(job.spec?.template.spec?.containers[0]?.resources).toEqual({ limits: { memory: '1Gi' } });
});

test('what nobody chose is not there', () => {
  const spec = jobWith({}).spec?.template.spec;
  expect(Object.keys(spec ?? {}).sort()).toEqual([
    'automountServiceAccountToken',
    'containers',
    'restartPolicy',
    'securityContext',
    'terminationGracePeriodSeconds',
    'volumes',
  ]);
  expect(spec?.containers[0]).not.toHaveProperty('resources');
});

test('a plugin cache that nobody named is not mounted where its claim is not allowed', () => {
  const spec = jobWith({ TF_PLUGIN_CACHE_DIR: '/cache' }, { guardRails: guardRails() }).spec?.template.spec;
  expect(spec?.volumes?.map(({ name }) => name)).toEqual(['payload']);
});
