// Bundles one function: dist/<name>/index.cjs, and aws.cjs beside it when it needs a second file. CommonJS, because
// Node's ESM facade of node:http loads undici (27 ms and 12 MB of every cold start).
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { type BuildOptions, type BuildResult, build } from 'esbuild';
import { awsInSecondFile, trimSigner, withoutUnreachedModules } from './aws-sdk.ts';
import { type CompressedFile, compress } from './compress.ts';
import { withoutPageTexts } from './page-texts.ts';
import { trimPowertoolsLogger } from './powertools-logger.ts';

/** One file of a bundle. */
export interface BundleFile {
  /** `index.cjs` or `aws.cjs`. */
  readonly name: string;
  readonly bytes: number;
  /** Size as in the zip that Lambda loads. */
  readonly deflatedBytes: number;
  /** npm packages in it. */
  readonly packages: readonly string[];
  /** Where these are, from the project's root: one package may be there in several versions. */
  readonly packageFolders: readonly string[];
}

/** Bundles functions/<name>.ts into dist/<name>/. @throws Error with esbuild's messages. */
export async function bundleFunction(root: string, name: string): Promise<readonly BundleFile[]> {
  const folder = path.join(root, 'dist', name);
  const awsModules = new Set<string>();
  const door = readFileSync(path.join(root, 'functions', `${name}.ts`), 'utf8');
  const hasClients = /from '.*\/aws\//.test(door);
  const main = await build({
    ...common(root),
    entryPoints: [path.join(root, 'functions', `${name}.ts`)],
    outfile: path.join(folder, 'index.cjs'),
    plugins: [
      awsInSecondFile(awsModules),
      withoutUnreachedModules({ hasClients, isMain: true }),
      trimPowertoolsLogger(root),
      ...(hasClients ? [] : [trimSigner(root)]),
      withoutPageTexts(),
    ],
  });
  // The second file is read by few invocations, and takes longer to compress than all the rest of the build.
  const files = [
    keep(
      { root, name, file: 'index.cjs' },
      main,
      await compress(main.outputFiles, path.join(root, '.cache', 'bundles')),
    ),
  ];
  if (awsModules.size > 0) {
    const contents = [...awsModules]
      .sort()
      .map((module) => `export * from ${JSON.stringify(module)};`)
      .join('\n');
    const second = await build({
      ...common(root),
      stdin: { contents, resolveDir: root, loader: 'ts' },
      outfile: path.join(folder, 'aws.cjs'),
      plugins: [withoutUnreachedModules({ hasClients: true, isMain: false })],
    });
    files.push(keep({ root, name, file: 'aws.cjs' }, second, second.outputFiles));
  }
  for (const file of readdirSync(folder)) {
    if (!files.some((built) => built.name === file)) rmSync(path.join(folder, file), { force: true });
  }
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
    supported: {
      // `import()` becomes `require`: for the second file the ESM loader would cost more than the file itself, and for
      // Node's own http, which the SDK imports when it sends something, it would load undici.
      'dynamic-import': false,
      // esbuild would make a call of such an expression, and keep it where nobody uses it: valibot has one of all emoji.
      'regexp-unicode-property-escapes': true,
    },
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'silent',
    metafile: true,
    write: false,
  }) as const satisfies BuildOptions;

/**
 * Writes a bundle, and its source map outside of what goes into the zip: a map helps to read a stack trace offline, and
 * would only cost cold starts. Each file appears whole: another process may be running the one before it.
 */
function keep(
  { root, name, file }: { readonly root: string; readonly name: string; readonly file: string },
  built: BuildResult<ReturnType<typeof common>>,
  outputs: readonly CompressedFile[],
): BundleFile {
  for (const output of outputs) {
    const isMap = output.path.endsWith('.map');
    const folder = path.join(root, 'dist', ...(isMap ? ['maps'] : []), name);
    mkdirSync(folder, { recursive: true });
    const target = path.join(folder, path.basename(output.path));
    const unfinished = path.join(root, 'dist', `.${name}-${path.basename(output.path)}-${process.pid}`);
    writeFileSync(unfinished, output.contents);
    renameSync(unfinished, target);
  }
  const content = outputs.find((output) => output.path.endsWith(`/${file}`))?.contents ?? new Uint8Array();
  const inputs = Object.values(built.metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const folders = inputs.flatMap(([input, { bytesInOutput }]) =>
    bytesInOutput > 0 ? (/^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input) ?? []) : [],
  );
  const packages = folders.map((folder) => folder.replace(/^.*node_modules\//, ''));
  return {
    name: file,
    bytes: content.byteLength,
    deflatedBytes: deflateRawSync(content, { level: 9 }).byteLength,
    packages: [...new Set(packages)].sort(),
    packageFolders: [...new Set(folders)].sort(),
  };
}
