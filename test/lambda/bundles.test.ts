import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { BUDGET_BYTES, buildFunctions, overBudget } from '../../tools/build.ts';
import type { BundleFile } from '../../tools/bundle/bundle-function.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const FUNCTIONS = readdirSync(path.join(ROOT, 'functions')).map((file) => path.basename(file, '.ts'));

/**
 * Packages that cost every cold start and that no function needs: transports, archives, tracers, and chains of providers. Of the
 * one that is left, credential-provider-node, the build keeps a few lines only.
 */
const UNWANTED =
  /^(?:undici|ws|isomorphic-ws|hpagent|socks(?:-proxy-agent)?|smart-buffer|ip-address|debug|js-yaml|tar-(?:fs|stream)|streamx|stream-buffers|rfc4648|openid-client|oauth4webapi|jsonpath-plus|aws-xray-sdk.*|@aws-lambda-powertools\/tracer|@aws-sdk\/(?:credential-provider-(?!node$).*|nested-clients|token-providers)|@smithy\/credential-provider-imds)$/;

describe.each(FUNCTIONS)('the bundle of %s', (name) => {
  let files: readonly BundleFile[];
  beforeAll(async () => {
    files = (await buildFunctions()).get(name) ?? [];
  });

  test('is within its budget', () => {
    const main = files.find((file) => file.name === 'index.cjs');

    expect(main?.deflatedBytes).toBeGreaterThan(10_000);
    expect(main?.deflatedBytes).toBeLessThanOrEqual(BUDGET_BYTES[name] ?? 0);
    expect(overBudget(new Map([[name, files]]))).toEqual([]);
  });

  test('holds no package that nobody needs', () => {
    const packages = files.flatMap((file) => file.packages);

    expect(packages.length).toBeGreaterThan(5);
    expect(packages.filter((wanted) => UNWANTED.test(wanted))).toEqual([]);
  });

  test('is two files in the zip, with the source maps outside', () => {
    expect(readdirSync(path.join(ROOT, 'dist', name)).sort()).toEqual(['aws.cjs', 'index.cjs']);
    expect(existsSync(path.join(ROOT, 'dist', 'maps', name, 'index.cjs.map'))).toBe(true);
  });
});

test('the EKS, Secrets Manager and STS clients are never in a main file, and SQS only in that of intake', async () => {
  const built = await buildFunctions();
  const clients = [...built].map(([name, files]) => [
    name,
    files.find((file) => file.name === 'index.cjs')?.packages.filter((name) => name.startsWith('@aws-sdk/client-')),
  ]);

  const none = Object.fromEntries(FUNCTIONS.map((name) => [name, []]));
  expect(Object.fromEntries(clients)).toEqual({ ...none, intake: ['@aws-sdk/client-sqs'] });
});

test('loading a bundle loads neither undici nor http2 nor child_process of Node, nor its second file', () => {
  const loaded = FUNCTIONS.map((name) => [name, modulesAfterLoading(name)]);

  expect(Object.fromEntries(loaded)).toEqual(Object.fromEntries(FUNCTIONS.map((name) => [name, []])));
});

describe('what the build says about sizes', () => {
  const file = { name: 'index.cjs', bytes: 9e6, deflatedBytes: 0, packages: [], packageFolders: [] };
  const faultsOf = (name: string, deflatedBytes: number) =>
    overBudget(new Map([[name, [{ ...file, deflatedBytes }]]]), { dispatch: 40_000, other: 40_000 });

  test('nothing, up to 5 % more than was reached before', () => {
    expect(faultsOf('dispatch', 42_000)).toEqual([]);
  });

  test('names a bundle that is much smaller than what was taken down', () => {
    expect(faultsOf('dispatch', 38_100)).toEqual([]);
    expect(faultsOf('dispatch', 38_000)).toEqual([
      'dist/dispatch/index.cjs is 38000 bytes deflated, and was 40000: take the new size down',
    ]);
  });

  test('names a bundle that has grown by more, one over its budget, and ones that nobody knows', () => {
    expect(faultsOf('dispatch', 42_001)).toEqual([
      'dist/dispatch/index.cjs is 42001 bytes deflated, and was 40000; see tools/build.ts if that is meant',
    ]);
    expect(faultsOf('dispatch', 900_000)).toEqual([
      'dist/dispatch/index.cjs is 900000 bytes deflated; its budget is 49152',
    ]);
    expect(faultsOf('other', 1)).toEqual(['functions/other.ts has no budget in tools/build.ts']);
    expect(faultsOf('intake', 1)).toEqual(['functions/intake.ts has no size in tools/bundle/sizes.json']);
  });
});

/** Names of Node's own modules that a bundle should not load, as far as it did. */
function modulesAfterLoading(name: string): readonly string[] {
  const script = `require(${JSON.stringify(path.join(ROOT, 'dist', name, 'index.cjs'))}); setTimeout(() => {
    console.log(JSON.stringify([...process.moduleLoadList, ...Object.keys(require.cache)]));
    process.exit();
  }, 50);`;
  const settings = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'example',
    QueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
    DeadLetterQueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/dead',
    TerrakubeApiUrl: 'https://terrakube.example.com',
    InternalSecretId: 'internal',
    EksClusterName: 'main',
  };
  const printed = execFileSync(process.execPath, ['-e', script], { env: settings, encoding: 'utf8' });
  const modules: readonly string[] = JSON.parse(printed.trim().split('\n').at(-1) ?? '[]');
  return modules.filter((module) =>
    /deps\/undici|NativeModule http2$|NativeModule child_process$|aws\.cjs$/.test(module),
  );
}
