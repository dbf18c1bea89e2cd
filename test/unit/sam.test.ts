// What the commands of docs/getting-started.md stand on: the files that SAM reads, and the words of the page.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadDispatchConfig, loadIntakeConfig, loadJobStatusConfig, loadReconcileConfig } from '../../lib/config.ts';
import { at, type Json, objectAt, textAt } from '../../local/json.ts';
import { parseTemplate } from '../../local/lambda/cloudformation.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

const LOADERS: Readonly<Record<string, (environment: Record<string, string>) => unknown>> = {
  Intake: loadIntakeConfig,
  Dispatch: loadDispatchConfig,
  JobStatus: loadJobStatusConfig,
  Reconcile: loadReconcileConfig,
};

const aws = { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' };

/** The environment that `sam local` gives a function: a parameter without a default, and a resource, are their own names, and what
 * it cannot work out, such as `!If`, is empty. */
function samEnvironment(functionId: string): Record<string, string> {
  const template: Json = JSON.parse(JSON.stringify(parseTemplate(read('template.yaml'))));
  const shared = objectAt(template, 'Globals', 'Function', 'Environment', 'Variables');
  const own = objectAt(template, 'Resources', functionId, 'Properties', 'Environment', 'Variables');
  const asSam = (value: Json): string => {
    if (typeof value !== 'object') return String(value);
    const name = textAt(value, 'Ref');
    return name === undefined ? '' : String(at(template, 'Parameters', name, 'Default') ?? name);
  };
  return Object.fromEntries(Object.entries({ ...shared, ...own }).map(([variable, value]) => [variable, asSam(value)]));
}

const local: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON.parse(read('events/local.env.json'));

describe('events/local.env.json', () => {
  test('has every function', () => {
    expect(Object.keys(local).sort()).toEqual(Object.keys(LOADERS).sort());
  });

  test.each(Object.keys(LOADERS))('sets for %s only what the template declares: SAM drops the rest', (functionId) => {
    const declared = Object.keys(samEnvironment(functionId));
    expect(Object.keys(local[functionId] ?? {}).filter((name) => !declared.includes(name))).toEqual([]);
  });

  test.each(Object.keys(LOADERS))(
    'makes settings of %s that it takes, which the template alone does not',
    (functionId) => {
      const without = { ...aws, ...samEnvironment(functionId) };
      const load = LOADERS[functionId];
      expect(() => load?.(without)).toThrow('The settings are wrong.');
      expect(load?.({ ...without, ...local[functionId] })).toBeDefined();
    },
  );

  test('lets reconcile change nothing, and end at once', () => {
    expect(local['Reconcile']).toMatchObject({ ReconcileMode: 'report', WatchWhenIdle: 'false' });
  });
});

test('sam build leaves the bundles as they are', () => {
  const template: Json = JSON.parse(JSON.stringify(parseTemplate(read('template.yaml'))));
  for (const functionId of Object.keys(LOADERS)) {
    expect([functionId, at(template, 'Resources', functionId, 'Metadata')]).toEqual([functionId, { SkipBuild: true }]);
  }
});

describe('docs/getting-started.md', () => {
  const page = read('docs/getting-started.md');

  test('names files that are there', () => {
    const files = [...page.matchAll(/(?:--event|--env-vars|--kustomize) (\S+)/g)].map(([, file]) => file ?? '');
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  test('invokes each function, by its name in the template', () => {
    const invoked = [...page.matchAll(/sam local invoke (\w+)/g)].map(([, name]) => name);
    expect([...new Set(invoked)].sort()).toEqual(Object.keys(LOADERS).sort());
  });

  test('uses npm commands that there are', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const used = [...page.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name ?? '');
    expect(used).toContain('build');
    expect(used.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('names outputs and parameters that the template has', () => {
    const template = parseTemplate(read('template.yaml'));
    const known = JSON.stringify([template['Outputs'], template['Parameters']]);
    for (const name of [
      'ExecutorUrl',
      'AzBuilderExecutorUrl',
      'TerrakubeApiUrl',
      'InternalSecretId',
      'EksClusterName',
    ]) {
      expect(page).toContain(`\`${name}\``);
      expect(known).toContain(`"${name}"`);
    }
  });
});

test('a deployment takes the template itself, and makes a stage anew when a parameter changes its policy', () => {
  expect(read('samconfig.toml')).toMatch(/^template_file = "template.yaml"/m);
  const template: Json = JSON.parse(JSON.stringify(parseTemplate(read('template.yaml'))));
  expect(at(template, 'Resources', 'Api', 'Properties', 'AlwaysDeploy')).toBe(true);
});

test('no parameter speaks of a variable that keeps Terrakube from asking for an executor', () => {
  expect(read('template.yaml')).not.toContain('TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR');
});

test('samconfig.toml names no account, no region and no secret', () => {
  const text = read('samconfig.toml').replace(/^#.*$/gm, '');
  expect(text).not.toMatch(/\d{12}|region|profile|s3_bucket|parameter_overrides|arn:/);
  expect(text).toContain('capabilities = "CAPABILITY_IAM"');
});
