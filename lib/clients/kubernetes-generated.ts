// The Kubernetes API through @kubernetes/client-node's generated classes, for whoever writes whole objects. An ApiException
// holds headers and body, and goes no further than here.
import {
  ApiException,
  BatchV1Api,
  CoreV1Api,
  createConfiguration,
  type RequestContext,
  ServerConfiguration,
} from '@kubernetes/client-node';
import type { ApiAnswer } from '../ports.ts';
import type { ClusterAddress } from './eks-cluster.ts';
import { createKubernetesApi, type KubernetesApiOptions, RefusedCall } from './kubernetes-api.ts';
import { createKubernetesHttp } from './kubernetes-http.ts';

/** The generated API of one address. */
export interface GeneratedApis {
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
}

/** Runs one call of the generated API. */
export type CallGenerated = <T>(run: (apis: GeneratedApis) => Promise<T>) => Promise<ApiAnswer<T>>;

/** Creates the calls of one cluster. They sign in by themselves. */
export function createGeneratedCalls(options: KubernetesApiOptions): CallGenerated {
  const call = createKubernetesApi(options, generatedApis);
  return (run) =>
    call((apis) =>
      run(apis).catch((error: unknown) => {
        if (!(error instanceof ApiException)) throw error;
        const { code, body, headers } = error;
        throw new RefusedCall(code, typeof body === 'string' ? body : '', headers['retry-after']);
      }),
    );
}

function generatedApis({ endpoint, caPem }: ClusterAddress, options: KubernetesApiOptions): GeneratedApis {
  const { token, now, timeoutMs, onServerTime } = options;
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(endpoint, {}),
    httpApi: createKubernetesHttp({
      caPem,
      now,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(onServerTime === undefined ? {} : { onServerTime }),
    }),
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
