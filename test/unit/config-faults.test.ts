import { describe, expect, test } from 'vitest';
import { type Environment, loadDispatchConfig, loadIntakeConfig } from '../../lib/config.ts';

const SECRET = 'h7Xq2-do-not-show';
const GOOD: Environment = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: SECRET,
  AWS_SECRET_ACCESS_KEY: SECRET,
  AWS_SESSION_TOKEN: SECRET,
  InternalSecret: SECRET,
  QueueUrl: 'https://sqs.example/1/jobs',
  DeadLetterQueueUrl: 'https://sqs.example/1/dead',
  TerrakubeApiUrl: 'https://terrakube-api.example.com',
  EksClusterName: 'prod',
};

function faultsOf(changes: Environment, load: (environment: Environment) => unknown = loadDispatchConfig): string {
  try {
    load({ ...GOOD, ...changes });
    return 'none';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const URL_RULE = 'must be a URL that begins with http:// or https:// and has no query';
const SECONDS_RULE = 'must be a whole number of seconds, 1 or more';
const NAMES_RULE = 'must be names of objects in the cluster, separated by commas';
const ENDPOINT_RULE = 'must begin with https:// and have no path';
const CA_RULE = 'must be the base64 of a PEM certificate, as DescribeCluster gives it';
const BOTH = 'EksEndpoint, EksCertificateAuthority: give both, or neither and the cluster is asked for them';
const EPHEMERAL = 'ExecutorEphemeral';

describe('one wrong setting is named with its rule', () => {
  test.each<readonly [string, readonly string[], string]>([
    [
      'QueueUrl',
      ['sqs.example/jobs', 'ftp://x/y', 'https://', 'https://a b', 'https://x/y?z=1', 'https://x/#y'],
      URL_RULE,
    ],
    ['DeadLetterQueueUrl', ['x'], URL_RULE],
    ['TerrakubeApiUrl', ['terrakube.example', 'https://?x'], URL_RULE],
    ['Installation', ['Prod', 'a-b', 'a'.repeat(17), 'ä'], 'must be 1 to 16 of a-z and 0-9'],
    ['EksClusterName', ['-x', 'a b', 'a/b', 'a'.repeat(101)], 'must be the name of an EKS cluster'],
    [`${EPHEMERAL}Namespace`, ['Upper', '-a', 'a-', 'a.b', 'a'.repeat(64)], 'must be the name of a namespace'],
    [`${EPHEMERAL}Image`, ['an image', 'a\tb'], 'must be the name of an image'],
    [`${EPHEMERAL}Secret`, ['Upper', 'a b', 'ok,-not', 'a/b'], NAMES_RULE],
    [`${EPHEMERAL}ConfigMap`, ['Upper', 'ok,not_ok'], NAMES_RULE],
    [`${EPHEMERAL}ActiveDeadlineSeconds`, ['0', '-1', '1.5', '1e3', '6h', '1000000000', '01'], SECONDS_RULE],
    [`${EPHEMERAL}TerminationGracePeriodSeconds`, ['0', 'x'], SECONDS_RULE],
    [`${EPHEMERAL}TtlSecondsAfterFinished`, ['0', '-7'], SECONDS_RULE],
    [`${EPHEMERAL}RunAsNonRoot`, ['yes', 'True', '1'], 'must be true or false'],
    ['PayloadTransport', ['File', 'secretenv'], 'must be file, secretEnv or env'],
    ['PayloadMaxAgeSeconds', ['0', '-1', '25m'], 'must be a whole number of seconds, 1 or more'],
    ['MaxStarts', ['0', '10', 'three'], 'must be 1 to 9'],
    ['KeepAlive', ['yes', '1'], 'must be true or false'],
    ['DispatchPaused', ['no', '0'], 'must be true or false'],
  ])('%s', (name, values, rule) => {
    for (const value of values) expect(faultsOf({ [name]: value })).toBe(`The settings are wrong. ${name}: ${rule}.`);
  });

  test.each(Object.keys(GOOD).filter((name) => name !== 'AWS_SESSION_TOKEN' && name !== 'InternalSecret'))(
    '%s, when it is missing or empty',
    (name) => {
      for (const value of [undefined, '', ' '])
        expect(faultsOf({ [name]: value })).toBe(`The settings are wrong. ${name}: is missing.`);
    },
  );

  test.each(['http://eks.example', 'https://eks.example/path', 'https://eks.example?x', 'eks.example'])(
    'EksEndpoint, such as %s',
    (endpoint) => {
      expect(faultsOf({ EksEndpoint: endpoint, EksCertificateAuthority: '-----BEGIN CERTIFICATE-----' })).toBe(
        `The settings are wrong. EksEndpoint: ${ENDPOINT_RULE}.`,
      );
    },
  );
  test.each([SECRET, Buffer.from('no PEM').toString('base64')])('EksCertificateAuthority, such as %s', (value) => {
    expect(faultsOf({ EksEndpoint: 'https://eks.example', EksCertificateAuthority: value })).toBe(
      `The settings are wrong. EksCertificateAuthority: ${CA_RULE}.`,
    );
  });
  test('the two of an address, when there is only one of them', () => {
    expect(faultsOf({ EksEndpoint: 'https://eks.example' })).toBe(`The settings are wrong. ${BOTH}.`);
    expect(faultsOf({ EksCertificateAuthority: '-----BEGIN CERTIFICATE-----' })).toBe(
      `The settings are wrong. ${BOTH}.`,
    );
  });
});

describe('the variables of all executors', () => {
  const env = (value: string) => faultsOf({ ExecutorEphemeralEnv: value });
  const fault = (text: string) => `The settings are wrong. ExecutorEphemeralEnv: ${text}.`;
  const noName = (pair: number) =>
    fault(`pair ${pair} does not begin with the name of an environment variable and "="`);

  test.each([
    'EphemeralFlagBatch',
    'EphemeralJobData',
    'SPRING_CONFIG_IMPORT',
    'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE',
  ])('do not include our own %s', (name) => {
    expect(env(`${name}=x`)).toBe(fault(`${name} is set by the dispatcher; leave it out`));
  });
  test('do not blind us', () => {
    const name = 'ExecutorFlagDisableAcknowledge';
    expect(env(`${name}=false`)).toBe(fault(`${name} would keep executors from reporting; leave it out`));
  });
  test('are given once each', () => {
    expect(env('A=1;B=2;A=3')).toBe(fault('A is given twice'));
  });
  test.each([
    ['=x', 1],
    ['A=1;1B=2', 2],
    ['A=1;B C=2', 2],
    ['A=1;;NO_VALUE', 2],
    ['A=1;ÄB=2', 2],
  ])('have names: %s', (value, pair) => {
    expect(env(value)).toBe(noName(pair));
  });
  test('are not quoted where they have none, for that may be the rest of a password', () => {
    expect(env(`PASSWORD=abc;${SECRET}`)).toBe(noName(2));
    expect(env(`PASSWORD=abc;%${SECRET}=def`)).toBe(noName(2));
  });
});

describe('all faults', () => {
  test('are named at once', () => {
    const faults = faultsOf({
      AWS_REGION: undefined,
      QueueUrl: 'x',
      DeadLetterQueueUrl: undefined,
      EksClusterName: '/',
      InternalSecretId: 'also',
      ExecutorEphemeralImage: 'a b',
      ExecutorEphemeralEnv: 'A=1;A=2;ExecutorFlagDisableAcknowledge=1',
      PayloadTransport: 'pigeon',
    });
    expect(faults).toBe(
      `The settings are wrong. ${[
        'AWS_REGION: is missing',
        `QueueUrl: ${URL_RULE}`,
        'DeadLetterQueueUrl: is missing',
        'EksClusterName: must be the name of an EKS cluster',
        'ExecutorEphemeralImage: must be the name of an image',
        'ExecutorEphemeralEnv: A is given twice',
        'ExecutorEphemeralEnv: ExecutorFlagDisableAcknowledge would keep executors from reporting; leave it out',
        'PayloadTransport: must be file, secretEnv or env',
        'InternalSecretId, InternalSecret: give only one of them',
      ].join('. ')}.`,
    );
  });
  test('of an empty environment are named, for each function', () => {
    const empty: Environment = Object.fromEntries(Object.keys(GOOD).map((name) => [name, undefined]));
    const missing = ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'QueueUrl'];
    const secret = 'InternalSecretId, InternalSecret: one of them is needed';
    const text = (names: readonly string[]) =>
      `The settings are wrong. ${[...names.map((name) => `${name}: is missing`), secret].join('. ')}.`;
    expect(faultsOf(empty, loadIntakeConfig)).toBe(text(missing));
    expect(faultsOf(empty)).toBe(text([...missing, 'DeadLetterQueueUrl', 'TerrakubeApiUrl', 'EksClusterName']));
  });
  test.each(Object.keys(GOOD))('quote no value, also when it is a secret that stands in %s', (name) => {
    const wrong = { [name]: `${SECRET} with blanks?`, ExecutorEphemeralEnv: `A=1;${SECRET}`, IntakeAuth: SECRET };
    expect(faultsOf(wrong)).not.toContain(SECRET);
    expect(faultsOf(wrong, loadIntakeConfig)).not.toContain(SECRET);
  });
});
