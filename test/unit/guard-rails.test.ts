import { describe, expect, test } from 'vitest';
import { type EphemeralOptions, NO_OPTIONS, parseOptions } from '../../lib/domain/ephemeral-options.ts';
import { allowingPolicy, applyGuardRails, type GuardRails } from '../../lib/domain/guard-rails.ts';
import { parseQuantity } from '../../lib/domain/quantity.ts';
import { guardRails } from '../support/builders.ts';

type Variables = Parameters<typeof parseOptions>[0];

function refusalsOf(variables: Variables, policy: Partial<GuardRails> = {}, defaults: EphemeralOptions = NO_OPTIONS) {
  const { options, problems } = parseOptions(variables, defaults);
  expect(problems).toEqual([]);
  return applyGuardRails(options, guardRails(policy), defaults).refusals;
}

const quantity = (text: string): bigint => {
  const nanos = parseQuantity(text);
  if (typeof nanos === 'string') throw new Error(nanos);
  return nanos;
};

const NAMED = [
  ['serviceAccounts', 'EPHEMERAL_CONFIG_SERVICE_ACCOUNT', 'team-a', 'team-a', {}],
  ['configMaps', 'EPHEMERAL_CONFIG_MAP_NAME', 'team-a', 'team-a', {}],
  ['configMaps', 'EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP', 'team-a', 'team-a', {}],
  ['persistentVolumeClaims', 'PVC_CLAIM_NAME', 'team-a', 'team-a', { TF_PLUGIN_CACHE_DIR: '/cache' }],
  ['podAnnotations', 'EPHEMERAL_CONFIG_POD_ANNOTATIONS', 'team-a=b', 'team-a', {}],
  ['labels', 'EPHEMERAL_CONFIG_LABELS', 'team-a=b', 'team-a', {}],
  ['nodeSelectorKeys', 'EPHEMERAL_CONFIG_NODE_SELECTOR_TAGS', 'team-a=b', 'team-a', {}],
  ['tolerationKeys', 'EPHEMERAL_CONFIG_TOLERATIONS', 'team-a=b', 'team-a', {}],
] as const;

describe('a name', () => {
  test.each(NAMED)(
    'that %s does not match is refused, with the pattern to add: %s',
    (key, variable, value, name, and) => {
      const variables = { ...and, [variable]: value };
      const refused = {
        variable,
        problem: 'is not allowed',
        value: name,
        fix: 'Leave it out or ask for less.',
        allow: { key, value: [`^${name}$`] },
      };
      expect(refusalsOf(variables, { patterns: { [key]: [] } })).toEqual([refused]);
      expect(refusalsOf(variables, { patterns: { [key]: [/^other/, /^team-b/] } })).toEqual([refused]);
      expect(refusalsOf(variables, { patterns: { [key]: [/^other/, /^team-/] } })).toEqual([]);
      expect(refusalsOf(variables, { patterns: { [key]: [/am-/] } })).toEqual([]);
    },
  );

  test.each(NAMED.slice(0, 5))('is refused when there is no list %s', (key, variable, value, _name, and) => {
    expect(refusalsOf({ ...and, [variable]: value })).toMatchObject([{ variable, allow: { key } }]);
  });
  test.each(NAMED.slice(5))('is allowed when there is no list %s', (_key, variable, value) => {
    expect(refusalsOf({ [variable]: value })).toEqual([]);
  });

  test('of a variable is quoted when it looks like one', () => {
    const none = { patterns: { env: [] } };
    expect(refusalsOf({ EPHEMERAL_JOB_ENV_VARS: 'HTTP_PROXY=x' }, none)).toEqual([
      {
        variable: 'EPHEMERAL_JOB_ENV_VARS',
        problem: 'is not allowed',
        value: 'HTTP_PROXY',
        fix: 'Leave it out or ask for less.',
        allow: { key: 'env', value: ['^HTTP_PROXY$'] },
      },
    ]);
    // The rest of a value that held a `;` and base64.
    const refused = refusalsOf(
      { EPHEMERAL_JOB_ENV_VARS: 'TOKEN=ab;c3VwZXJTZWNyZXQ=xyz' },
      { patterns: { env: [/^TOKEN$/] } },
    );
    expect(refused).toHaveLength(1);
    expect(JSON.stringify(refused)).not.toContain('c3Vw');
  });

  test('is compared up to 253 characters; a longer one is refused', () => {
    const policy = { patterns: { env: [/^A/] } };
    expect(refusalsOf({ EPHEMERAL_JOB_ENV_VARS: `${'A'.repeat(253)}=b` }, policy)).toEqual([]);
    expect(refusalsOf({ EPHEMERAL_JOB_ENV_VARS: `${'A'.repeat(254)}=b` }, policy)).toHaveLength(1);
  });

  test('has its dots escaped in the pattern to add', () => {
    expect(refusalsOf({ EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'a.b' })).toMatchObject([
      { allow: { key: 'serviceAccounts', value: ['^a\\.b$'] } },
    ]);
  });
});

test('what the deployment gives every executor may be asked for by anybody', () => {
  const defaults = { ...NO_OPTIONS, serviceAccount: 'executor', podAnnotations: { a: 'b' }, envFrom: ['common'] };
  const asked = {
    EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'executor',
    EPHEMERAL_CONFIG_POD_ANNOTATIONS: 'a=b',
    EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP: 'common',
  };
  expect(refusalsOf(asked, {}, defaults)).toEqual([]);
  expect(refusalsOf({ EPHEMERAL_CONFIG_POD_ANNOTATIONS: 'a=c' }, {}, defaults)).toMatchObject([{ value: 'a' }]);
});

describe('the plugin cache that nobody named', () => {
  const { options } = parseOptions({ TF_PLUGIN_CACHE_DIR: '/cache' }, NO_OPTIONS);

  test('is left out where its claim is not allowed: the variable is known to Terraform, too', () => {
    expect(applyGuardRails(options, guardRails(), NO_OPTIONS)).toEqual({ options: NO_OPTIONS, refusals: [] });
  });
  test('is mounted where its claim is allowed', () => {
    const policy = guardRails({ patterns: { persistentVolumeClaims: [/^terrakube-plugin-pvc$/] } });
    expect(applyGuardRails(options, policy, NO_OPTIONS)).toEqual({ options, refusals: [] });
  });
});

describe('a reserved name is refused whatever the policy says', () => {
  const all = { patterns: { podAnnotations: [/.*/], env: [/.*/] } };
  const keys = [
    'terrakube.io/job',
    'Terrakube.io/job',
    'app.kubernetes.io/managed-by',
    'batch.kubernetes.io/job-name',
    'kueue.x-k8s.io/queue-name',
    'job-name',
    'controller-uid',
  ];
  test.each(
    ['EPHEMERAL_CONFIG_ANNOTATIONS', 'EPHEMERAL_CONFIG_POD_ANNOTATIONS'].flatMap((variable) =>
      keys.map((key) => [variable, key]),
    ),
  )('%s %s', (variable = '', key) => {
    expect(refusalsOf({ [variable]: `${key}=x` }, all)).toEqual([
      { variable, problem: 'has a reserved name', value: key, fix: 'Leave it out; no setting allows it.' },
    ]);
  });
  test.each(keys.filter((key) => !/[A-Z]/.test(key)))('EPHEMERAL_CONFIG_LABELS %s', (key) => {
    expect(refusalsOf({ EPHEMERAL_CONFIG_LABELS: `${key}=x` }, all)).toMatchObject([{ value: key }]);
  });
  test.each(['my.terrakube.io/x', 'kubernetes.io/x', 'terrakube.io', 'x-job-name'])('but not %s', (key) => {
    expect(refusalsOf({ EPHEMERAL_CONFIG_LABELS: `${key}=x` })).toEqual([]);
  });

  test.each([
    'EphemeralJobData',
    'EphemeralFlagBatch',
    'InternalSecret',
    'AzBuilderApiUrl',
    'TerrakubeApiUrl',
    'SPRING_CONFIG_IMPORT',
    'spring.config.import',
    'Spring-Config-Import',
    'JAVA_TOOL_OPTIONS',
    'JDK_JAVA_OPTIONS',
    '_JAVA_OPTIONS',
    'ExecutorFlagDisableAcknowledge',
    'IO_TERRAKUBE_EXECUTOR_FLAGS_DISABLEACKNOWLEDGE',
    'org.terrakube.executor.flags.ephemeralJobData',
  ])('EPHEMERAL_JOB_ENV_VARS %s', (name) => {
    expect(refusalsOf({ EPHEMERAL_JOB_ENV_VARS: `A=b;${name}=secret` }, all)).toEqual([
      {
        variable: 'EPHEMERAL_JOB_ENV_VARS',
        problem: 'has a reserved name',
        value: name,
        fix: 'Leave it out; no setting allows it.',
      },
    ]);
  });
  test.each(['AwsEnableRoleAuth', 'HTTPS_PROXY', 'TF_LOG', 'InternalSecretary', 'MY_SPRING_X', 'JAVASCRIPT'])(
    'but not %s',
    (name) => {
      expect(refusalsOf({ EPHEMERAL_JOB_ENV_VARS: `${name}=x` })).toEqual([]);
    },
  );
});

describe('an amount', () => {
  test.each([
    ['maxCpu', 'EPHEMERAL_CPU_REQUEST', '2001m', '2'],
    ['maxCpu', 'EPHEMERAL_CPU_LIMIT', '3', '2'],
    ['maxMemory', 'EPHEMERAL_MEMORY_REQUEST', '8.1Gi', '8Gi'],
    ['maxMemory', 'EPHEMERAL_MEMORY_LIMIT', '9G', '8Gi'],
    ['maxEphemeralStorage', 'EPHEMERAL_STORAGE_REQUEST', '21Gi', '20Gi'],
    ['maxEphemeralStorage', 'EPHEMERAL_STORAGE_LIMIT', '21Gi', '20Gi'],
  ])('above %s is refused: %s %s', (key, variable, value, most) => {
    const policy = { maxima: { [key]: quantity(most) } };
    expect(refusalsOf({ [variable]: value }, policy)).toEqual([
      {
        variable,
        problem: `is more than ${key} allows`,
        value,
        fix: 'Leave it out or ask for less.',
        allow: { key, value },
      },
    ]);
    expect(refusalsOf({ [variable]: most }, policy)).toEqual([]);
    expect(refusalsOf({ [variable]: value })).toEqual([]);
  });
});

describe('a right', () => {
  test.each([
    ['allowRunAsRoot', 'EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT', 'runAsUser=0', 'asks to run as root'],
    ['allowRunAsRoot', 'EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT', 'runAsNonRoot=false', 'asks to run as root'],
    [
      'allowPrivilegeEscalation',
      'EPHEMERAL_CONFIG_SECURITY_CONTEXT',
      'allowPrivilegeEscalation=true',
      'asks for more privileges',
    ],
  ])('%s: %s %s', (key, variable, value, problem) => {
    expect(refusalsOf({ [variable]: value })).toEqual([
      { variable, problem, fix: 'Leave it out or ask for less.', allow: { key, value: true } },
    ]);
    expect(refusalsOf({ [variable]: value }, { [key]: true })).toEqual([]);
  });
  test('that the deployment gives everybody is no question', () => {
    const variables = { EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT: 'runAsNonRoot=false' };
    expect(refusalsOf(variables, {}, { ...NO_OPTIONS, runAsNonRoot: false })).toEqual([]);
  });
  test('that is renounced is no question', () => {
    const variables = {
      EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT: 'runAsNonRoot=true;runAsUser=1002;fsGroup=0',
      EPHEMERAL_CONFIG_SECURITY_CONTEXT: 'allowPrivilegeEscalation=false',
    };
    expect(refusalsOf(variables)).toEqual([]);
  });
});

test('the policy that would allow several refusals is one object', () => {
  const refusals = refusalsOf(
    {
      EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'team-a',
      EPHEMERAL_CONFIG_MAP_NAME: 'cm-a',
      EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP: 'cm-a,cm-b',
      EPHEMERAL_MEMORY_REQUEST: '10Gi',
      EPHEMERAL_MEMORY_LIMIT: '12Gi',
      EPHEMERAL_CONFIG_SECURITY_CONTEXT: 'allowPrivilegeEscalation=true',
      EPHEMERAL_CONFIG_LABELS: 'terrakube.io/job=1',
    },
    { maxima: { maxMemory: quantity('8Gi') } },
  );
  expect(allowingPolicy(refusals)).toBe(
    '{"serviceAccounts":["^team-a$"],"configMaps":["^cm-a$","^cm-b$"],"maxMemory":"12Gi","allowPrivilegeEscalation":true}',
  );
  expect(allowingPolicy([])).toBeUndefined();
});
