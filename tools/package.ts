// `npm run package`: what a release is made of, into dist/package/: a zip for each function, a list of the
// packages in them (CycloneDX), and the checksums of all. The same source gives the same bytes, on any machine: entries are
// sorted and have a fixed time, and the zip is deflated in JavaScript, since zlib's output depends on the processor.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Zippable, zipSync } from 'fflate';
import { buildFunctions, overBudget } from './build.ts';
import type { BundleFile } from './bundle/bundle-function.ts';
import { writeSbom } from './bundle/sbom.ts';

/** A file of a release. */
export interface PackagedFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** In hex. */
  readonly sha256: string;
}

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Packs the functions. @param built what `buildFunctions` has written into dist/. @returns the files, SHA256SUMS last. */
export function packageFunctions(built: ReadonlyMap<string, readonly BundleFile[]>): readonly PackagedFile[] {
  const { name: product, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const functions = [...built].toSorted(([one], [other]) => (one < other ? -1 : 1));
  const zips = functions.map(([name, files]) => {
    const zip = packaged(`${name}-${version}.zip`, zipOf(path.join(root, 'dist', name), files));
    return { name, files, zip, sha256: zip.sha256 };
  });
  const sbom = packaged(`${product}-${version}.cdx.json`, Buffer.from(writeSbom(root, zips)));
  const files = [...zips.map(({ zip }) => zip), sbom];
  const sums = files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('');
  return [...files, packaged('SHA256SUMS', Buffer.from(sums))];
}

const UNIX = 3;
/** Lambda's own user reads the files. */
const MODE = 0o644;

function zipOf(folder: string, files: readonly BundleFile[]): Uint8Array {
  // The first day that a zip can hold, in the zone of this machine: a zip knows no zones.
  const mtime = new Date(1980, 0, 1, 12);
  const entries: Zippable = {};
  for (const name of files.map((file) => file.name).sort()) {
    const options = { level: 9, mtime, os: UNIX, attrs: MODE << 16 } as const;
    entries[name] = [readFileSync(path.join(folder, name)), options];
  }
  return zipSync(entries);
}

function packaged(name: string, content: Uint8Array): PackagedFile {
  return { name, content, sha256: createHash('sha256').update(content).digest('hex') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildFunctions();
  const faults = overBudget(built);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
  else writeFiles(packageFunctions(built));
}

/** Writes them into dist/package, where nothing of an older version stays. */
function writeFiles(files: readonly PackagedFile[]): void {
  const folder = path.join(root, 'dist', 'package');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, content } of files) {
    writeFileSync(path.join(folder, name), content);
    console.log(`dist/package/${name}`.padEnd(48), `${content.length} bytes`.padStart(14));
  }
}
