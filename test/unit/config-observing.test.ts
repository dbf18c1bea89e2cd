import { describe, expect, test } from 'vitest';
import { type Environment, loadJobStatusConfig, loadPlanConfig, loadReconcileConfig } from '../../lib/config.ts';

const JOB_STATUS: Environment = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'aws-secret-key',
  InternalSecretId: 'terrakube/internal',
  TerrakubeApiUrl: 'https://terrakube-api.example.com',
  Installation: 'prod',
  EksClusterName: 'prod',
};
const RECONCILE: Environment = { ...JOB_STATUS, DeadLetterQueueUrl: 'https://sqs.example/1/dead' };
const CHANGED: Environment = {
  EksRegion: 'eu-west-1',
  EksRoleArn: 'arn:aws:iam::123456789012:role/reconcile',
  ExecutorEphemeralNamespace: 'runs',
  ExecutorEphemeralActiveDeadlineSeconds: '100',
  ExecutorEphemeralTerminationGracePeriodSeconds: '20',
  PayloadMaxAgeSeconds: '900',
  MaxStarts: '2',
  KeepAlive: 'false',
  DispatchPaused: 'true',
  SilentAfterSeconds: '600',
  OwnsAllSteps: 'true',
  CancelRunningApply: 'true',
};

const jobStatus = (changes: Environment = {}) => loadJobStatusConfig({ ...JOB_STATUS, ...changes });
const reconcile = (changes: Environment = {}) => loadReconcileConfig({ ...RECONCILE, ...changes });

/** The message of the error that a load fails with. */
function faultsOf(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    expect(error).toMatchObject({ name: 'DispatcherError', code: 'configInvalid' });
    return error instanceof Error ? error.message : '';
  }
  return 'none';
}

describe('the settings of job-status', () => {
  test('have a default where one is right', () => {
    expect(jobStatus()).toEqual({
      aws: {
        region: 'eu-central-1',
        credentials: { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'aws-secret-key' },
      },
      terrakubeApiUrl: 'https://terrakube-api.example.com',
      internalSecret: { secretId: 'terrakube/internal' },
      cluster: { name: 'prod', region: 'eu-central-1' },
      installation: 'prod',
      namespace: 'terrakube',
      maxStarts: 3,
      settings: {
        payloadMaxAge: 1_500_000,
        silentAfter: 1_800_000,
        deadline: 21_060_000,
        ownsAllSteps: false,
        isDispatchPaused: false,
        cancelRunningApply: false,
        keepAlive: true,
      },
    });
  });

  test('may all be given', () => {
    expect(jobStatus(CHANGED)).toEqual({
      ...jobStatus(),
      cluster: { name: 'prod', region: 'eu-west-1', roleArn: 'arn:aws:iam::123456789012:role/reconcile' },
      namespace: 'runs',
      maxStarts: 2,
      settings: {
        payloadMaxAge: 900_000,
        silentAfter: 600_000,
        deadline: 120_000,
        ownsAllSteps: true,
        isDispatchPaused: true,
        cancelRunningApply: true,
        keepAlive: false,
      },
    });
  });
});

describe('the settings of reconcile', () => {
  test('are those of job-status, the dead letters, and how it works', () => {
    expect(reconcile()).toEqual({
      ...jobStatus(),
      deadLetterQueueUrl: 'https://sqs.example/1/dead',
      isReportOnly: false,
      watchesWhenIdle: true,
      cancelPoll: 10_000,
    });
  });

  test('may all be given', () => {
    const given = { ...CHANGED, ReconcileMode: 'report', WatchWhenIdle: 'false', CancelPollSeconds: '30' };
    expect(reconcile(given)).toEqual({
      ...jobStatus(CHANGED),
      deadLetterQueueUrl: 'https://sqs.example/1/dead',
      isReportOnly: true,
      watchesWhenIdle: false,
      cancelPoll: 30_000,
    });
  });

  test.each(['', ' '])('that are empty (%j) are absent', (empty) => {
    expect(reconcile({ ReconcileMode: empty, WatchWhenIdle: empty, CancelPollSeconds: empty })).toEqual(reconcile());
  });

  test.each<readonly [string, readonly string[], string]>([
    [
      'DeadLetterQueueUrl',
      ['x', 'https://x/y?z'],
      'must be a URL that begins with http:// or https:// and has no query',
    ],
    ['ReconcileMode', ['Act', 'off'], 'must be act or report'],
    ['WatchWhenIdle', ['yes', '1'], 'must be true or false'],
    ['CancelPollSeconds', ['0', '-1', '1.5', '10s'], 'must be a whole number of seconds, 1 or more'],
    ['SilentAfterSeconds', ['0', '30m'], 'must be a whole number of seconds, 1 or more'],
  ])('are checked: %s', (name, values, rule) => {
    for (const value of values)
      expect(faultsOf(() => reconcile({ [name]: value }))).toBe(`The settings are wrong. ${name}: ${rule}.`);
  });

  test('need the dead letters', () => {
    expect(faultsOf(() => reconcile({ DeadLetterQueueUrl: undefined }))).toBe(
      'The settings are wrong. DeadLetterQueueUrl: is missing.',
    );
  });

  test('are wrong for all reasons at once', () => {
    const wrong = { ReconcileMode: 'off', CancelPollSeconds: '0', InternalSecretId: undefined };
    expect(faultsOf(() => reconcile(wrong))).toBe(
      'The settings are wrong. ReconcileMode: must be act or report. ' +
        'CancelPollSeconds: must be a whole number of seconds, 1 or more. ' +
        'InternalSecretId, InternalSecret: one of them is needed.',
    );
    const half = { EksEndpoint: 'https://eks.example' };
    expect(faultsOf(() => reconcile(half))).toBe(
      'The settings are wrong. EksEndpoint, EksCertificateAuthority: give both, or neither and the cluster is asked for them.',
    );
  });

  test('are never quoted in a fault', () => {
    const secret = 'h7Xq2-do-not-show';
    const wrong = { InternalSecret: secret, InternalSecretId: secret, ReconcileMode: secret, WatchWhenIdle: secret };
    expect(faultsOf(() => reconcile(wrong))).not.toContain(secret);
  });
});

describe('the settings of a plan', () => {
  test('are those of job-status, and the dead-letter queue if it is given', () => {
    expect(loadPlanConfig(JOB_STATUS)).toEqual({ ...jobStatus(), deadLetterQueueUrl: undefined });
    expect(loadPlanConfig({ ...RECONCILE, ...CHANGED })).toEqual({
      ...jobStatus(CHANGED),
      deadLetterQueueUrl: 'https://sqs.example/1/dead',
    });
  });

  test('are refused all at once', () => {
    const faults = faultsOf(() =>
      loadPlanConfig({ ...JOB_STATUS, DeadLetterQueueUrl: 'x', EksClusterName: '', InternalSecretId: '' }),
    );

    expect(faults).toMatch(
      /^The settings are wrong\. EksClusterName: .*\. DeadLetterQueueUrl: must be a URL.*InternalSecret: /,
    );
  });
});
