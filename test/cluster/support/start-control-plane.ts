// One control plane for all test files. It costs each of them seconds less than one of their own.
import type { TestProject } from 'vitest/node';
import { buildControlPlane } from '../../../local/control-plane/build.ts';
import { type ControlPlane, startControlPlane } from '../../../local/control-plane/control-plane.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly controlPlane: Pick<ControlPlane, 'url' | 'caPem' | 'tokens' | 'hasControllers'>;
  }
}

/** Called by vitest before the first test file; the answer ends it after the last one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const controlPlane = await startControlPlane({ programs: await buildControlPlane() });
  // A server that has just been installed has forgotten nothing; after a restart, a watch from its first days is too old.
  await controlPlane.restart();
  const { url, caPem, tokens, hasControllers, stop } = controlPlane;
  project.provide('controlPlane', { url, caPem, tokens, hasControllers });
  return stop;
}
