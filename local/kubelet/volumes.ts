/**
 * Writes volumes the way a kubelet does: the files in a folder named for the time, `..data` a link to it, and each file a link
 * through `..data`, so that what reads them here (Spring's configtree, for one) meets the same layout as in a cluster.
 *
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
 */

import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes the files of one volume into a folder, which is made. */
export async function writeVolume(folder: string, files: ReadonlyMap<string, Buffer>, nowMs: number): Promise<void> {
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replace('T', '-').replaceAll(/[-:]/g, '_');
  const versioned = `..${stamp}.${String(process.hrtime.bigint() % 1_000_000_000n).padStart(9, '0')}`;
  await mkdir(join(folder, versioned), { recursive: true });
  for (const [path, content] of files) {
    const file = join(folder, versioned, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { mode: 0o644 });
  }
  await symlink(versioned, join(folder, '..data'));
  const visible = new Set([...files.keys()].map((path) => path.split('/')[0] ?? path));
  for (const name of visible) await symlink(join('..data', name), join(folder, name));
}
