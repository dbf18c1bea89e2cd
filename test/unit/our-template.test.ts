// What the local run reads from template.yaml: the settings of every function, and the queues.
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { TemplateValues } from '../../local/lambda/cloudformation.ts';
import { loadTemplate, readFunctions, readQueues } from '../../local/lambda/read-template.ts';

describe('template.yaml', () => {
  test('has a job queue whose dead letters have a queue of their own', async () => {
    expect(readQueues(await ourTemplate(), { parameters: {} })).toEqual([
      {
        logicalId: 'JobQueue',
        name: 'job-queue',
        visibilityTimeoutSeconds: 180,
        maximumMessageBytes: 1_048_576,
        retentionSeconds: 345_600,
        deadLetters: { queue: 'DeadLetterQueue', maxReceiveCount: 1000 },
      },
      {
        logicalId: 'DeadLetterQueue',
        name: 'dead-letter-queue',
        visibilityTimeoutSeconds: 180,
        maximumMessageBytes: 1_048_576,
        retentionSeconds: 1_209_600,
      },
      {
        logicalId: 'JobStatusFailures',
        name: 'job-status-failures',
        visibilityTimeoutSeconds: 30,
        maximumMessageBytes: 1_048_576,
        retentionSeconds: 1_209_600,
      },
      {
        logicalId: 'ReconcileFailures',
        name: 'reconcile-failures',
        visibilityTimeoutSeconds: 30,
        maximumMessageBytes: 1_048_576,
        retentionSeconds: 3600,
      },
    ]);
  });

  test('has four functions, and a setting that is empty does not reach them', async () => {
    const [intake, dispatch, jobStatus, reconcile, ...others] = readFunctions(await ourTemplate(), ourValues({}));

    expect(others).toEqual([]);
    expect(intake).toEqual({
      logicalId: 'Intake',
      name: 'intake',
      codeUri: fileURLToPath(new URL('../../dist/intake', import.meta.url)),
      handler: 'index.handler',
      timeoutSeconds: 20,
      memoryMb: 512,
      environment: { ...shared, IntakeAuth: 'jwt' },
      events: [{ kind: 'api', form: 'rest-api', path: '/{proxy+}', method: 'ANY' }],
    });
    expect(dispatch).toEqual({
      logicalId: 'Dispatch',
      name: 'dispatch',
      codeUri: fileURLToPath(new URL('../../dist/dispatch', import.meta.url)),
      handler: 'index.handler',
      timeoutSeconds: 30,
      memoryMb: 512,
      environment: { ...shared, ...dispatchDefaults },
      events: [
        {
          kind: 'sqs',
          queue: 'JobQueue',
          batchSize: 10,
          maximumBatchingWindowSeconds: 0,
          maximumConcurrency: 5,
          reportBatchItemFailures: true,
        },
      ],
    });
    expect(jobStatus).toEqual({
      logicalId: 'JobStatus',
      name: 'job-status',
      codeUri: fileURLToPath(new URL('../../dist/job-status', import.meta.url)),
      handler: 'index.handler',
      timeoutSeconds: 120,
      memoryMb: 512,
      environment: { ...shared, ...jobStatusDefaults },
      events: [],
    });
    expect(reconcile).toEqual({
      logicalId: 'Reconcile',
      name: 'reconcile',
      codeUri: fileURLToPath(new URL('../../dist/reconcile', import.meta.url)),
      handler: 'index.handler',
      timeoutSeconds: 120,
      memoryMb: 512,
      environment: { ...shared, ...reconcileDefaults },
      events: [
        {
          kind: 'schedule',
          everyMs: 60_000,
          input:
            '{"scheduledTime":"<aws.scheduler.scheduled-time>","executionId":"<aws.scheduler.execution-id>","attempt":"<aws.scheduler.attempt-number>"}',
        },
      ],
    });
  });

  test('has a function that Terrakube reaches at its own URL, when that is asked for', async () => {
    const [intake] = readFunctions(await ourTemplate(), ourValues({ Ingress: 'functionUrl' }));
    expect(intake?.events).toEqual([{ kind: 'api', form: 'function-url', path: '/{proxy+}', method: 'ANY' }]);
  });

  test('every optional setting reaches its function when it is given', async () => {
    const given = {
      Installation: 'blue',
      IntakeAuth: 'path',
      IntakePathSecretId: 'terrakube/path',
      EksRegion: 'us-east-1',
      EksEndpoint: 'https://127.0.0.1:6443',
      EksCertificateAuthority: 'Y2E=',
      EksRoleArn: 'arn:aws:iam::210987654321:role/dispatch',
      ExecutorEphemeralSecret: '',
      ExecutorEphemeralConfigMap: 'terrakube-executor-config',
      ExecutorEphemeralEnv: 'HTTPS_PROXY=http://proxy:3128;AwsEnableRoleAuth=true',
      ExecutorEphemeralServiceAccount: 'executor',
      ExecutorEphemeralImagePullSecrets: 'registry, other',
      ExecutorEphemeralPriorityClass: 'terraform',
      ExecutorEphemeralPodAnnotations: 'vault.example/role=executor;a=b c',
      ExecutorEphemeralNodeSelector: 'pool=terraform',
      ExecutorEphemeralTolerations: 'pool=terraform:Equal:NoSchedule; spot',
      ExecutorEphemeralCpuRequest: '500m',
      ExecutorEphemeralCpuLimit: '1.5',
      ExecutorEphemeralMemoryRequest: '512Mi',
      ExecutorEphemeralMemoryLimit: '2Gi',
      ExecutorEphemeralStorageRequest: '5G',
      ExecutorEphemeralStorageLimit: '20Gi',
      GuardRails: '{"serviceAccounts":["^team-"]}',
      RequireOptIn: 'true',
    };
    const otherRoles = {
      JobStatusEksRoleArn: 'arn:aws:iam::210987654321:role/observe',
      ReconcileEksRoleArn: 'arn:aws:iam::210987654321:role/reconcile',
    };
    const reconciling = { ReconcileMode: 'report', WatchWhenIdle: 'false', CancelPollSeconds: '30' };
    const [intake, dispatch, jobStatus, reconcile] = readFunctions(
      await ourTemplate(),
      ourValues({ ...given, ...otherRoles, ...reconciling }),
    );
    const { IntakeAuth, IntakePathSecretId, ...forDispatch } = given;

    expect(intake?.environment).toEqual({ ...shared, Installation: 'blue', IntakeAuth, IntakePathSecretId });
    expect(dispatch?.environment).toEqual({ ...shared, ...dispatchDefaults, ...forDispatch });
    const { Installation, EksRegion, EksEndpoint, EksCertificateAuthority } = given;
    const where = { ...shared, Installation, EksRegion, EksEndpoint, EksCertificateAuthority };
    expect(jobStatus?.environment).toEqual({
      ...{ ...jobStatusDefaults, ...where },
      EksRoleArn: otherRoles.JobStatusEksRoleArn,
    });
    expect(reconcile?.environment).toEqual({
      ...{ ...reconcileDefaults, ...where, ...reconciling },
      EksRoleArn: otherRoles.ReconcileEksRoleArn,
    });
  });
});

const ourTemplate = () => loadTemplate(fileURLToPath(new URL('../../template.yaml', import.meta.url)));

const ourValues = (parameters: Record<string, string>): TemplateValues => ({
  parameters: {
    TerrakubeApiUrl: 'https://terrakube-api.example.com',
    InternalSecretId: 'terrakube/internal',
    EksClusterName: 'apps',
    ExecutorEphemeralImage: 'azbuilder/executor:2.33.0',
    ...parameters,
  },
  attributes: { JobQueue: { Ref: 'http://queue' }, DeadLetterQueue: { Ref: 'http://dead-letters' } },
});

const shared = {
  TerrakubeApiUrl: 'https://terrakube-api.example.com',
  InternalSecretId: 'terrakube/internal',
  QueueUrl: 'http://queue',
  MetricsInstallation: 'terrakube-dispatcher',
};

const dispatchDefaults = {
  DeadLetterQueueUrl: 'http://dead-letters',
  EksClusterName: 'apps',
  EksRegion: 'eu-central-1',
  ExecutorEphemeralImage: 'azbuilder/executor:2.33.0',
  ExecutorEphemeralNamespace: 'terrakube',
  ExecutorEphemeralSecret: 'terrakube-executor-secrets',
  ExecutorEphemeralActiveDeadlineSeconds: '21000',
  ExecutorEphemeralTerminationGracePeriodSeconds: '60',
  ExecutorEphemeralTtlSecondsAfterFinished: '7200',
  ExecutorEphemeralRunAsNonRoot: 'true',
  RequireOptIn: 'false',
  PayloadTransport: 'file',
  PayloadMaxAgeSeconds: '1500',
  MaxStarts: '3',
  KeepAlive: 'true',
  DispatchPaused: 'false',
};

const jobStatusDefaults = {
  EksClusterName: 'apps',
  EksRegion: 'eu-central-1',
  ExecutorEphemeralNamespace: 'terrakube',
  ExecutorEphemeralActiveDeadlineSeconds: '21000',
  ExecutorEphemeralTerminationGracePeriodSeconds: '60',
  PayloadMaxAgeSeconds: '1500',
  MaxStarts: '3',
  KeepAlive: 'true',
  DispatchPaused: 'false',
  SilentAfterSeconds: '1800',
  OwnsAllSteps: 'false',
  CancelRunningApply: 'false',
};

const reconcileDefaults = {
  MALLOC_ARENA_MAX: '1',
  ...jobStatusDefaults,
  DeadLetterQueueUrl: 'http://dead-letters',
  ReconcileMode: 'act',
  WatchWhenIdle: 'true',
  CancelPollSeconds: '10',
};
