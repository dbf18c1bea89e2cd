/**
 * The programs of a real Kubernetes control plane: one binary, built once from published Go modules
 * (test/cluster/control-plane), or the ones of an installed envtest, whose folder KUBEBUILDER_ASSETS names.
 *
 * @see https://book.kubebuilder.io/reference/envtest.html
 */

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

/** What there is to run. */
export type ControlPlanePrograms =
  /** etcd, kube-apiserver and the controllers in one. */
  | { readonly kind: 'module'; readonly binary: string }
  /** kube-apiserver and etcd as released; `controllers` only where somebody has put them into the folder. */
  | { readonly kind: 'assets'; readonly etcd: string; readonly apiServer: string; readonly controllers?: string };

const moduleFolder = fileURLToPath(new URL('../../test/cluster/control-plane/', import.meta.url));
/** In a folder that git ignores. Go's own build cache, in the user's home, makes a second build a matter of seconds. */
const cacheFolder = fileURLToPath(new URL('../../.cache/control-plane/', import.meta.url));

/**
 * The flags are part of the key of Go's build cache: change one, and every machine compiles 2,525 packages again. Without
 * optimization that takes two thirds of the time.
 */
const buildFlags: readonly string[] = [
  '-buildvcs=false',
  '-gcflags=all=-N -l -dwarf=false',
  '-ldflags=-s -w ' +
    '-X k8s.io/component-base/version.gitVersion=v1.37.2 ' +
    '-X k8s.io/component-base/version.gitMajor=1 ' +
    '-X k8s.io/component-base/version.gitMinor=37',
];

/** What a build from nothing compiles. */
const packageCount = 2525;

/** One compiler takes this much at most. */
const bytesPerCompiler = 1.5 * 1024 ** 3;

const reportEveryMs = 10_000;

const needsGo = `This needs Go 1.26 or newer, once, to build a Kubernetes control plane (https://go.dev/dl), or
KUBEBUILDER_ASSETS naming a folder with kube-apiserver and etcd ("setup-envtest use -p path" prints one).`;

/**
 * Finds the programs, and builds them if they are not there yet: 5 to 10 minutes on two cores, with a line of progress every
 * ten seconds.
 *
 * @throws Error with what has to be installed, or with the end of the compiler's output.
 */
export async function buildControlPlane(report: (line: string) => void = toStderr): Promise<ControlPlanePrograms> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets !== undefined && assets !== '') return findAssets(assets);
  const folder = path.join(cacheFolder, hashOfModule());
  const binary = path.join(folder, 'control-plane');
  if (!existsSync(binary)) {
    await requireGo();
    await mkdir(folder, { recursive: true });
    await withBuildLock(path.join(folder, 'lock'), report, async () => {
      if (!existsSync(binary)) await build(binary, report);
    });
  }
  return { kind: 'module', binary };
}

function findAssets(folder: string): ControlPlanePrograms {
  const [etcd, apiServer, controllers] = ['etcd', 'kube-apiserver', 'kube-controller-manager'].map((name) => {
    const file = path.resolve(folder, name);
    return existsSync(file) ? file : undefined;
  });
  if (etcd === undefined || apiServer === undefined) {
    throw new Error(`KUBEBUILDER_ASSETS (${folder}) has no etcd and kube-apiserver in it.`);
  }
  return { kind: 'assets', etcd, apiServer, ...(controllers === undefined ? {} : { controllers }) };
}

function hashOfModule(): string {
  const hash = createHash('sha256').update(JSON.stringify([process.platform, process.arch, buildFlags]));
  for (const name of readdirSync(moduleFolder).sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(path.join(moduleFolder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** An older Go (1.21 or newer) fetches the one that go.mod asks for by itself. */
async function requireGo(): Promise<void> {
  try {
    await promisify(execFile)('go', ['env', 'GOVERSION'], { cwd: moduleFolder, env: goEnvironment() });
  } catch {
    throw new Error(needsGo);
  }
}

function goEnvironment(): NodeJS.ProcessEnv {
  // Compilers that collect less garbage are a third faster; GOWORK and GOTOOLCHAIN may be set otherwise by the user.
  return { ...process.env, GOGC: '800', GOWORK: 'off', GOTOOLCHAIN: 'auto' };
}

async function build(binary: string, report: (line: string) => void): Promise<void> {
  const startedAtMs = Date.now();
  const temporary = `${binary}.${process.pid}`;
  const compilers = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerCompiler)));
  const go = spawn('go', ['build', '-v', '-p', String(compilers), ...buildFlags, '-o', temporary, '.'], {
    cwd: moduleFolder,
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
    report(
      `Building a Kubernetes control plane (once, 5 to 10 min on two cores): ${done}, ${minutes} min ${seconds} s`,
    );
  };
  tell();
  const ticker = setInterval(tell, reportEveryMs);
  try {
    if ((await ended) !== 0) throw new Error(`The control plane cannot be built:\n${seen.lastLines.join('\n')}`);
  } finally {
    clearInterval(ticker);
  }
  await rename(temporary, binary);
  tell();
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
