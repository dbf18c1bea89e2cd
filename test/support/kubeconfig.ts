// A kubeconfig of a test, where the process under test looks for it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { JsonObject } from '../../local/json.ts';

/** A kubeconfig with one context. */
export interface TestContext {
  readonly name: string;
  readonly server: string;
  readonly caPem: string;
  readonly user: JsonObject;
}

/** Points KUBECONFIG to a file of this test file's own; the answer writes it. */
export function useKubeconfig(): { readonly folder: string; write(...contexts: readonly TestContext[]): void } {
  const before = process.env['KUBECONFIG'];
  const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  const file = join(folder, 'config');
  process.env['KUBECONFIG'] = file;
  afterAll(() => {
    if (before === undefined) delete process.env['KUBECONFIG'];
    else process.env['KUBECONFIG'] = before;
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    write(...contexts) {
      const text = JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: contexts.map(({ name, server, caPem }) => ({
          name,
          cluster: { server, 'certificate-authority-data': base64(caPem) },
        })),
        users: contexts.map(({ name, user }) => ({ name, user })),
        contexts: contexts.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
      });
      writeFileSync(file, text);
    },
  };
}

/** How a kubeconfig holds certificates and keys. */
export const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
