// `npm run build`: all functions into dist/, with their sizes. It fails when a bundle is over its budget, because every
// kilobyte is parsed at every cold start: the budget itself, and what was reached once and 5 % more. It fails, too, when a
// bundle is 5 % smaller, so that what was reached is what counts. Who means it takes the new sizes down with
//   node tools/build.ts --record
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
const RECORD = path.join(root, 'tools', 'bundle', 'sizes.json');
/** How much a bundle may grow before somebody has to mean it. */
const LEEWAY = 1.05;

/** Deflated sizes of each index.cjs as they were recorded, in bytes. */
export function recordedSizes(): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(RECORD, 'utf8'));
}

/** Builds every function. @returns the files of each, by the function's name. */
export async function buildFunctions(): Promise<ReadonlyMap<string, readonly BundleFile[]>> {
  const names = readdirSync(path.join(root, 'functions')).map((file) => path.basename(file, '.ts'));
  const built = names.map(async (name) => [name, await bundleFunction(root, name)] as const);
  return new Map(await Promise.all(built));
}

/**
 * The bundles that are larger than their budget, or than what was reached before, as sentences.
 *
 * @param recorded what was reached before; default is what was recorded.
 */
export function overBudget(
  built: ReadonlyMap<string, readonly BundleFile[]>,
  recorded: Readonly<Record<string, number>> = recordedSizes(),
): readonly string[] {
  return [...built].flatMap(([name, files]) => {
    const budget = BUDGET_BYTES[name];
    const reached = recorded[name];
    if (budget === undefined) return [`functions/${name}.ts has no budget in tools/build.ts`];
    if (reached === undefined) return [`functions/${name}.ts has no size in tools/bundle/sizes.json`];
    const size = deflatedSize(files);
    if (size > budget) return [`dist/${name}/index.cjs is ${size} bytes deflated; its budget is ${budget}`];
    if (size < reached / LEEWAY) {
      return [`dist/${name}/index.cjs is ${size} bytes deflated, and was ${reached}: take the new size down`];
    }
    return size > reached * LEEWAY
      ? [`dist/${name}/index.cjs is ${size} bytes deflated, and was ${reached}; see tools/build.ts if that is meant`]
      : [];
  });
}

const deflatedSize = (files: readonly BundleFile[]): number =>
  files.find(({ name }) => name === 'index.cjs')?.deflatedBytes ?? 0;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildFunctions();
  if (process.argv.includes('--record')) {
    const sizes = Object.fromEntries([...built].map(([name, files]) => [name, deflatedSize(files)]));
    writeFileSync(RECORD, `${JSON.stringify(sizes, undefined, 2)}\n`);
  }
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
