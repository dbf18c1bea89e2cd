/** The files that a control plane reads at its start: certificates, keys, tokens, kubeconfigs and the audit policy. */

import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates } from '../cluster/certificates.ts';
import { auditPolicy } from './audit-policy.ts';
import { makeTokens, type Tokens, tokenFile } from './identities.ts';
import type { TokenWebhook } from './token-webhook.ts';

/** A prepared folder. */
export interface StateFolder {
  readonly dir: string;
  readonly url: string;
  readonly caPem: string;
  readonly tokens: Tokens;
}

/** Paths in the folder. */
export const files = {
  certificate: 'apiserver.crt',
  key: 'apiserver.key',
  serviceAccounts: 'service-accounts.key',
  tokens: 'tokens.csv',
  auditPolicy: 'audit-policy.json',
  ca: 'ca.crt',
  admin: 'admin.kubeconfig',
  controllers: 'controllers.kubeconfig',
  webhook: 'webhook.kubeconfig',
  log: 'control-plane.log',
} as const;

/** Makes a folder for an API server at this port of 127.0.0.1. */
export async function makeStateFolder(port: number): Promise<StateFolder> {
  // Sockets live in it, and their paths may have 107 bytes: the name is short.
  const dir = await mkdtemp(join(tmpdir(), 'kube-'));
  const url = `https://127.0.0.1:${port}`;
  const { caPem, certificatePem, keyPem } = await makeCertificates();
  const tokens = makeTokens();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const contents: Readonly<Record<keyof Omit<typeof files, 'webhook' | 'log'>, string>> = {
    certificate: certificatePem,
    key: keyPem,
    // Of this encoding, unlike of PKCS #8, the API server reads the public key as well.
    serviceAccounts: String(privateKey.export({ type: 'sec1', format: 'pem' })),
    tokens: tokenFile(tokens),
    auditPolicy: JSON.stringify(auditPolicy),
    ca: caPem,
    admin: kubeconfig(url, caPem, tokens.admin),
    controllers: kubeconfig(url, caPem, tokens.controllers),
  };
  for (const [name, content] of Object.entries(contents)) {
    const file = Object.entries(files).find(([key]) => key === name)?.[1] ?? name;
    await writeFile(join(dir, file), content, { mode: 0o600 });
  }
  return { dir, url, caPem, tokens };
}

/** Tells the API server where the token webhook is, in the form of a kubeconfig. */
export async function writeWebhookConfig({ dir }: StateFolder, webhook: TokenWebhook): Promise<void> {
  await writeFile(join(dir, files.webhook), kubeconfig(webhook.url, webhook.caPem), { mode: 0o600 });
}

function kubeconfig(server: string, caPem: string, token?: string): string {
  const name = 'local';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [
      { name, cluster: { server, 'certificate-authority-data': Buffer.from(caPem, 'utf8').toString('base64') } },
    ],
    users: [{ name, user: token === undefined ? {} : { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  });
}
