import { describe, expect, test } from 'vitest';
import { type Environment, loadDispatchConfig, loadIntakeConfig } from '../../lib/config.ts';
import { NO_OPTIONS } from '../../lib/domain/ephemeral-options.ts';
import { installationOf } from '../../lib/domain/job-name.ts';

const AWS = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'aws-secret-key',
  AWS_SESSION_TOKEN: 'aws-session-token',
};
const INTAKE: Environment = { ...AWS, QueueUrl: 'https://sqs.example/1/jobs', InternalSecretId: 'terrakube/internal' };
const DISPATCH: Environment = {
  ...INTAKE,
  DeadLetterQueueUrl: 'https://sqs.example/1/dead',
  TerrakubeApiUrl: 'https://terrakube-api.example.com',
  EksClusterName: 'prod_1-a',
};
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const aws = {
  region: 'eu-central-1',
  credentials: {
    accessKeyId: 'ASIAEXAMPLE',
    secretAccessKey: 'aws-secret-key',
    sessionToken: 'aws-session-token',
  },
};

const dispatch = (changes: Environment = {}) => loadDispatchConfig({ ...DISPATCH, ...changes });
const intake = (changes: Environment = {}) => loadIntakeConfig({ ...INTAKE, ...changes });

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

describe('the settings of intake', () => {
  test('are the queue and the secret that signs', () => {
    expect(intake()).toEqual({
      aws,
      queueUrl: 'https://sqs.example/1/jobs',
      auth: { mode: 'jwt', secret: { secretId: 'terrakube/internal' } },
    });
  });
  test('take the secret itself for local use', () => {
    expect(intake({ InternalSecretId: undefined, InternalSecret: ' abc\n' }).auth).toEqual({
      mode: 'jwt',
      secret: { value: 'abc' },
    });
  });
  test.each<readonly [Environment, unknown]>([
    [{ IntakePathSecretId: 'path' }, { secretId: 'path' }],
    [{ IntakePathSecret: 'p' }, { value: 'p' }],
  ])('take the secret of the path with IntakeAuth=path, and need no other', (secret, expected) => {
    expect(intake({ IntakeAuth: 'path', InternalSecretId: undefined, ...secret }).auth).toEqual({
      mode: 'path',
      secret: expected,
    });
  });
  test('need no session token', () => {
    expect(intake({ AWS_SESSION_TOKEN: undefined }).aws.credentials).toEqual({
      accessKeyId: 'ASIAEXAMPLE',
      secretAccessKey: 'aws-secret-key',
    });
  });
  test.each<readonly [string, Environment]>([
    ['IntakeAuth: must be jwt or path', { IntakeAuth: 'none' }],
    ['InternalSecretId, InternalSecret: one of them is needed', { InternalSecretId: undefined }],
    ['InternalSecretId, InternalSecret: one of them is needed', { InternalSecretId: '  ' }],
    ['InternalSecretId, InternalSecret: give only one of them', { InternalSecret: 'abc' }],
    ['IntakePathSecretId, IntakePathSecret: one of them is needed', { IntakeAuth: 'path' }],
    [
      'IntakePathSecretId, IntakePathSecret: give only one of them',
      { IntakeAuth: 'path', IntakePathSecret: 'a', IntakePathSecretId: 'b' },
    ],
    ['QueueUrl: is missing', { QueueUrl: undefined }],
    ['QueueUrl: is missing', { QueueUrl: ' ' }],
    ['AWS_REGION: is missing', { AWS_REGION: undefined }],
  ])('are wrong: %s', (fault, changes) => {
    expect(faultsOf(() => intake(changes))).toBe(`The settings are wrong. ${fault}.`);
  });
});

describe('the settings of dispatch', () => {
  test('have a default where one is right', () => {
    expect(dispatch()).toMatchObject({
      aws,
      queueUrl: 'https://sqs.example/1/jobs',
      deadLetterQueueUrl: 'https://sqs.example/1/dead',
      terrakubeApiUrl: 'https://terrakube-api.example.com',
      internalSecret: { secretId: 'terrakube/internal' },
      cluster: { name: 'prod_1-a', region: 'eu-central-1' },
      installation: installationOf('https://terrakube-api.example.com'),
      executor: {
        namespace: 'terrakube',
        image: 'azbuilder/executor:2.22.0',
        secrets: ['terrakube-executor-secrets'],
        configMaps: [],
        env: [],
        activeDeadlineSeconds: 21_000,
        terminationGracePeriodSeconds: 60,
        ttlSecondsAfterFinished: 7200,
        runAsNonRoot: true,
        imagePullSecrets: [],
        options: NO_OPTIONS,
        guardRails: { patterns: {}, maxima: {}, allowPrivilegeEscalation: false, allowRunAsRoot: false },
        requireOptIn: false,
      },
    });
    expect(dispatch().cluster).not.toHaveProperty('address');
  });

  test('may all be given', () => {
    const given = dispatch({
      Installation: 'prod1',
      EksRegion: 'us-east-1',
      EksEndpoint: 'https://ABC.gr7.us-east-1.eks.amazonaws.com',
      EksCertificateAuthority: Buffer.from(PEM).toString('base64'),
      ExecutorEphemeralNamespace: 'executors',
      ExecutorEphemeralImage: ' azbuilder/executor:2.33.0@sha256:abc ',
      ExecutorEphemeralSecret: 'one, two.x,,three',
      ExecutorEphemeralConfigMap: 'cm',
      ExecutorEphemeralEnv: 'A=1; B = two words ;;C=x=y;D=',
      ExecutorEphemeralActiveDeadlineSeconds: '600',
      ExecutorEphemeralTerminationGracePeriodSeconds: '1',
      ExecutorEphemeralTtlSecondsAfterFinished: '999999999',
      ExecutorEphemeralRunAsNonRoot: 'false',
      PayloadTransport: 'secretEnv',
      PayloadMaxAgeSeconds: '60',
      MaxStarts: '1',
      KeepAlive: 'false',
      DispatchPaused: 'true',
    });
    expect(given.patience).toEqual({ payloadMaxAge: 60, maxStarts: 1, keepAlive: false, isPaused: true });
    expect(given.installation).toBe('prod1');
    expect(given.cluster).toEqual({
      name: 'prod_1-a',
      region: 'us-east-1',
      address: { endpoint: 'https://ABC.gr7.us-east-1.eks.amazonaws.com', caPem: PEM },
    });
    expect(given.executor).toEqual({
      namespace: 'executors',
      image: 'azbuilder/executor:2.33.0@sha256:abc',
      secrets: ['one', 'two.x', 'three'],
      configMaps: ['cm'],
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: 'two words' },
        { name: 'C', value: 'x=y' },
        { name: 'D', value: '' },
      ],
      activeDeadlineSeconds: 600,
      terminationGracePeriodSeconds: 1,
      ttlSecondsAfterFinished: 999_999_999,
      runAsNonRoot: false,
      transport: 'secretEnv',
      imagePullSecrets: [],
      options: NO_OPTIONS,
      guardRails: { patterns: {}, maxima: {}, allowPrivilegeEscalation: false, allowRunAsRoot: false },
      requireOptIn: false,
    });
  });

  test.each(['', '  '])('that are empty (%j) are absent, except the Secrets: then there is none', (empty) => {
    const names = ['Namespace', 'Image', 'ConfigMap', 'Env', 'RunAsNonRoot', 'TtlSecondsAfterFinished'];
    const given = Object.fromEntries([
      ...names.map((name) => [`ExecutorEphemeral${name}`, empty]),
      ['EksEndpoint', empty],
    ]);
    expect(dispatch(given)).toEqual(dispatch());
    expect(dispatch({ ExecutorEphemeralSecret: empty }).executor.secrets).toEqual([]);
  });

  test('take the certificate authority also as PEM text', () => {
    const address = { EksEndpoint: 'https://eks.example', EksCertificateAuthority: PEM.trim() };
    expect(dispatch(address).cluster.address?.caPem).toBe(PEM.trim());
  });
  test('take an endpoint with a slash at its end, and paths are put right behind it', () => {
    const address = { EksEndpoint: 'https://eks.example/', EksCertificateAuthority: PEM };
    expect(dispatch(address).cluster.address?.endpoint).toBe('https://eks.example');
  });
  test('make the same installation of a URL with and without a slash at its end', () => {
    expect(dispatch({ TerrakubeApiUrl: 'https://terrakube-api.example.com/' }).installation).toBe(
      dispatch().installation,
    );
    expect(dispatch().installation).toMatch(/^[0-9a-f]{8}$/);
  });
  test('take names of the greatest length', () => {
    const longest = {
      EksClusterName: 'c'.repeat(100),
      ExecutorEphemeralNamespace: 'n'.repeat(63),
      Installation: 'i'.repeat(16),
    };
    const { cluster, executor, installation } = dispatch(longest);
    expect([cluster.name, executor.namespace, installation]).toEqual(Object.values(longest));
  });
  test('take Terrakube over http', () => {
    expect(dispatch({ TerrakubeApiUrl: 'http://api:8080/x' }).terrakubeApiUrl).toBe('http://api:8080/x');
  });
});
