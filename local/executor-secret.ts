// The Secret that Terrakube's Helm chart makes for its executors, with what the demo executor needs of it.
import { BatchV1Api, CoreV1Api, createConfiguration, ServerConfiguration } from '@kubernetes/client-node';
import { createKubernetesHttp } from '../lib/clients/kubernetes-http.ts';

/** Where the Secret goes, and what it holds. */
export interface ExecutorSecret {
  readonly cluster: { readonly url: string; readonly caPem: string };
  readonly token: string;
  readonly namespace: string;
  readonly terrakubeUrl: string;
  readonly internalSecret: string;
}

/** The generated API of a cluster, with a fixed bearer token. */
export function clusterApis({ cluster, token }: Pick<ExecutorSecret, 'cluster' | 'token'>): {
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
} {
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.url, {}),
    httpApi: createKubernetesHttp({ caPem: cluster.caPem, now: Date.now }),
    authMethods: {
      default: {
        getName: () => 'token',
        applySecurityAuthentication: (context) => context.setHeaderParam('Authorization', `Bearer ${token}`),
      },
    },
  });
  return { batch: new BatchV1Api(configuration), core: new CoreV1Api(configuration) };
}

/** Creates `terrakube-executor-secrets`. */
export async function seedExecutorSecret(secret: ExecutorSecret): Promise<void> {
  const { core } = clusterApis(secret);
  const values = {
    InternalSecret: secret.internalSecret,
    AzBuilderApiUrl: secret.terrakubeUrl,
    TerrakubeApiUrl: secret.terrakubeUrl,
    TerrakubeEnableSecurity: 'true',
    TerraformStateType: 'LocalTerraformStateImpl',
    TerrakubeRedisHostname: 'localhost',
    TerrakubeRedisPort: '6379',
  };
  await core.createNamespacedSecret({
    namespace: secret.namespace,
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'terrakube-executor-secrets' },
      type: 'Opaque',
      data: Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('base64')]),
      ),
    },
  });
}
