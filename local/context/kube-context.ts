// A context of the user's kubeconfig: where its cluster is, and how to sign in there. The sign-in is the client library's:
// token, client certificate, exec plug-in, OIDC, and proxies on the way.
import { existsSync } from 'node:fs';
import type { OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { StartRefusal } from '../start/refusal.ts';

/** Options of one request: the agent with its certificates, and the headers that sign in. */
export type SignedOptions = RequestOptions & { readonly headers: OutgoingHttpHeaders };

/** A context that exists. */
export interface KubeContext {
  readonly name: string;
  /** URL of the API server; it may have a path. */
  readonly server: URL;
  /** @throws Error when the credentials cannot be got, for one because their plug-in fails. */
  signIn(): Promise<SignedOptions>;
  /** Reads the kubeconfig anew, and so forgets credentials that the cluster has refused. */
  forget(): void;
}

/**
 * Finds the context.
 *
 * @throws StartRefusal when there is no kubeconfig, or no such context in it.
 * @see https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
 */
export function loadKubeContext(name: string): KubeContext {
  let config = readConfig(name);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server)) {
    throw new StartRefusal(`Context ${name} names a cluster that the kubeconfig does not have.`, 2);
  }
  let knownCertificate: string | undefined;
  const apply = async (): Promise<SignedOptions> => {
    const options: SignedOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    return options;
  };
  const forget = (): void => {
    try {
      config = readConfig(name);
    } catch {
      // Somebody writes the file just now, or has taken the context away: what is known is tried on.
    }
  };
  return {
    name,
    server: new URL(server),
    async signIn() {
      const options = await apply();
      const certificate = options.cert === undefined ? undefined : String(options.cert);
      const isNew = knownCertificate !== undefined && certificate !== knownCertificate;
      knownCertificate = certificate;
      if (!isNew) return options;
      // The library's agent goes on with the certificate that it was made with.
      forget();
      return apply();
    },
    forget,
  };
}

function readConfig(name: string): KubeConfig {
  const files = process.env['KUBECONFIG'] ?? '';
  if (files === '' && !existsSync(path.join(homedir(), '.kube', 'config'))) {
    throw new StartRefusal(
      '--kube-context: there is no kubeconfig. Set KUBECONFIG to its file, or put it into ~/.kube/config.',
      2,
    );
  }
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StartRefusal(`--kube-context: the kubeconfig cannot be read: ${why}`, 2);
  }
  const names = config.getContexts().map((context) => context.name);
  if (!names.includes(name)) {
    const known = names.length === 0 ? 'It has no contexts.' : `It has: ${names.join(', ')}.`;
    throw new StartRefusal(`--kube-context: the kubeconfig has no context ${name}. ${known}`, 2);
  }
  config.setCurrentContext(name);
  return config;
}
