// Calls of the Kubernetes API, whatever sends them: signed in, with every answer translated.
import { type ApiRefusal, isUnauthorized } from '../domain/create-answer.ts';
import { DispatcherError } from '../domain/errors.ts';
import { type EpochMs, seconds } from '../domain/time.ts';
import type { ApiAnswer } from '../ports.ts';
import { parseApiRefusal } from '../schemas/kubernetes-status.ts';
import type { ClusterAddress, EksCluster } from './eks-cluster.ts';
import type { EksToken } from './eks-token.ts';

/** How a cluster is reached. */
export interface KubernetesApiOptions {
  readonly cluster: EksCluster;
  readonly token: EksToken;
  readonly namespace: string;
  readonly now: () => EpochMs;
  /** Longest silence of the API server; default is 10 seconds. */
  readonly timeoutMs?: number;
  /** Told the API server's own time with each of its answers. */
  readonly onServerTime?: (serverTime: EpochMs) => void;
}

/** Runs one call of the APIs of an address, with the token to sign in with. */
export type CallKubernetes<A> = <T>(run: (apis: A, token: string) => Promise<T>) => Promise<ApiAnswer<T>>;

/** Thrown by whoever sends a call, when the API server does not do it. It goes no further than this file. */
export class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
  readonly refusal: ApiRefusal;

  /** @param retryAfter the header of this name. */
  constructor(status: number, body: string, retryAfter: string | undefined) {
    super(`refused with ${status}`);
    this.refusal = parseApiRefusal(status, body, retryAfter);
  }
}

/** Errors of node:tls and node:dns that mean "this is not the cluster any more". */
const WRONG_ADDRESS =
  /^(ENOTFOUND|CERT_.*|ERR_TLS_CERT_ALTNAME_INVALID|UNABLE_TO_.*|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT)$/;

/** Creates the calls of one cluster: with a fresh token after a 401, and a fresh address after a wrong certificate or name. */
export function createKubernetesApi<A>(
  options: KubernetesApiOptions,
  createApis: (address: ClusterAddress, options: KubernetesApiOptions) => A,
): CallKubernetes<A> {
  const { cluster, token, now } = options;
  let known: { readonly address: ClusterAddress; readonly apis: A } | undefined;
  const connect = async (): Promise<{ readonly address: ClusterAddress; readonly apis: A }> => {
    const address = await cluster.get(now());
    if (known?.address !== address) known = { address, apis: createApis(address, options) };
    return known;
  };
  const attempt = async <T>(run: (apis: A, token: string) => Promise<T>, isLast: boolean): Promise<ApiAnswer<T>> => {
    const { address, apis } = await connect();
    const used = await token.get(now());
    try {
      const object = await run(apis, used);
      return isKubernetesObject(object) ? { kind: 'ok', object } : { kind: 'noAnswer' };
    } catch (error) {
      if (error instanceof DispatcherError) throw error;
      if (error instanceof RefusedCall) {
        const { refusal } = error;
        if (!isUnauthorized(refusal)) return { kind: 'refused', refusal };
        token.forget(used);
        return isLast ? { kind: 'refused', refusal } : attempt(run, true);
      }
      if (!isLast && WRONG_ADDRESS.test(codeOf(error)) && cluster.forget(address)) return attempt(run, true);
      return { kind: 'noAnswer' };
    }
  };
  return (run) => attempt(run, false);
}

/** A proxy may answer anything with status 200. */
const isKubernetesObject = (object: unknown): boolean =>
  typeof object === 'object' && object !== null && 'kind' in object && typeof object.kind === 'string';

/** The object is not there. A 404 that names no object comes from a wrong address or a proxy, and says nothing about it. */
export const isNotFound = (answer: ApiAnswer<unknown>, resource: 'jobs' | 'secrets' | 'pods'): boolean =>
  answer.kind === 'refused' && answer.refusal.status === 404 && answer.refusal.kind === resource;

/** We are known, and may not do it. */
export const isForbidden = (answer: ApiAnswer<unknown>): boolean =>
  answer.kind === 'refused' && answer.refusal.status === 403 && !isUnauthorized(answer.refusal);

/** The object that was read. @throws DispatcherError when it was not. */
export function read<T>(answer: ApiAnswer<T>, what: string): T {
  switch (answer.kind) {
    case 'ok':
      return answer.object;
    case 'noAnswer':
      throw new DispatcherError('clusterUnavailable', `The Kubernetes API gave no answer about ${what}.`);
    case 'refused': {
      const { refusal } = answer;
      const code = isUnauthorized(refusal)
        ? 'clusterUnauthorized'
        : refusal.status === 429 || refusal.status >= 500
          ? 'clusterUnavailable'
          : 'clusterRefused';
      throw new DispatcherError(code, `The Kubernetes API answered ${refusal.status} about ${what}.`, {
        status: refusal.status,
        ...(refusal.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: seconds(refusal.retryAfterSeconds) }),
      });
    }
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
