// `npm run build`: all functions into dist/, with their sizes. It fails when a bundle is over its budget, because every
// kilobyte is parsed at every cold start.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BundleFile, bundleFunction } from './bundle/bundle-function.ts';

/** Largest deflated size of each index.cjs, in bytes; the SQS client is in intake's. */
export const BUDGET_BYTES: Readonly<Record<string, number>> = {
  intake: 72 * 1024,
  dispatch: 48 * 1024,
  'job-status': 48 * 1024,
  reconcile: 48 * 1024,
};

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Builds every function. @returns the files of each, by the function's name. */
export async function buildFunctions(): Promise<ReadonlyMap<string, readonly BundleFile[]>> {
  const names = readdirSync(path.join(root, 'functions')).map((file) => path.basename(file, '.ts'));
  const built = names.map(async (name) => [name, await bundleFunction(root, name)] as const);
  return new Map(await Promise.all(built));
}

/** The bundles that are larger than their budget, as sentences. */
export function overBudget(built: ReadonlyMap<string, readonly BundleFile[]>): readonly string[] {
  return [...built].flatMap(([name, files]) => {
    const budget = BUDGET_BYTES[name];
    if (budget === undefined) return [`functions/${name}.ts has no budget in tools/build.ts`];
    const size = files.find((file) => file.name === 'index.cjs')?.deflatedBytes ?? 0;
    return size > budget ? [`dist/${name}/index.cjs is ${size} bytes deflated; its budget is ${budget}`] : [];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildFunctions();
  for (const [name, files] of built) {
    for (const file of files) {
      const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`.padStart(9);
      console.log(
        `dist/${name}/${file.name}`.padEnd(28),
        kilobytes(file.bytes),
        'deflated',
        kilobytes(file.deflatedBytes),
      );
    }
  }
  const faults = overBudget(built);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
