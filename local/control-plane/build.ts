/**
 * The programs of a real Kubernetes control plane: one binary, built once from published Go modules
 * (test/cluster/control-plane), or the ones of an installed envtest, whose folder KUBEBUILDER_ASSETS names.
 *
 * @see https://book.kubebuilder.io/reference/envtest.html
 */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { buildGoProgram } from './go-program.ts';

/** What there is to run. */
export type ControlPlanePrograms =
  /** etcd, kube-apiserver and the controllers in one. */
  | { readonly kind: 'module'; readonly binary: string }
  /** kube-apiserver and etcd as released; `controllers` only where somebody has put them into the folder. */
  | { readonly kind: 'assets'; readonly etcd: string; readonly apiServer: string; readonly controllers?: string };

const needsGo = `This needs Go 1.26 or newer, once, to build a Kubernetes control plane (https://go.dev/dl), or
KUBEBUILDER_ASSETS naming a folder with kube-apiserver and etcd ("setup-envtest use -p path" prints one).`;

/**
 * Finds the programs, and builds them if they are not there yet: 5 to 10 minutes on two cores, with a line of progress every
 * ten seconds.
 *
 * @throws Error with what has to be installed, or with the end of the compiler's output.
 */
export async function buildControlPlane(report?: (line: string) => void): Promise<ControlPlanePrograms> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets !== undefined && assets !== '') return findAssets(assets);
  const program = {
    name: 'control-plane',
    title: 'a Kubernetes control plane',
    module: 'test/cluster/control-plane',
    packageCount: 2525,
    duration: '5 to 10 min',
  };
  const binary = await buildGoProgram(program, report);
  if (binary === undefined) throw new Error(needsGo);
  return { kind: 'module', binary };
}

/**
 * Finds the server of aws-iam-authenticator with which EKS knows its callers (test/cluster/authenticator), or builds it: a
 * minute on two cores after the control plane, with which it shares most packages. Gives undefined where there is no Go.
 *
 * @throws Error with the end of the compiler's output.
 */
export function buildAuthenticator(report?: (line: string) => void): Promise<string | undefined> {
  const program = {
    name: 'authenticator',
    title: 'the authenticator of EKS',
    module: 'test/cluster/authenticator',
    packageCount: 721,
    duration: '1 to 3 min',
  };
  return buildGoProgram(program, report);
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
