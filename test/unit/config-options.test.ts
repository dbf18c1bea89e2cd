import { describe, expect, test } from 'vitest';
import { type Environment, loadDispatchConfig } from '../../lib/config.ts';
import { NO_OPTIONS, parseOptions } from '../../lib/domain/ephemeral-options.ts';

const GOOD: Environment = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'secret',
  InternalSecretId: 'terrakube/internal',
  QueueUrl: 'https://sqs.example/1/jobs',
  DeadLetterQueueUrl: 'https://sqs.example/1/dead',
  TerrakubeApiUrl: 'https://terrakube-api.example.com',
  EksClusterName: 'prod',
};
const load = (changes: Environment) => loadDispatchConfig({ ...GOOD, ...changes }).executor;

function faultsOf(changes: Environment): string {
  try {
    load(changes);
    return 'none';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('the options that every executor gets', () => {
  test('have the syntax of the variables', () => {
    const given = load({
      ExecutorEphemeralServiceAccount: 'executor',
      ExecutorEphemeralPodAnnotations: 'a.example/b=c',
      ExecutorEphemeralNodeSelector: 'pool=terraform',
      ExecutorEphemeralTolerations: 'terraform;spot=true',
      ExecutorEphemeralCpuRequest: '500m',
      ExecutorEphemeralCpuLimit: '2',
      ExecutorEphemeralMemoryRequest: '1Gi',
      ExecutorEphemeralMemoryLimit: '2Gi',
      ExecutorEphemeralStorageRequest: '5Gi',
      ExecutorEphemeralStorageLimit: '20Gi',
      ExecutorEphemeralImagePullSecrets: 'registry, other',
      ExecutorEphemeralPriorityClass: 'terraform',
      RequireOptIn: 'true',
    });
    const twins = {
      EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'executor',
      EPHEMERAL_CONFIG_POD_ANNOTATIONS: 'a.example/b=c',
      EPHEMERAL_CONFIG_NODE_SELECTOR_TAGS: 'pool=terraform',
      EPHEMERAL_CONFIG_TOLERATIONS: 'terraform;spot=true',
      EPHEMERAL_CPU_REQUEST: '500m',
      EPHEMERAL_CPU_LIMIT: '2',
      EPHEMERAL_MEMORY_REQUEST: '1Gi',
      EPHEMERAL_MEMORY_LIMIT: '2Gi',
      EPHEMERAL_STORAGE_REQUEST: '5Gi',
      EPHEMERAL_STORAGE_LIMIT: '20Gi',
    };
    expect(given.options).toEqual(parseOptions(twins, NO_OPTIONS).options);
    expect(given).toMatchObject({
      imagePullSecrets: ['registry', 'other'],
      priorityClass: 'terraform',
      requireOptIn: true,
    });
  });

  test.each([
    ['ServiceAccount', 'Executor', 'is not a name in the cluster'],
    ['PodAnnotations', 'a b=c', 'has a key that is not valid'],
    ['PodAnnotations', 'terrakube.io/x=c', 'has a reserved name'],
    ['NodeSelector', 'a=b c', 'has a value that no label can have'],
    ['Tolerations', ':', 'has no key and would tolerate every taint'],
    ['CpuRequest', 'two', 'is not a quantity'],
    ['CpuLimit', '0', 'is a limit of nothing'],
    ['MemoryRequest', '400m', 'counts parts of a byte'],
    ['MemoryLimit', '1GB', 'is not a quantity'],
    ['StorageRequest', '-1', 'is negative'],
    ['StorageLimit', '9Ei', 'is larger than Kubernetes can count'],
    ['ImagePullSecrets', 'a..b', 'must be names of objects in the cluster, separated by commas'],
    ['PriorityClass', 'a b', 'must be the name of a priority class'],
  ])('are checked at start: ExecutorEphemeral%s', (name, value, fault) => {
    expect(faultsOf({ [`ExecutorEphemeral${name}`]: value })).toBe(
      `The settings are wrong. ExecutorEphemeral${name}: ${fault}.`,
    );
  });

  test('are compared with each other, and all faults are told at once', () => {
    expect(
      faultsOf({
        ExecutorEphemeralMemoryRequest: '2Gi',
        ExecutorEphemeralMemoryLimit: '1Gi',
        ExecutorEphemeralServiceAccount: 'Not',
        ExecutorEphemeralImage: 'an image',
        RequireOptIn: 'yes',
      }),
    ).toBe(
      'The settings are wrong. ExecutorEphemeralImage: must be the name of an image. RequireOptIn: must be true or false. ' +
        'ExecutorEphemeralServiceAccount: is not a name in the cluster. ' +
        'ExecutorEphemeralMemoryRequest: is more than the limit 1Gi.',
    );
  });

  test('are not asked for by name where a workspace alone decides', () => {
    expect(load({ EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'x', ExecutorEphemeralLabels: 'a=b' }).options).toEqual(NO_OPTIONS);
  });
});

describe('GuardRails', () => {
  test('are patterns, quantities and two rights', () => {
    const policy = {
      serviceAccounts: ['^team-'],
      configMaps: ['^cm-', 'x'],
      persistentVolumeClaims: [],
      podAnnotations: [],
      env: [],
      nodeSelectorKeys: ['.*'],
      tolerationKeys: ['.*'],
      maxCpu: '4',
      maxMemory: '8Gi',
      maxEphemeralStorage: '20Gi',
      allowPrivilegeEscalation: false,
      allowRunAsRoot: true,
    };
    expect(load({ GuardRails: JSON.stringify(policy) }).guardRails).toEqual({
      patterns: {
        serviceAccounts: [/^team-/],
        configMaps: [/^cm-/, /x/],
        persistentVolumeClaims: [],
        podAnnotations: [],
        env: [],
        nodeSelectorKeys: [/.*/],
        tolerationKeys: [/.*/],
      },
      maxima: {
        maxCpu: 4_000_000_000n,
        maxMemory: 8n * 1_073_741_824n * 1_000_000_000n,
        maxEphemeralStorage: 20n * 1_073_741_824n * 1_000_000_000n,
      },
      allowPrivilegeEscalation: false,
      allowRunAsRoot: true,
    });
  });

  test.each(['{}', ' ', '', undefined])('are the default when they are %j', (value) => {
    expect(load({ GuardRails: value }).guardRails).toEqual(load({}).guardRails);
  });

  test.each([
    ['not JSON', '{', 'GuardRails: must be a JSON object'],
    ['a list', '[]', 'GuardRails: must be a JSON object'],
    ['null', 'null', 'GuardRails: must be a JSON object'],
    ['a text', '"x"', 'GuardRails: must be a JSON object'],
    ['an unknown key', '{"serviceAccount":["x"]}', 'GuardRails.serviceAccount: is not a key of it'],
    [
      'a pattern alone',
      '{"serviceAccounts":"x"}',
      'GuardRails.serviceAccounts: must be a list of regular expressions, without repeated groups and with at most three of * and +',
    ],
    [
      'a broken pattern',
      '{"env":["ok","("]}',
      'GuardRails.env.1: must be a list of regular expressions, without repeated groups and with at most three of * and +',
    ],
    [
      'a pattern with a repeated group',
      '{"env":["^([A-Z]+_?)+$"]}',
      'GuardRails.env.0: must be a list of regular expressions, without repeated groups and with at most three of * and +',
    ],
    [
      'a pattern with many repetitions',
      '{"labels":["a*b*c*d{2,}$"]}',
      'GuardRails.labels.0: must be a list of regular expressions, without repeated groups and with at most three of * and +',
    ],
    [
      'a pattern that is none',
      '{"env":[1]}',
      'GuardRails.env.0: must be a list of regular expressions, without repeated groups and with at most three of * and +',
    ],
    ['a broken quantity', '{"maxMemory":"8GB"}', 'GuardRails.maxMemory: must be a quantity, such as "8Gi"'],
    ['a negative quantity', '{"maxCpu":"-1"}', 'GuardRails.maxCpu: must be a quantity, such as "8Gi"'],
    ['a number', '{"maxCpu":4}', 'GuardRails.maxCpu: must be a quantity, such as "8Gi"'],
    [
      'a right as a text',
      '{"allowRunAsRoot":"true"}',
      'GuardRails.allowRunAsRoot: must be true or false, without quotes',
    ],
  ])('with %s stop the function', (_, value, fault) => {
    expect(faultsOf({ GuardRails: value })).toBe(`The settings are wrong. ${fault}.`);
  });

  test('name all faults at once', () => {
    expect(faultsOf({ GuardRails: '{"env":["("],"maxCpu":"x","other":1}', RequireOptIn: '1' })).toBe(
      'The settings are wrong. GuardRails.env.0: must be a list of regular expressions, without repeated groups and with at most three of * and +. ' +
        'GuardRails.maxCpu: must be a quantity, such as "8Gi". GuardRails.other: is not a key of it. ' +
        'RequireOptIn: must be true or false.',
    );
  });
});
