import { describe, expect, test } from 'vitest';
import {
  type EphemeralOptions,
  mergeOptions,
  NO_OPTIONS,
  OPTION_VARIABLES,
  parseOptions,
} from '../../lib/domain/ephemeral-options.ts';
import { OPTIONS_TABLE } from '../support/options-table.ts';

const parse = (variables: Parameters<typeof parseOptions>[0], defaults: EphemeralOptions = NO_OPTIONS) =>
  parseOptions(variables, defaults);

test('the table has every variable once', () => {
  expect(OPTIONS_TABLE.map(({ variable }) => variable).sort()).toEqual([...OPTION_VARIABLES].sort());
});

describe.each(OPTIONS_TABLE)('$variable', ({ variable, good, bad }) => {
  test.each(good)('takes "$value": $means', ({ value, and, gives }) => {
    expect(parse({ ...and, [variable]: value })).toEqual({ options: { ...NO_OPTIONS, ...gives }, problems: [] });
  });

  test.each(bad.map((row) => ({ ...row, shown: row.value.slice(0, 70) })))(
    'refuses "$shown": $problem',
    ({ value, and, problem, fix, quoted }) => {
      expect(parse({ ...and, [variable]: value }).problems).toEqual([
        { variable, problem, fix, ...(quoted === undefined ? {} : { value: quoted }) },
      ]);
    },
  );

  test.each(['', ' ', '\n'])('is absent when it is %j', (value) => {
    expect(parse({ [variable]: value })).toEqual(parse({}));
  });
});

test('all mistakes are told at once, in the order of the value', () => {
  const { options, problems } = parse({
    EPHEMERAL_CONFIG_LABELS: 'a b=c;ok=1;d=e f',
    EPHEMERAL_CPU_LIMIT: 'two',
    EPHEMERAL_CONFIG_TOLERATIONS: 'good;=;bad:Sometimes',
  });
  expect(problems.map(({ variable, problem, value }) => [variable, problem, value])).toEqual([
    ['EPHEMERAL_CONFIG_TOLERATIONS', 'has no key and would tolerate every taint', '='],
    ['EPHEMERAL_CONFIG_TOLERATIONS', 'has an unknown operator', 'bad:Sometimes'],
    ['EPHEMERAL_CONFIG_LABELS', 'has a key that is not valid', 'a b'],
    ['EPHEMERAL_CONFIG_LABELS', 'has a value that no label can have', 'e f'],
    ['EPHEMERAL_CPU_LIMIT', 'is not a quantity', 'two'],
  ]);
  // What could be read is there all the same: the guard-rails are asked about it in the same breath.
  expect(options).toEqual({
    ...NO_OPTIONS,
    labels: { ok: '1' },
    tolerations: [{ key: 'good', operator: 'Exists' }],
  });
});

describe('with the defaults of a deployment', () => {
  const amounts = { EPHEMERAL_MEMORY_REQUEST: '1Gi', EPHEMERAL_MEMORY_LIMIT: '2Gi', EPHEMERAL_CPU_REQUEST: '1' };
  const given: EphemeralOptions = {
    ...parse(amounts).options,
    nodeSelector: { pool: 'terraform' },
    tolerations: [{ key: 'terraform', operator: 'Exists' }],
    serviceAccount: 'executor',
    podAnnotations: { a: 'default', b: 'default' },
    env: [
      { name: 'A', value: 'default' },
      { name: 'B', value: 'default' },
    ],
    envFrom: ['common'],
    runAsNonRoot: true,
  };

  test('a workspace that asks for nothing gets them', () => {
    expect(mergeOptions(given, NO_OPTIONS)).toEqual(given);
  });

  test('node selector and tolerations are replaced, maps and lists of names are joined', () => {
    const { options } = parse(
      {
        EPHEMERAL_CONFIG_NODE_SELECTOR_TAGS: 'gpu=true',
        EPHEMERAL_CONFIG_TOLERATIONS: 'gpu',
        EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'mine',
        EPHEMERAL_CONFIG_POD_ANNOTATIONS: 'b=mine;c=mine',
        EPHEMERAL_JOB_ENV_VARS: 'B=mine;C=mine',
        EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP: 'own,common',
        EPHEMERAL_MEMORY_LIMIT: '4Gi',
        EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT: 'runAsUser=1002',
      },
      given,
    );
    expect(mergeOptions(given, options)).toEqual({
      ...NO_OPTIONS,
      nodeSelector: { gpu: 'true' },
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
      serviceAccount: 'mine',
      podAnnotations: { a: 'default', b: 'mine', c: 'mine' },
      env: [
        { name: 'A', value: 'default' },
        { name: 'B', value: 'mine' },
        { name: 'C', value: 'mine' },
      ],
      envFrom: ['common', 'own'],
      runAsUser: 1002,
      runAsNonRoot: true,
      requests: given.requests,
      limits: { ...given.limits, ...options.limits },
    });
  });

  test.each([
    [{ EPHEMERAL_MEMORY_LIMIT: '512Mi' }, 'EPHEMERAL_MEMORY_LIMIT', 'is less than the request 1Gi', '512Mi'],
    [{ EPHEMERAL_MEMORY_REQUEST: '3Gi' }, 'EPHEMERAL_MEMORY_REQUEST', 'is more than the limit 2Gi', '3Gi'],
    [{ EPHEMERAL_CPU_LIMIT: '999m' }, 'EPHEMERAL_CPU_LIMIT', 'is less than the request 1', '999m'],
  ])('%j fits no default: %s %s', (variables, variable, problem, value) => {
    expect(parse(variables, given).problems).toMatchObject([{ variable, problem, value }]);
  });

  test('a limit that equals the default request fits', () => {
    expect(parse({ EPHEMERAL_MEMORY_LIMIT: '1024Mi' }, given).problems).toEqual([]);
  });

  test('annotations of both together have a largest size', () => {
    const large = { ...NO_OPTIONS, podAnnotations: { a: 'x'.repeat(200_000) } };
    expect(parse({ EPHEMERAL_CONFIG_POD_ANNOTATIONS: `b=${'x'.repeat(60_000)}` }, large).problems).toMatchObject([
      { variable: 'EPHEMERAL_CONFIG_POD_ANNOTATIONS', problem: 'has more than 245760 bytes' },
    ]);
  });

  test('root is no user where root is not allowed to run', () => {
    const variables = { EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT: 'runAsUser=0' };
    expect(parse(variables, given).problems).toMatchObject([
      { problem: 'has runAsUser=0 (root) with runAsNonRoot=true' },
    ]);
    expect(parse(variables, { ...given, runAsNonRoot: false }).problems).toEqual([]);
  });
});
