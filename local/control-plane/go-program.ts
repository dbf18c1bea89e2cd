/** Programs that are built from published Go modules, once for each machine. */

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withBuildLock } from './build-lock.ts';

/** A program of this repository. */
export interface GoProgram {
  /** Of the file, and of its folder in the cache. */
  readonly name: string;
  /** What it is, for the report: `a Kubernetes control plane`. */
  readonly title: string;
  /** The folder of its module, from the root of the repository. */
  readonly module: string;
  /** What a build from nothing compiles, and how long that takes. */
  readonly packageCount: number;
  readonly duration: string;
}

/** In a folder that git ignores. Go's own build cache, in the user's home, makes a second build a matter of seconds. */
const cacheFolder = fileURLToPath(new URL('../../.cache/', import.meta.url));
const repository = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The flags are part of the key of Go's build cache: change one, and every machine compiles all packages again. Without
 * optimization that takes two thirds of the time. Programs with the same flags share what they both need.
 */
const buildFlags: readonly string[] = [
  '-buildvcs=false',
  '-gcflags=all=-N -l -dwarf=false',
  '-ldflags=-s -w ' +
    '-X k8s.io/component-base/version.gitVersion=v1.37.2 ' +
    '-X k8s.io/component-base/version.gitMajor=1 ' +
    '-X k8s.io/component-base/version.gitMinor=37',
];

/** One compiler takes this much at most. */
const bytesPerCompiler = 1.5 * 1024 ** 3;

const reportEveryMs = 10_000;

/**
 * Finds a program, and builds it if it is not there yet, with a line of progress every ten seconds. Gives its file, or
 * undefined where it would have to be built and there is no Go.
 *
 * @throws Error with the end of the compiler's output.
 */
export async function buildGoProgram(
  program: GoProgram,
  report: (line: string) => void = toStderr,
): Promise<string | undefined> {
  const folder = path.join(cacheFolder, program.name, hashOf(program));
  const file = path.join(folder, program.name);
  if (existsSync(file)) return file;
  if (!(await hasGo(program))) return undefined;
  await mkdir(folder, { recursive: true });
  await withBuildLock(path.join(folder, 'lock'), report, async () => {
    if (!existsSync(file)) await build(program, file, report);
  });
  return file;
}

function hashOf({ module }: GoProgram): string {
  const hash = createHash('sha256').update(JSON.stringify([process.platform, process.arch, buildFlags]));
  for (const name of readdirSync(path.join(repository, module)).sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(path.join(repository, module, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** An older Go (1.21 or newer) fetches the one that go.mod asks for by itself. */
async function hasGo({ module }: GoProgram): Promise<boolean> {
  try {
    await promisify(execFile)('go', ['env', 'GOVERSION'], { cwd: path.join(repository, module), env: goEnvironment() });
    return true;
  } catch {
    return false;
  }
}

function goEnvironment(): NodeJS.ProcessEnv {
  // Compilers that collect less garbage are a third faster; GOWORK and GOTOOLCHAIN may be set otherwise by the user.
  return { ...process.env, GOGC: '800', GOWORK: 'off', GOTOOLCHAIN: 'auto' };
}

async function build(program: GoProgram, file: string, report: (line: string) => void): Promise<void> {
  const { title, module, packageCount, duration } = program;
  const startedAtMs = Date.now();
  const temporary = `${file}.${process.pid}`;
  const compilers = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerCompiler)));
  const go = spawn('go', ['build', '-v', '-p', String(compilers), ...buildFlags, '-o', temporary, '.'], {
    cwd: path.join(repository, module),
    env: goEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => go.once('error', reject).once('close', resolve));
  const seen = { modules: 0, packages: 0, lastLines: [''] };
  createInterface({ input: go.stderr }).on('line', (line) => {
    if (line.startsWith('go: downloading')) seen.modules += 1;
    else seen.packages += 1;
    seen.lastLines = [...seen.lastLines.slice(-20), line];
  });
  const tell = (): void => {
    const minutes = Math.floor((Date.now() - startedAtMs) / 60_000);
    const seconds = Math.floor((Date.now() - startedAtMs) / 1000) % 60;
    const done =
      seen.packages === 0 ? `${seen.modules} modules fetched` : `${seen.packages} of about ${packageCount} packages`;
    report(`Building ${title} (once, ${duration} on two cores): ${done}, ${minutes} min ${seconds} s`);
  };
  tell();
  const ticker = setInterval(tell, reportEveryMs);
  try {
    if ((await ended) !== 0) throw new Error(`${program.name} cannot be built:\n${seen.lastLines.join('\n')}`);
  } finally {
    clearInterval(ticker);
  }
  await rename(temporary, file);
  tell();
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
