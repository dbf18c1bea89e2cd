/** The command lines of the control plane's parts. Only flags whose default does not do. */

import { join } from 'node:path';
import { files, type StateFolder } from './state-folder.ts';

/** kube-apiserver, but for the address of etcd. */
export function apiServerFlags({ dir, url }: StateFolder, auditLog?: string): readonly string[] {
  const at = (file: keyof typeof files): string => join(dir, files[file]);
  return [
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${new URL(url).port}`,
    `--tls-cert-file=${at('certificate')}`,
    `--tls-private-key-file=${at('key')}`,
    `--token-auth-file=${at('tokens')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${at('serviceAccounts')}`,
    `--service-account-signing-key-file=${at('serviceAccounts')}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    // Nobody reaches the API server through a Service here.
    '--endpoint-reconciler-type=none',
    ...(auditLog === undefined ? [] : [`--audit-policy-file=${at('auditPolicy')}`, `--audit-log-path=${auditLog}`]),
  ];
}

/** kube-apiserver asks the token webhook about tokens that it does not know. It caches the answers, as on EKS. */
export function webhookFlags({ dir }: StateFolder): readonly string[] {
  return [
    `--authentication-token-webhook-config-file=${join(dir, files.webhook)}`,
    '--authentication-token-webhook-version=v1',
  ];
}

/** What a Job's life needs, and a namespace's. */
const controllers = [
  'job-controller',
  'ttl-after-finished-controller',
  'garbage-collector-controller',
  'pod-garbage-collector-controller',
  'namespace-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'root-ca-certificate-publisher-controller',
  'resourcequota-controller',
];

/** kube-controller-manager, but for its kubeconfig. */
export function controllerFlags({ dir }: StateFolder): readonly string[] {
  return [
    `--controllers=${controllers.join(',')}`,
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${join(dir, files.serviceAccounts)}`,
    `--root-ca-file=${join(dir, files.ca)}`,
    '--leader-elect=false',
    '--secure-port=0',
    '--controller-start-interval=0s',
    // At the default of 20 requests a second, 40 Jobs at once would wait for each other.
    '--kube-api-qps=1000',
    '--kube-api-burst=2000',
  ];
}

/** etcd, alone, on sockets in the state folder. */
export function etcdFlags({ dir }: StateFolder): readonly string[] {
  const peers = `unix://${join(dir, 'peer.sock')}`;
  return [
    `--data-dir=${join(dir, 'etcd')}`,
    `--listen-client-urls=${etcdAddress(dir)}`,
    `--advertise-client-urls=${etcdAddress(dir)}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=default=${peers}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ];
}

/** Where {@link etcdFlags} listens. */
export function etcdAddress(dir: string): string {
  return `unix://${join(dir, 'etcd.sock')}`;
}
