import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { withBuildLock } from '../../local/control-plane/build-lock.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'programs-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe('the programs of KUBEBUILDER_ASSETS', () => {
  const file = (name: string): string => join(folder, name);

  test('are taken from there', async () => {
    vi.stubEnv('KUBEBUILDER_ASSETS', folder);
    for (const name of ['etcd', 'kube-apiserver']) await writeFile(file(name), '');
    const programs = { kind: 'assets', etcd: file('etcd'), apiServer: file('kube-apiserver') };
    expect(await buildControlPlane()).toEqual(programs);
    await writeFile(file('kube-controller-manager'), '');
    expect(await buildControlPlane()).toEqual({ ...programs, controllers: file('kube-controller-manager') });
  });

  test('that are not there are named', async () => {
    vi.stubEnv('KUBEBUILDER_ASSETS', folder);
    await expect(buildControlPlane()).rejects.toThrow(`KUBEBUILDER_ASSETS (${folder}) has no etcd and kube-apiserver`);
  });
});

describe('the lock of a build', () => {
  test('lets one build at a time work, and is gone afterwards', async () => {
    const lock = join(folder, 'lock');
    const order: string[] = [];
    const told: string[] = [];
    const secondWaits = Promise.withResolvers<void>();
    const first = withBuildLock(
      lock,
      () => undefined,
      async () => {
        order.push('first begins');
        await secondWaits.promise;
        order.push('first ends');
      },
    );
    await expect.poll(() => existsSync(lock)).toBe(true);
    const owner = await readFile(lock, 'utf8');
    await withBuildLock(
      lock,
      (line) => {
        told.push(line);
        secondWaits.resolve();
      },
      async () => void order.push('second'),
    );
    await first;
    expect(order).toEqual(['first begins', 'first ends', 'second']);
    expect(told).toEqual([`Waiting for the build of process ${owner}`]);
    expect(existsSync(lock)).toBe(false);
  });

  test('of a process that has died is taken over', async () => {
    const lock = join(folder, 'lock');
    // Above the largest process id that Linux gives.
    await writeFile(lock, '4194305');
    let built = false;
    await withBuildLock(
      lock,
      () => undefined,
      async () => {
        built = true;
      },
    );
    expect(built).toBe(true);
  });

  test('is given back by a build that fails', async () => {
    const lock = join(folder, 'lock');
    const failing = withBuildLock(
      lock,
      () => undefined,
      () => Promise.reject(new Error('does not compile')),
    );
    await expect(failing).rejects.toThrow('does not compile');
    expect(existsSync(lock)).toBe(false);
  });
});
