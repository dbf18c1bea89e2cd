// One control plane for all test files. It costs each of them seconds less than one of their own.
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildControlPlane } from '../../../local/control-plane/build.ts';
import { type ControlPlane, startControlPlane } from '../../../local/control-plane/control-plane.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly controlPlane: Pick<ControlPlane, 'url' | 'caPem' | 'tokens' | 'hasControllers'> & {
      /** The file of its audit log. */
      readonly auditLog: string;
    };
  }
}

const AUDIT_LOG = 'audit.log';

/** Called by vitest before the first test file; the answer ends it after the last one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const controlPlane = await startControlPlane({ programs: await buildControlPlane(), auditLog: AUDIT_LOG });
  // A server that has just been installed has forgotten nothing; after a restart, a watch from its first days is too old.
  await controlPlane.restart();
  const { url, caPem, tokens, hasControllers, dir, stop } = controlPlane;
  project.provide('controlPlane', { url, caPem, tokens, hasControllers, auditLog: join(dir, AUDIT_LOG) });
  return stop;
}
