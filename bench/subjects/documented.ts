// Dispatch as the documentation of its libraries shows it: the AWS SDK asks for the cluster and signs the token, client-node
// talks to it by a KubeConfig, and `fetch` to Terrakube. Nothing is checked here either.
import { createHmac } from 'node:crypto';
import { DescribeClusterCommand, EKSClient } from '@aws-sdk/client-eks';
import { BatchV1Api, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { SignatureV4 } from '@smithy/signature-v4';
import { type PlainPayload, plainJob, plainNames, plainSecret } from './plain-job.ts';

const environment = process.env;
const setting = (name: string): string => environment[name] ?? '';
const [region, clusterName, terrakube] = [setting('AWS_REGION'), setting('EksClusterName'), setting('TerrakubeApiUrl')];
const eks = new EKSClient({ region });
let kept: { readonly batch: BatchV1Api; readonly core: CoreV1Api } | undefined;

async function clusterToken(): Promise<string> {
  const hostname = `sts.${region}.amazonaws.com`;
  const { credentials, sha256 } = eks.config;
  const signed = await new SignatureV4({ credentials, region, service: 'sts', sha256 }).presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: hostname, 'x-k8s-aws-id': clusterName },
    },
    { expiresIn: 60 },
  );
  const query = Object.entries(signed.query ?? {}).map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return `k8s-aws-v1.${Buffer.from(`https://${hostname}/?${query.join('&')}`).toString('base64url')}`;
}

async function connect() {
  const { cluster } = await eks.send(new DescribeClusterCommand({ name: clusterName }));
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [
      { name: clusterName, server: cluster?.endpoint ?? '', caData: cluster?.certificateAuthority?.data ?? '' },
    ],
    users: [{ name: 'dispatcher', token: await clusterToken() }],
    contexts: [{ name: 'main', cluster: clusterName, user: 'dispatcher' }],
    currentContext: 'main',
  });
  return { batch: config.makeApiClient(BatchV1Api), core: config.makeApiClient(CoreV1Api) };
}

function terrakubeToken(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const [iss, now] = ['TerrakubeInternal', Math.floor(Date.now() / 1000)];
  const signed = `${part({ alg: 'HS256' })}.${part({ iss, sub: iss, aud: iss, iat: now, exp: now + 300 })}`;
  const key = Buffer.from(setting('InternalSecret'), 'base64url');
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

async function dispatch(text: string): Promise<void> {
  kept ??= await connect();
  const { batch, core } = kept;
  const of: PlainPayload = JSON.parse(text);
  const { name, labelSelector } = plainNames(of);
  const namespace = 'terrakube';
  const sparse = 'include=step&fields%5Bjob%5D=status&fields%5Bstep%5D=status';
  const [list, reply] = await Promise.all([
    batch.listNamespacedJob({ namespace, labelSelector }),
    fetch(`${terrakube}/api/v1/organization/${of.organizationId}/job/${of.jobId}?${sparse}`, {
      headers: { Authorization: `Bearer ${terrakubeToken()}`, Accept: 'application/vnd.api+json' },
    }),
  ]);
  const job: unknown = await reply.json();
  const status: unknown = Reflect.get(
    Object(Reflect.get(Object(Reflect.get(Object(job), 'data')), 'attributes')),
    'status',
  );
  if (list.items.length > 0 || status !== 'queue') throw new Error('there is something already');
  const created = await batch.createNamespacedJob({ namespace, body: plainJob(of, name, text) });
  const body = plainSecret(of, { name, uid: created.metadata?.uid ?? '' }, text);
  await core.createNamespacedSecret({ namespace, body });
}

/** Dispatches the messages of a batch side by side. */
export const handler = async (event: { readonly Records: readonly { readonly body: string }[] }): Promise<object> => {
  await Promise.all(event.Records.map(({ body }) => dispatch(body)));
  return { batchItemFailures: [] };
};
