// Every variable that a workspace may set, with values that are taken and values that are refused: what the tests go
// through, and what docs/options.md is written from.
import type { EphemeralOptions, OptionVariable } from '../../lib/domain/ephemeral-options.ts';

/** Variables that are set at the same time. */
type Others = Readonly<Partial<Record<OptionVariable, string>>>;

/** A value that is taken. */
export interface GoodValue {
  readonly value: string;
  readonly and?: Others;
  /** What it comes to, for readers. */
  readonly means: string;
  /** The options that it gives, besides those that nothing gives. */
  readonly gives: Partial<EphemeralOptions>;
}

/** A value that is refused. */
export interface BadValue {
  readonly value: string;
  readonly and?: Others;
  /** The sentence that the user reads, without the variable at its beginning. */
  readonly problem: string;
  readonly fix: string;
  /** The part that is quoted behind the problem; absent when nothing is. */
  readonly quoted?: string;
}

/** One variable. */
export interface OptionRow {
  readonly variable: OptionVariable;
  readonly syntax: string;
  readonly sets: string;
  /** The setting of the deployment that gives the default. */
  readonly setting?: string;
  /** How a workspace's value and the default come together. */
  readonly withDefault?: string;
  /** The key of `GuardRails` that decides, and what it allows when it is absent. */
  readonly guardRail?: string;
  readonly good: readonly GoodValue[];
  readonly bad: readonly BadValue[];
}

const KEY_FIX = 'A key has at most 63 letters, digits, "-", "_" and ".", perhaps after a domain and "/".';
const VALUE_FIX = 'A value has at most 63 letters, digits, "-", "_" and ".", a letter or digit at each end.';
const NAME_FIX = 'Names in the cluster have lower-case letters, digits, "-" and ".", at most 253.';
const PAIRS_FIX = 'Write name=value, with ";" between two of them.';
const TOLERATION_FIX = 'Write key:Exists:effect or key=value:Equal:effect, with ";" between two tolerations.';
const PATH_FIX = 'Write an absolute path without ":" and "..", such as /data.';
const CORES_FIX = 'Write 500m, 1.5 or 2, for example.';
const BYTES_FIX = 'Write 512Mi, 2Gi or 500M, for example.';
const FLAG_FIX = 'Write true or false.';
const ID_FIX = 'Write a number from 0 to 2147483647.';

const badKey = (value: string, quoted: string): BadValue => ({
  value,
  problem: 'has a key that is not valid',
  quoted,
  fix: KEY_FIX,
});
const badLabel = (value: string, quoted: string): BadValue => ({
  value,
  problem: 'has a value that no label can have',
  quoted,
  fix: VALUE_FIX,
});
const badName = (value: string, quoted = value): BadValue => ({
  value,
  problem: 'is not a name in the cluster',
  quoted,
  fix: NAME_FIX,
});

const LABEL_ROWS: Pick<OptionRow, 'bad'> = {
  bad: [
    badKey('a b=c', 'a b'),
    badKey('=c', ''),
    badKey('-a=c', '-a'),
    badKey('Example.com/team=c', 'Example.com/team'),
    badKey('a/b/c=d', 'a/b/c'),
    badKey(`${'k'.repeat(64)}=c`, 'k'.repeat(64)),
    badLabel('team=a b', 'a b'),
    badLabel('team=a=b', 'a=b'),
    badLabel('team=-', '-'),
    badLabel(`team=${'v'.repeat(64)}`, 'v'.repeat(64)),
  ],
};

const METADATA_ROWS: readonly OptionRow[] = [
  {
    variable: 'EPHEMERAL_CONFIG_LABELS',
    syntax: '`key=value;key=value`',
    sets: 'Labels of the Job and of its pod.',
    good: [
      { value: 'team=infra;cost=42', means: 'two labels', gives: { labels: { team: 'infra', cost: '42' } } },
      {
        value: ' team = infra ;; ',
        means: 'blanks and empty pairs do not count',
        gives: { labels: { team: 'infra' } },
      },
      {
        value: 'example.com/spot',
        means: 'a label with an empty value',
        gives: { labels: { 'example.com/spot': '' } },
      },
      { value: 'team=a;team=b', means: 'the last one of a key counts', gives: { labels: { team: 'b' } } },
      { value: ' ; ', means: 'nothing', gives: {} },
    ],
    ...LABEL_ROWS,
  },
  {
    variable: 'EPHEMERAL_CONFIG_ANNOTATIONS',
    syntax: '`key=value;key=value`',
    sets: 'Annotations of the Job, not of its pod.',
    good: [
      {
        value: 'example.com/owner=Ops & Co;link=https://a.example/?b=c',
        means: 'any text as a value; the first `=` divides',
        gives: { annotations: { 'example.com/owner': 'Ops & Co', link: 'https://a.example/?b=c' } },
      },
      { value: 'Example.com/A=b', means: 'upper case as well', gives: { annotations: { 'Example.com/A': 'b' } } },
    ],
    bad: [
      badKey('a b=c', 'a b'),
      {
        value: `a=${'x'.repeat(245_760)}`,
        problem: 'has more than 245760 bytes',
        fix: 'Keep large texts in a ConfigMap.',
      },
    ],
  },
  {
    variable: 'EPHEMERAL_CONFIG_POD_ANNOTATIONS',
    syntax: '`key=value;key=value`',
    sets: 'Annotations of the pod.',
    setting: 'ExecutorEphemeralPodAnnotations',
    withDefault: 'both; the value of the workspace counts for a key that both have',
    guardRail: '`podAnnotations` (keys; none)',
    good: [
      {
        value: 'vault.hashicorp.com/agent-inject=true',
        means: 'one annotation',
        gives: { podAnnotations: { 'vault.hashicorp.com/agent-inject': 'true' } },
      },
    ],
    bad: [
      badKey('/a=b', '/a'),
      {
        value: `a=${'x'.repeat(245_760)}`,
        problem: 'has more than 245760 bytes',
        fix: 'Keep large texts in a ConfigMap.',
      },
    ],
  },
];

const toleration = (value: string, problem: string, fix = TOLERATION_FIX): BadValue => ({
  value,
  problem,
  quoted: value,
  fix,
});

const PLACE_ROWS: readonly OptionRow[] = [
  {
    variable: 'EPHEMERAL_CONFIG_NODE_SELECTOR_TAGS',
    syntax: '`key=value;key=value`',
    sets: 'Labels that the node of the pod must have.',
    setting: 'ExecutorEphemeralNodeSelector',
    withDefault: 'the value of the workspace replaces it',
    guardRail: '`nodeSelectorKeys` (keys; all)',
    good: [
      {
        value: 'kubernetes.io/os=linux;pool=terraform',
        means: 'two labels',
        gives: { nodeSelector: { 'kubernetes.io/os': 'linux', pool: 'terraform' } },
      },
    ],
    ...LABEL_ROWS,
  },
  {
    variable: 'EPHEMERAL_CONFIG_TOLERATIONS',
    syntax: '`key[=value][:operator[:effect]]`, with `;` between two',
    sets: 'Taints that the pod tolerates. Without an operator a value is compared (`Equal`); without an effect all are meant.',
    setting: 'ExecutorEphemeralTolerations',
    withDefault: 'the value of the workspace replaces it',
    guardRail: '`tolerationKeys` (keys; all)',
    good: [
      {
        value: 'spot=true:Equal:NoSchedule',
        means: 'one taint',
        gives: { tolerations: [{ key: 'spot', value: 'true', operator: 'Equal', effect: 'NoSchedule' }] },
      },
      {
        value: 'spot:Exists:NoExecute;arm64',
        means: 'two taints with whatever value',
        gives: {
          tolerations: [
            { key: 'spot', operator: 'Exists', effect: 'NoExecute' },
            { key: 'arm64', operator: 'Exists' },
          ],
        },
      },
      {
        value: 'spot=true',
        means: '`Equal`, since there is a value',
        gives: { tolerations: [{ key: 'spot', value: 'true', operator: 'Equal' }] },
      },
      {
        value: 'spot=',
        means: '`Equal` with an empty value',
        gives: { tolerations: [{ key: 'spot', value: '', operator: 'Equal' }] },
      },
      {
        value: 'spot:Equal',
        means: 'the same',
        gives: { tolerations: [{ key: 'spot', operator: 'Equal' }] },
      },
      {
        value: ' a.example/b = c : Equal : PreferNoSchedule ;; d ; ',
        means: 'blanks and empty parts do not count',
        gives: {
          tolerations: [
            { key: 'a.example/b', value: 'c', operator: 'Equal', effect: 'PreferNoSchedule' },
            { key: 'd', operator: 'Exists' },
          ],
        },
      },
      {
        value: 'spot::NoSchedule',
        means: 'an effect without an operator',
        gives: { tolerations: [{ key: 'spot', operator: 'Exists', effect: 'NoSchedule' }] },
      },
    ],
    bad: [
      toleration('=v', 'has no key and would tolerate every taint'),
      toleration('=', 'has no key and would tolerate every taint'),
      toleration(':', 'has no key and would tolerate every taint'),
      toleration(':Exists', 'has no key and would tolerate every taint'),
      toleration('spot=a=b', 'is no toleration'),
      toleration('spot!', 'is no toleration'),
      toleration('spot:Exists:NoSchedule:300', 'is no toleration'),
      toleration('spot:exists', 'has an unknown operator', 'The operators are Exists and Equal.'),
      toleration(
        'spot=true:NoSchedule',
        'has an effect where the operator belongs',
        'Write spot=true:Equal:NoSchedule.',
      ),
      toleration('spot:NoExecute', 'has an effect where the operator belongs', 'Write spot:Exists:NoExecute.'),
      toleration(
        'spot=true:Exists',
        'has a value, which Exists does not take',
        'Write spot:Exists, or spot=true:Equal.',
      ),
      toleration(
        'spot:Exists:Never',
        'has an unknown effect',
        'The effects are NoSchedule, PreferNoSchedule, NoExecute.',
      ),
    ],
  },
];

const REACH_ROWS: readonly OptionRow[] = [
  {
    variable: 'EPHEMERAL_CONFIG_SERVICE_ACCOUNT',
    syntax: 'a name',
    sets: 'The service account of the pod. Without one the pod has no token for the cluster.',
    setting: 'ExecutorEphemeralServiceAccount',
    withDefault: 'the value of the workspace replaces it',
    guardRail: '`serviceAccounts` (none)',
    good: [{ value: ' team-a.deployer ', means: 'one account', gives: { serviceAccount: 'team-a.deployer' } }],
    bad: [badName('Team-A'), badName('team_a'), badName('-a'), badName('a..b'), badName('a'.repeat(254))],
  },
  {
    variable: 'EPHEMERAL_CONFIG_MAP_NAME',
    syntax: 'a name',
    sets: 'A ConfigMap that is mounted as a folder (volume `config-volume`).',
    guardRail: '`configMaps` (none)',
    good: [
      {
        value: 'cm-scripts',
        means: 'mounted at `/data`',
        gives: { configMap: { name: 'cm-scripts', mountPath: '/data' } },
      },
    ],
    bad: [badName('cm_scripts')],
  },
  {
    variable: 'EPHEMERAL_CONFIG_MAP_MOUNT_PATH',
    syntax: 'an absolute path',
    sets: 'The folder of that ConfigMap; without `EPHEMERAL_CONFIG_MAP_NAME` it does nothing.',
    good: [
      {
        value: '/mnt/certs/',
        and: { EPHEMERAL_CONFIG_MAP_NAME: 'cm' },
        means: 'another folder than `/data`',
        gives: { configMap: { name: 'cm', mountPath: '/mnt/certs' } },
      },
      { value: '/mnt', means: 'nothing, without a ConfigMap', gives: {} },
    ],
    bad: [
      ...['data', '/', '/a:b', '/a/../b', '/a//b', '~/data'].map((value) => ({
        value,
        and: { EPHEMERAL_CONFIG_MAP_NAME: 'cm' },
        problem: 'is not a path to mount at',
        quoted: value,
        fix: PATH_FIX,
      })),
      ...['/var/run/terrakube', '/var/run/terrakube/x', '/var/run', '/var', '/run'].map((value) => ({
        value,
        and: { EPHEMERAL_CONFIG_MAP_NAME: 'cm' },
        problem: `overlaps ${value === '/run' ? '/run' : '/var/run'}/terrakube, which is taken`,
        quoted: value,
        fix: 'Choose another folder.',
      })),
    ],
  },
  {
    variable: 'EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP',
    syntax: 'names, with `,` between two',
    sets: 'ConfigMaps whose keys become environment variables, after the Secrets and ConfigMaps of the deployment.',
    setting: 'ExecutorEphemeralConfigMap',
    withDefault: 'both',
    guardRail: '`configMaps` (none)',
    good: [{ value: 'cm-a, cm-b,,cm-a', means: 'two ConfigMaps', gives: { envFrom: ['cm-a', 'cm-b'] } }],
    bad: [badName('cm-a,Not', 'Not'), badName('a;b')],
  },
  {
    variable: 'EPHEMERAL_JOB_ENV_VARS',
    syntax: '`NAME=value;NAME=value`',
    sets: 'Environment variables of the executor. A value cannot hold `;`. What is refused is never quoted.',
    setting: 'ExecutorEphemeralEnv',
    withDefault: 'both; the value of the workspace counts for a name that both have',
    guardRail: '`env` (names; all but the reserved ones)',
    good: [
      {
        value: 'HTTPS_PROXY=http://proxy:3128;NO_PROXY=a,b; EMPTY= ;',
        means: 'three variables; the first `=` divides',
        gives: {
          env: [
            { name: 'HTTPS_PROXY', value: 'http://proxy:3128' },
            { name: 'NO_PROXY', value: 'a,b' },
            { name: 'EMPTY', value: '' },
          ],
        },
      },
    ],
    bad: [
      { value: 'A=b;secret-rest', problem: 'has no name and "=" in pair 2', fix: PAIRS_FIX },
      { value: '=b', problem: 'has no name and "=" in pair 1', fix: PAIRS_FIX },
      { value: '1A=b', problem: 'has no name and "=" in pair 1', fix: PAIRS_FIX },
      { value: 'A B=c', problem: 'has no name and "=" in pair 1', fix: PAIRS_FIX },
      { value: 'A=b;A=c', problem: 'gives a name twice', quoted: 'A', fix: 'Leave one of them out.' },
    ],
  },
  {
    variable: 'TF_PLUGIN_CACHE_DIR',
    syntax: 'an absolute path',
    sets: 'The folder of a plugin cache on a PersistentVolumeClaim (volume `tf-plugin-volume`). Terraform itself knows this variable: when `PVC_CLAIM_NAME` is not set, and the guard-rails do not allow the claim `terrakube-plugin-pvc` or nothing can be mounted at the path, it is for Terraform alone.',
    guardRail: '`persistentVolumeClaims` (none)',
    good: [
      {
        value: '/cache',
        means: 'the claim `terrakube-plugin-pvc`, where it is allowed',
        gives: { pluginCache: { claimName: 'terrakube-plugin-pvc', mountPath: '/cache', isNamed: false } },
      },
      {
        value: '/cache',
        and: { PVC_CLAIM_NAME: 'plugins' },
        means: 'the claim `plugins`',
        gives: { pluginCache: { claimName: 'plugins', mountPath: '/cache', isNamed: true } },
      },
      { value: '~/.terraform.d/plugin-cache', means: 'for Terraform alone', gives: {} },
      {
        value: '/data/cache',
        and: { EPHEMERAL_CONFIG_MAP_NAME: 'cm' },
        means: 'for Terraform alone, since the ConfigMap is there',
        gives: { configMap: { name: 'cm', mountPath: '/data' } },
      },
    ],
    bad: [
      {
        value: 'cache',
        and: { PVC_CLAIM_NAME: 'plugins' },
        problem: 'is not a path to mount at',
        quoted: 'cache',
        fix: PATH_FIX,
      },
      {
        value: '/data/cache',
        and: { PVC_CLAIM_NAME: 'plugins', EPHEMERAL_CONFIG_MAP_NAME: 'cm' },
        problem: 'overlaps /data, which is taken',
        quoted: '/data/cache',
        fix: 'Choose another folder.',
      },
    ],
  },
  {
    variable: 'PVC_CLAIM_NAME',
    syntax: 'a name',
    sets: 'The claim of the plugin cache. It is mounted without a look-up: a missing one keeps the pod from starting.',
    guardRail: '`persistentVolumeClaims` (none)',
    good: [{ value: 'plugins', means: 'nothing, without `TF_PLUGIN_CACHE_DIR`', gives: {} }],
    bad: [{ ...badName('Plug_Ins'), and: { TF_PLUGIN_CACHE_DIR: '/cache' } }],
  },
];

const RIGHT_ROWS: readonly OptionRow[] = [
  {
    variable: 'EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT',
    syntax: '`key=value;key=value`; keys `fsGroup`, `runAsUser`, `runAsNonRoot`',
    sets: 'Who the pod runs as. `fsGroup` is 1000 by default, the group of the executor image.',
    setting: 'ExecutorEphemeralRunAsNonRoot',
    withDefault: 'the value of the workspace replaces it, key by key',
    guardRail: '`allowRunAsRoot` (no), for `runAsUser=0` and `runAsNonRoot=false`',
    good: [
      {
        value: 'fsGroup=2000;runAsUser=1002;runAsNonRoot=true',
        means: 'all three',
        gives: { fsGroup: 2000, runAsUser: 1002, runAsNonRoot: true },
      },
      {
        value: 'runAsUser=0; runAsNonRoot=False',
        means: 'root, where it is allowed',
        gives: { runAsUser: 0, runAsNonRoot: false },
      },
    ],
    bad: [
      {
        value: 'runAsGroup=1',
        problem: 'has an unknown key',
        quoted: 'runAsGroup',
        fix: 'The keys are: fsGroup, runAsNonRoot, runAsUser.',
      },
      ...['fsGroup=ten', 'fsGroup=-1', 'runAsUser=2147483648', 'runAsUser'].map((value) => ({
        value,
        problem: 'is not the number of a user or group',
        quoted: value,
        fix: ID_FIX,
      })),
      { value: 'runAsNonRoot=yes', problem: 'is neither true nor false', quoted: 'runAsNonRoot=yes', fix: FLAG_FIX },
      {
        value: 'runAsUser=0;runAsNonRoot=true',
        problem: 'has runAsUser=0 (root) with runAsNonRoot=true',
        fix: 'Choose another user, or add runAsNonRoot=false.',
      },
    ],
  },
  {
    variable: 'EPHEMERAL_CONFIG_SECURITY_CONTEXT',
    syntax: '`allowPrivilegeEscalation=true` or `=false`',
    sets: 'Whether a process may gain more privileges than its parent; it may not by default. All capabilities are dropped in any case.',
    guardRail: '`allowPrivilegeEscalation` (no)',
    good: [
      {
        value: 'allowPrivilegeEscalation=TRUE',
        means: 'it may, where it is allowed',
        gives: { allowPrivilegeEscalation: true },
      },
    ],
    bad: [
      {
        value: 'privileged=true',
        problem: 'has an unknown key',
        quoted: 'privileged',
        fix: 'The keys are: allowPrivilegeEscalation.',
      },
      {
        value: 'allowPrivilegeEscalation=1',
        problem: 'is neither true nor false',
        quoted: 'allowPrivilegeEscalation=1',
        fix: FLAG_FIX,
      },
    ],
  },
];

/** The refusals that all quantities share. */
const badAmounts = (fix: string, values: readonly (readonly [string, string])[]): readonly BadValue[] =>
  [
    ['lots', 'is not a quantity'],
    ['1 Gi', 'is not a quantity'],
    ['.', 'is not a quantity'],
    ['-1', 'is negative'],
    ['8Ei', 'is larger than Kubernetes can count'],
    ...values,
  ].map(([value = '', problem = '']) => ({ value, problem, quoted: value, fix }));

/** Requests and limits of one resource. */
function amountRows(name: 'CPU' | 'MEMORY' | 'STORAGE', text: Readonly<Record<'of' | 'small' | 'large', string>>) {
  const [request, limit] = [`EPHEMERAL_${name}_REQUEST`, `EPHEMERAL_${name}_LIMIT`] as const;
  const unit = name === 'CPU' ? CORES_FIX : BYTES_FIX;
  const resource = ({ CPU: 'cpu', MEMORY: 'memory', STORAGE: 'ephemeral-storage' } as const)[name];
  const maximum = { CPU: 'maxCpu', MEMORY: 'maxMemory', STORAGE: 'maxEphemeralStorage' }[name];
  const setting = `ExecutorEphemeral${{ CPU: 'Cpu', MEMORY: 'Memory', STORAGE: 'Storage' }[name]}`;
  const common = {
    syntax: name === 'CPU' ? 'cores: `500m`, `1.5`, `2`' : 'bytes: `512Mi`, `2Gi`, `500M`',
    withDefault: 'the value of the workspace replaces it',
    guardRail: `\`${maximum}\` (no maximum)`,
  };
  const more: readonly (readonly [string, string])[] =
    name === 'CPU'
      ? [['2 cores', 'is not a quantity']]
      : [
          ['1GB', 'is not a quantity'],
          ['1K', 'is not a quantity'],
          ['400m', 'counts parts of a byte'],
        ];
  const amount = (value: string) => ({ text: value, nanos: AMOUNTS[value] ?? -1n });
  const rows: readonly OptionRow[] = [
    {
      variable: request,
      sets: `How much ${text.of} a node must have left for the pod.`,
      setting: `${setting}Request`,
      ...common,
      good: [
        { value: text.small, means: 'a request', gives: { requests: { [resource]: amount(text.small) } } },
        { value: '0', means: 'none', gives: { requests: { [resource]: amount('0') } } },
      ],
      bad: [
        ...badAmounts(unit, more),
        {
          value: text.large,
          and: { [limit]: text.small },
          problem: `is more than the limit ${text.small}`,
          quoted: text.large,
          fix: `Set ${request} to at most ${limit}; what a workspace leaves out has the default of the deployment.`,
        },
      ],
    },
    {
      variable: limit,
      sets: `How much ${text.of} the pod may use.`,
      setting: `${setting}Limit`,
      ...common,
      good: [{ value: text.large, means: 'a limit', gives: { limits: { [resource]: amount(text.large) } } }],
      bad: [
        ...badAmounts(unit, more),
        { value: '0', problem: 'is a limit of nothing', quoted: '0', fix: 'Leave it out, or raise it.' },
      ],
    },
  ];
  return rows;
}

const GIBI_NANOS = 1_073_741_824n * 1_000_000_000n;
/** What the amounts of this table come to, in billionths. */
const AMOUNTS: Readonly<Record<string, bigint>> = {
  '0': 0n,
  '500m': 500_000_000n,
  '2': 2_000_000_000n,
  '512Mi': GIBI_NANOS / 2n,
  '2Gi': 2n * GIBI_NANOS,
  '5Gi': 5n * GIBI_NANOS,
  '20Gi': 20n * GIBI_NANOS,
};

/** All variables. */
export const OPTIONS_TABLE: readonly OptionRow[] = [
  ...amountRows('CPU', { of: 'processor time', small: '500m', large: '2' }),
  ...amountRows('MEMORY', { of: 'memory', small: '512Mi', large: '2Gi' }),
  ...amountRows('STORAGE', { of: 'disk', small: '5Gi', large: '20Gi' }),
  ...PLACE_ROWS,
  ...METADATA_ROWS,
  ...REACH_ROWS,
  ...RIGHT_ROWS,
];
