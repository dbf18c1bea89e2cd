// The least that a dispatch can be: its four calls over node's own kept connections, signed by hand, with nothing checked
// and no library. Nothing that keeps the product's promises can be cheaper.
import { createHash, createHmac } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import { type PlainPayload, plainJob, plainNames, plainSecret } from './plain-job.ts';

const environment = process.env;
const setting = (name: string): string => environment[name] ?? '';
const caPem = Buffer.from(setting('EksCertificateAuthority'), 'base64').toString('utf8');
const tls = new https.Agent({ keepAlive: true, maxSockets: 8, ca: caPem });
const plain = new http.Agent({ keepAlive: true, maxSockets: 8 });
const [cluster, terrakube] = [setting('EksEndpoint'), setting('TerrakubeApiUrl')];
let kept: { readonly cluster: string; readonly terrakube: string } | undefined;

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The presigned URL of STS that a cluster takes as a token. */
function clusterToken(): string {
  const region = setting('AWS_REGION');
  const host = `sts.${region}.amazonaws.com`;
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/${region}/sts/aws4_request`;
  const query = new URLSearchParams({
    Action: 'GetCallerIdentity',
    Version: '2011-06-15',
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${setting('AWS_ACCESS_KEY_ID')}/${scope}`,
    'X-Amz-Date': date,
    'X-Amz-Expires': '60',
    'X-Amz-Security-Token': setting('AWS_SESSION_TOKEN'),
    'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
  });
  query.sort();
  const headers = `host:${host}\nx-k8s-aws-id:${setting('EksClusterName')}\n\nhost;x-k8s-aws-id`;
  const request = `GET\n/\n${query}\n${headers}\n${sha256('')}`;
  const key = [date.slice(0, 8), region, 'sts', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${setting('AWS_SECRET_ACCESS_KEY')}`,
  );
  const signature = hmac(Buffer.from(key), `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(request)}`).toString('hex');
  return `k8s-aws-v1.${Buffer.from(`https://${host}/?${query}&X-Amz-Signature=${signature}`).toString('base64url')}`;
}

/** A token for Terrakube, signed with the InternalSecret. */
function terrakubeToken(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const [iss, now] = ['TerrakubeInternal', Math.floor(Date.now() / 1000)];
  const signed = `${part({ alg: 'HS256' })}.${part({ iss, sub: iss, aud: iss, iat: now, exp: now + 300 })}`;
  const key = Buffer.from(setting('InternalSecret'), 'base64url');
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

function call(method: string, url: string, token: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json',
      ...(body === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
    };
    const onReply = (reply: http.IncomingMessage): void => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if ((reply.statusCode ?? 500) < 300) resolve(text);
        else reject(new Error(`${method} ${url}: ${reply.statusCode} ${text}`));
      });
    };
    const request = url.startsWith('https:')
      ? https.request(url, { method, headers, agent: tls }, onReply)
      : http.request(url, { method, headers, agent: plain }, onReply);
    request.on('error', reject);
    request.end(body);
  });
}

async function dispatch(text: string): Promise<void> {
  kept ??= { cluster: clusterToken(), terrakube: terrakubeToken() };
  const tokens = kept;
  const of: PlainPayload = JSON.parse(text);
  const { name, labelSelector } = plainNames(of);
  const jobs = `${cluster}/apis/batch/v1/namespaces/terrakube/jobs`;
  const sparse = 'include=step&fields%5Bjob%5D=status&fields%5Bstep%5D=status';
  const [list, job] = await Promise.all([
    call('GET', `${jobs}?labelSelector=${encodeURIComponent(labelSelector)}`, tokens.cluster),
    call('GET', `${terrakube}/api/v1/organization/${of.organizationId}/job/${of.jobId}?${sparse}`, tokens.terrakube),
  ]);
  const { items }: { items: readonly object[] } = JSON.parse(list);
  const { data }: { data: { attributes: { status: string } } } = JSON.parse(job);
  if (items.length > 0 || data.attributes.status !== 'queue') throw new Error('there is something already');
  const created: { metadata: { uid: string } } = JSON.parse(
    await call('POST', jobs, tokens.cluster, JSON.stringify(plainJob(of, name, text))),
  );
  const secret = JSON.stringify(plainSecret(of, { name, uid: created.metadata.uid }, text));
  await call('POST', `${cluster}/api/v1/namespaces/terrakube/secrets`, tokens.cluster, secret);
}

/** Dispatches the messages of a batch side by side. */
export const handler = async (event: { readonly Records: readonly { readonly body: string }[] }): Promise<object> => {
  await Promise.all(event.Records.map(({ body }) => dispatch(body)));
  return { batchItemFailures: [] };
};
