import { describe, expect, test } from 'vitest';
import { type FailureTexts, failureTexts } from '../../lib/domain/failure-text.ts';
import { stepSettings } from '../../lib/domain/step-settings.ts';
import { readRequestedOptions } from '../../lib/schemas/payload-options.ts';
import { executorSettings, guardRails, ids, payload, step } from '../support/builders.ts';

type Settings = Parameters<typeof executorSettings>[0];

const decide = (environmentVariables: Readonly<Record<string, unknown>>, settings: Settings = {}) =>
  stepSettings(readRequestedOptions(payload(ids(), { environmentVariables })), executorSettings(settings));

/** What a user reads: the step's name, its output as the UI shows it, and the lines of the log. */
function toldOf(environmentVariables: Readonly<Record<string, unknown>>, settings: Settings = {}) {
  const decided = decide(environmentVariables, settings);
  if (!('reason' in decided)) return 'nothing';
  const { stepName, stepOutput, logLines }: FailureTexts = failureTexts(decided.reason, step());
  expect(decided.reason.title.length).toBeLessThanOrEqual(90);
  expect(stepName.length).toBeLessThanOrEqual(128);
  expect(stepOutput.length).toBeLessThanOrEqual(1024);
  return { stepName, output: decodeURIComponent(stepOutput.replace(/^[^,]*,/, '')).split('\n'), logLines };
}

/** All three places with the same words. */
const said = (title: string, seen: string, advice: string) => {
  const lines = [`terrakube-dispatcher: ${title}`, `What was seen: ${seen}`, `What to do: ${advice}`];
  return { stepName: `Terraform Plan: ${title}`, output: lines, logLines: lines };
};

describe('what the user reads', () => {
  test('about one mistake', () => {
    expect(toldOf({ EPHEMERAL_MEMORY_LIMIT: '2 GB' })).toEqual(
      said(
        'EPHEMERAL_MEMORY_LIMIT is not a quantity: "2 GB"',
        'EPHEMERAL_MEMORY_LIMIT is not a quantity: "2 GB".',
        'Write 512Mi, 2Gi or 500M, for example.',
      ),
    );
  });

  test('about one thing that is not allowed', () => {
    expect(toldOf({ EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'cluster.admin' })).toEqual(
      said(
        'EPHEMERAL_CONFIG_SERVICE_ACCOUNT is not allowed: "cluster.admin"',
        'EPHEMERAL_CONFIG_SERVICE_ACCOUNT is not allowed: "cluster.admin".',
        'Leave it out or ask for less. An administrator can allow it: GuardRails {"serviceAccounts":["^cluster\\\\.admin$"]}.',
      ),
    );
  });

  test('about a reserved name', () => {
    expect(toldOf({ EPHEMERAL_JOB_ENV_VARS: 'SPRING_CONFIG_IMPORT=file:/x' })).toEqual(
      said(
        'EPHEMERAL_JOB_ENV_VARS has a reserved name: "SPRING_CONFIG_IMPORT"',
        'EPHEMERAL_JOB_ENV_VARS has a reserved name: "SPRING_CONFIG_IMPORT".',
        'Leave it out; no setting allows it.',
      ),
    );
  });

  test('about an amount above the maximum', () => {
    const settings = { guardRails: guardRails({ maxima: { maxMemory: 8n * 1_073_741_824n * 1_000_000_000n } }) };
    expect(toldOf({ EPHEMERAL_MEMORY_LIMIT: '16Gi' }, settings)).toEqual(
      said(
        'EPHEMERAL_MEMORY_LIMIT is more than maxMemory allows: "16Gi"',
        'EPHEMERAL_MEMORY_LIMIT is more than maxMemory allows: "16Gi".',
        'Leave it out or ask for less. An administrator can allow it: GuardRails {"maxMemory":"16Gi"}.',
      ),
    );
  });

  test('about a variable without a text', () => {
    expect(toldOf({ EPHEMERAL_CPU_LIMIT: null })).toEqual(
      said(
        'EPHEMERAL_CPU_LIMIT has no text as its value',
        'EPHEMERAL_CPU_LIMIT has no text as its value.',
        'Give it one or delete it.',
      ),
    );
  });

  test('about mistakes and what is not allowed, all of it at once', () => {
    expect(
      toldOf({
        EPHEMERAL_CONFIG_TOLERATIONS: 'spot=true:NoSchedule',
        EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'admin',
        EPHEMERAL_CPU_REQUEST: '2',
        EPHEMERAL_CPU_LIMIT: '1',
      }),
    ).toEqual(
      said(
        'EPHEMERAL_CONFIG_TOLERATIONS has an effect where the operator belongs: "spot… (and 2 more)',
        'EPHEMERAL_CONFIG_TOLERATIONS has an effect where the operator belongs: "spot=true:NoSchedule"; ' +
          'EPHEMERAL_CPU_REQUEST is more than the limit 1: "2"; ' +
          'EPHEMERAL_CONFIG_SERVICE_ACCOUNT is not allowed: "admin".',
        'Write spot=true:Equal:NoSchedule. Set EPHEMERAL_CPU_REQUEST to at most EPHEMERAL_CPU_LIMIT; what a workspace ' +
          'leaves out has the default of the deployment. Leave it out or ask for less. ' +
          'An administrator can allow it: GuardRails {"serviceAccounts":["^admin$"]}.',
      ),
    );
  });

  test('about a payload whose executor would be too old', () => {
    expect(toldOf({ EPHEMERAL_CPU_LIMIT: 'x' }, { image: 'azbuilder/executor:2.22.0' })).toEqual(
      said(
        'the executor image is version 2.22.0, but Terrakube is 2.30 or later',
        "The job's data has the field onFailureList, which executors know since 2.30; image azbuilder/executor:2.22.0 would never end.",
        'Set ExecutorEphemeralImage to an executor of the same version as your Terrakube API.',
      ),
    );
  });

  test('about a workspace that did not ask for an executor of its own', () => {
    expect(toldOf({ EPHEMERAL_CPU_LIMIT: 'x' }, { requireOptIn: true })).toEqual(
      said(
        'this workspace has neither TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR nor EPHEMERAL_OPT_IN',
        'Only workspaces that ask for an executor of their own get one here (setting RequireOptIn).',
        'Add the environment variable EPHEMERAL_OPT_IN=true to the workspace or its organization, or choose another executor. (With TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR Terrakube itself would have to reach the cluster.)',
      ),
    );
    expect(decide({ TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR: 'false' }, { requireOptIn: true })).toHaveProperty('settings');
    expect(decide({ EPHEMERAL_OPT_IN: 'true' }, { requireOptIn: true })).toHaveProperty('settings');
  });
});

test('a long value is cut', () => {
  const decided = decide({ EPHEMERAL_CONFIG_SERVICE_ACCOUNT: `A${'a'.repeat(300)}` });
  expect(decided).toMatchObject({
    reason: {
      title: 'EPHEMERAL_CONFIG_SERVICE_ACCOUNT is not a name in the cluster: "Aaaaaaaaaaaaaaaaaaaaaaaaa…',
      evidence: `EPHEMERAL_CONFIG_SERVICE_ACCOUNT is not a name in the cluster: "A${'a'.repeat(61)}…".`,
    },
  });
});

test('a thousand mistakes are told up to the fiftieth', () => {
  const decided = decide({ EPHEMERAL_CONFIG_LABELS: Array.from({ length: 1000 }, (_, at) => `a b${at}=c`).join(';') });
  if (!('reason' in decided)) throw new Error('it was taken');
  expect(decided.reason.title).toBe('EPHEMERAL_CONFIG_LABELS has a key that is not valid: "a b0" (and 999 more)');
  expect(decided.reason.evidence.split('; ')).toHaveLength(51);
  expect(decided.reason.evidence.endsWith('"a b49"; ….')).toBe(true);
});

test('no value of EPHEMERAL_JOB_ENV_VARS is ever told', () => {
  const decided = decide({
    EPHEMERAL_JOB_ENV_VARS: 'A=hunter2;hunter2 rest;1=hunter2;A=hunter2;SPRING_X=hunter2;Ä=hunter2',
  });
  expect(decided).toHaveProperty('reason');
  expect(JSON.stringify(decided)).not.toContain('hunter2');
});

test('a ConfigMap that every executor has may be asked for: Terrakube itself needs the variable for it', () => {
  const variables = { EPHEMERAL_CONFIG_ENVFROM_CONFIG_MAP: 'terrakube-executor-config' };
  expect(decide(variables, { configMaps: ['terrakube-executor-config'] })).toHaveProperty('settings');
  expect(decide(variables)).toHaveProperty('reason');
});

test('root is refused with the word of the deployment, and allowed where both agree', () => {
  const variables = { EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT: 'runAsUser=0' };
  const allowed = guardRails({ allowRunAsRoot: true });
  expect(decide(variables, { guardRails: allowed })).toMatchObject({
    reason: { title: 'EPHEMERAL_CONFIG_POD_SECURITY_CONTEXT has runAsUser=0 (root) with runAsNonRoot=true' },
  });
  expect(decide(variables, { guardRails: allowed, runAsNonRoot: false })).toHaveProperty('settings');
});

test('without a choice of the workspace the settings are those of the deployment', () => {
  const settings = executorSettings();
  expect(decide({})).toEqual({ settings });
});
