// Jobs and payload Secrets over @kubernetes/client-node's generated API. Answers are translated here: an ApiException
// holds headers and body, and goes no further.
import {
  ApiException,
  BatchV1Api,
  CoreV1Api,
  createConfiguration,
  type RequestContext,
  ServerConfiguration,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { type ApiRefusal, isUnauthorized } from '../domain/create-answer.ts';
import { DispatcherError } from '../domain/errors.ts';
import { ANNOTATION } from '../domain/job-manifest.ts';
import { verdictText } from '../domain/recorded-verdict.ts';
import { type EpochMs, seconds } from '../domain/time.ts';
import type { ApiAnswer, JobStore } from '../ports.ts';
import { parseApiRefusal } from '../schemas/kubernetes-status.ts';
import type { ClusterAddress, EksCluster } from './eks-cluster.ts';
import type { EksToken } from './eks-token.ts';
import { createKubernetesHttp } from './kubernetes-http.ts';

/** Options of {@link createKubernetesJobs}. */
export interface KubernetesJobsOptions {
  readonly cluster: EksCluster;
  readonly token: EksToken;
  readonly namespace: string;
  readonly now: () => EpochMs;
  /** Longest silence of the API server; default is 10 seconds. */
  readonly timeoutMs?: number;
}

/** The generated API of one address. */
interface Apis {
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
}

/** Errors of node:tls and node:dns that mean "this is not the cluster any more". */
const WRONG_ADDRESS =
  /^(ENOTFOUND|CERT_.*|ERR_TLS_CERT_ALTNAME_INVALID|UNABLE_TO_.*|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT)$/;

/** Only the metadata of an object, so that a payload does not travel when its owner is asked for. */
const METADATA_ONLY = setHeaderOptions('Accept', 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1');

/**
 * Creates the store of one namespace.
 *
 * RBAC in the namespace: jobs create, get, list, patch; secrets create, get.
 */
export function createKubernetesJobs(options: KubernetesJobsOptions): JobStore {
  const { namespace } = options;
  const call = createCaller(options);
  /** A merge patch that names the resourceVersion is a compare-and-swap. */
  const patch = async (name: string, body: object) => {
    const answer = await call(({ batch }) => batch.patchNamespacedJob({ namespace, name, body }));
    if (answer.kind === 'refused' && answer.refusal.status === 409) return 'conflict';
    if (isNotFound(answer, 'jobs')) return 'notFound';
    if (isForbidden(answer)) return 'forbidden';
    read(answer, `Job ${name}`);
    return 'patched';
  };
  return {
    // RBAC: list jobs
    async listJobs(labelSelector) {
      const answer = await call(({ batch }) => batch.listNamespacedJob({ namespace, labelSelector }));
      return read(answer, 'list of Jobs').items;
    },
    // RBAC: get jobs
    async getJob(name) {
      const answer = await call(({ batch }) => batch.readNamespacedJob({ namespace, name }));
      return isNotFound(answer, 'jobs') ? 'notFound' : read(answer, `Job ${name}`);
    },
    // RBAC: create jobs
    createJob: (body) => call(({ batch }) => batch.createNamespacedJob({ namespace, body })),
    // RBAC: create secrets
    createSecret: (body) => call(({ core }) => core.createNamespacedSecret({ namespace, body })),
    // RBAC: get secrets
    async getSecretOwners(name) {
      const answer = await call(({ core }) => core.readNamespacedSecret({ namespace, name }, METADATA_ONLY));
      if (isNotFound(answer, 'secrets')) return 'notFound';
      if (isForbidden(answer)) return 'forbidden';
      return (read(answer, `Secret ${name}`).metadata?.ownerReferences ?? []).map(({ uid }) => uid);
    },
    // RBAC: patch jobs
    resumeJob: (name, resourceVersion) => patch(name, { metadata: { resourceVersion }, spec: { suspend: false } }),
    // RBAC: patch jobs
    stopJob(name, resourceVersion, verdict) {
      const annotations = { [ANNOTATION.verdict]: verdictText(verdict) };
      return patch(name, { metadata: { resourceVersion, annotations }, spec: { activeDeadlineSeconds: 1 } });
    },
  };
}

/** Calls the API, with a fresh token after a 401 and a fresh address after a certificate or name that is wrong. */
function createCaller(options: KubernetesJobsOptions): <T>(run: (apis: Apis) => Promise<T>) => Promise<ApiAnswer<T>> {
  const { cluster, token, now } = options;
  let known: { readonly address: ClusterAddress; readonly apis: Apis } | undefined;
  const connect = async (): Promise<{ readonly address: ClusterAddress; readonly apis: Apis }> => {
    const address = await cluster.get(now());
    if (known?.address !== address) known = { address, apis: createApis(address, options) };
    return known;
  };
  const attempt = async <T>(run: (apis: Apis) => Promise<T>, isLast: boolean): Promise<ApiAnswer<T>> => {
    const { address, apis } = await connect();
    const used = await token.get(now());
    try {
      const object = await run(apis);
      return isKubernetesObject(object) ? { kind: 'ok', object } : { kind: 'noAnswer' };
    } catch (error) {
      if (error instanceof DispatcherError) throw error;
      if (error instanceof ApiException) {
        const refusal = refusalOf(error);
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

function createApis({ endpoint, caPem }: ClusterAddress, { token, now, timeoutMs }: KubernetesJobsOptions): Apis {
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(endpoint, {}),
    httpApi: createKubernetesHttp({ caPem, now, ...(timeoutMs === undefined ? {} : { timeoutMs }) }),
    authMethods: {
      default: {
        getName: () => 'eks',
        applySecurityAuthentication: async (context: RequestContext) =>
          context.setHeaderParam('Authorization', `Bearer ${await token.get(now())}`),
      },
    },
  });
  return { batch: new BatchV1Api(configuration), core: new CoreV1Api(configuration) };
}

function refusalOf({ code, body, headers }: ApiException<unknown>): ApiRefusal {
  return parseApiRefusal(code, typeof body === 'string' ? body : '', headers['retry-after']);
}

/** The generated client makes an empty object of whatever a proxy answers with status 200. */
const isKubernetesObject = (object: unknown): boolean =>
  typeof object === 'object' && object !== null && 'kind' in object && typeof object.kind === 'string';

/** The object is not there. A 404 that names no object comes from a wrong address or a proxy, and says nothing about it. */
const isNotFound = (answer: ApiAnswer<unknown>, resource: 'jobs' | 'secrets'): boolean =>
  answer.kind === 'refused' && answer.refusal.status === 404 && answer.refusal.kind === resource;

const isForbidden = (answer: ApiAnswer<unknown>): boolean =>
  answer.kind === 'refused' && answer.refusal.status === 403 && !isUnauthorized(answer.refusal);

/** The object that was read. @throws DispatcherError when it was not. */
function read<T>(answer: ApiAnswer<T>, what: string): T {
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
