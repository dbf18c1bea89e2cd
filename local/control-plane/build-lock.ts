/** A lock against two builds of the same thing at the same time. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const lookAgainMs = 1000;

/** Runs `work` while no other process does the same. A lock whose process has died is taken over. */
export async function withBuildLock(
  file: string,
  report: (line: string) => void,
  work: () => Promise<void>,
): Promise<void> {
  let told = false;
  while (!(await take(file))) {
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    if (owner > 0 && !isAlive(owner)) await rm(file, { force: true });
    else {
      if (!told) report(`Waiting for the build of process ${owner}`);
      told = true;
      await pause(lookAgainMs);
    }
  }
  try {
    await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
