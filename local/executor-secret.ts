// The Secret that Terrakube's Helm chart makes for its executors, with what the demo executor needs of it.
import { ApiException, BatchV1Api, CoreV1Api, createConfiguration, ServerConfiguration } from '@kubernetes/client-node';
import { createKubernetesHttp } from './kubernetes-http.ts';

/** The name that template.yaml and Terrakube's chart have for it. */
export const EXECUTOR_SECRET = 'terrakube-executor-secrets';

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

/** Creates `terrakube-executor-secrets`. One that is there already stays as it is. */
export async function seedExecutorSecret(secret: ExecutorSecret): Promise<'created' | 'exists'> {
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
  const data = Object.entries(values).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('base64')]);
  try {
    await core.createNamespacedSecret({
      namespace: secret.namespace,
      body: {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: EXECUTOR_SECRET },
        type: 'Opaque',
        data: Object.fromEntries(data),
      },
    });
    return 'created';
  } catch (error) {
    if (error instanceof ApiException && error.code === 409) return 'exists';
    throw error;
  }
}
