// Bundles one function: dist/<name>/index.cjs, and aws.cjs beside it when it needs a second file. CommonJS, because
// Node's ESM facade of node:http loads undici (27 ms and 12 MB of every cold start).
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { awsInSecondFile, withoutUnreachedModules } from './aws-sdk.ts';
import { trimKubernetesClient } from './kubernetes-client.ts';

/** One file of a bundle. */
export interface BundleFile {
  /** `index.cjs` or `aws.cjs`. */
  readonly name: string;
  readonly bytes: number;
  /** Size as in the zip that Lambda loads. */
  readonly deflatedBytes: number;
  /** npm packages in it. */
  readonly packages: readonly string[];
}

/** Bundles functions/<name>.ts into dist/<name>/. @throws Error with esbuild's messages. */
export async function bundleFunction(root: string, name: string): Promise<readonly BundleFile[]> {
  const folder = path.join(root, 'dist', name);
  rmSync(folder, { recursive: true, force: true });
  const awsModules = new Set<string>();
  const door = readFileSync(path.join(root, 'functions', `${name}.ts`), 'utf8');
  const usesKubernetes = door.includes('/kubernetes-');
  const usesSdk = /from '.*\/aws\//.test(door);
  const main = await build({
    ...common(root),
    entryPoints: [path.join(root, 'functions', `${name}.ts`)],
    outfile: path.join(folder, 'index.cjs'),
    // `import()` of the second file becomes `require`: the ESM loader would cost more than the file.
    supported: { 'dynamic-import': false },
    plugins: [
      awsInSecondFile(awsModules),
      ...(usesSdk ? [withoutUnreachedModules()] : []),
      ...(usesKubernetes ? trimKubernetesClient(root, kubernetesClients(root)) : []),
    ],
  });
  const files = [describe(folder, 'index.cjs', main.metafile)];
  if (awsModules.size > 0) {
    const contents = [...awsModules]
      .sort()
      .map((module) => `export * from ${JSON.stringify(module)};`)
      .join('\n');
    const second = await build({
      ...common(root),
      stdin: { contents, resolveDir: root, loader: 'ts' },
      outfile: path.join(folder, 'aws.cjs'),
      plugins: [withoutUnreachedModules()],
    });
    files.push(describe(folder, 'aws.cjs', second.metafile));
  }
  moveMaps(root, name);
  return files;
}

const common = (root: string) =>
  ({
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    minify: true,
    mainFields: ['module', 'main'],
    conditions: ['module', 'import'],
    sourcemap: 'external',
    legalComments: 'none',
    logLevel: 'silent',
    metafile: true,
  }) as const satisfies BuildOptions;

/** Source maps help to read a stack trace offline; in the zip they would only cost cold starts. */
function moveMaps(root: string, name: string): void {
  const from = path.join(root, 'dist', name);
  const to = path.join(root, 'dist', 'maps', name);
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from))
    if (file.endsWith('.map')) renameSync(path.join(from, file), path.join(to, file));
}

const kubernetesClients = (root: string): readonly string[] => {
  const folder = path.join(root, 'lib', 'clients');
  return readdirSync(folder).flatMap((file) =>
    file.startsWith('kubernetes-') ? [readFileSync(path.join(folder, file), 'utf8')] : [],
  );
};

function describe(folder: string, name: string, { outputs }: Metafile): BundleFile {
  const output = Object.entries(outputs).find(([file]) => file.endsWith(`/${name}`))?.[1];
  const inputs = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const packages = new Set(inputs.flatMap(([file]) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []));
  const content = readFileSync(path.join(folder, name));
  return {
    name,
    bytes: content.byteLength,
    deflatedBytes: deflateRawSync(content, { level: 9 }).byteLength,
    packages: [...packages].sort(),
  };
}
