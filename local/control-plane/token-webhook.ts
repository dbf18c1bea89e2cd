/**
 * Tells kube-apiserver whose a bearer token is, as the authenticator of an EKS cluster does: a TokenReview over HTTPS, on
 * 127.0.0.1.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication
 */

import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { makeCertificates } from '../cluster/certificates.ts';
import type { Json } from '../json.ts';
import { textAt } from '../json.ts';
import { listen } from '../lambda/listen.ts';

/** Who somebody is to the cluster. */
export interface ClusterUser {
  readonly username: string;
  readonly groups: readonly string[];
}

/** The user behind a bearer token; undefined for one that nobody knows. */
export type Authenticate = (token: string) => Promise<ClusterUser | undefined>;

/** A running webhook. */
export interface TokenWebhook {
  readonly url: string;
  readonly caPem: string;
  close(): Promise<void>;
}

/** Starts the webhook on a free port. */
export async function startTokenWebhook(authenticate: Authenticate): Promise<TokenWebhook> {
  const { caPem, certificatePem, keyPem } = await makeCertificates();
  const server = createServer({ cert: certificatePem, key: keyPem }, async (request, response) => {
    const review: Json = JSON.parse(await text(request));
    const user = await authenticate(textAt(review, 'spec', 'token') ?? '').catch(() => undefined);
    const status = user === undefined ? { authenticated: false } : { authenticated: true, user };
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status }));
  });
  const port = await listen(server, 0);
  return {
    url: `https://127.0.0.1:${port}/`,
    caPem,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
