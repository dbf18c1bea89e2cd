// The servers that dispatch talks to, in a process of their own so that their CPU is not counted: a cluster's API over
// HTTPS, and over HTTP Terrakube and EKS' DescribeCluster. They answer every step alike and keep nothing.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { listen } from '../../local/lambda/listen.ts';

/** What the parent may ask for. */
export type ServersOrder = { readonly thinkMs: number } | 'counts';

/** Where the servers are. */
export interface ServersAddress {
  readonly clusterUrl: string;
  readonly caPem: string;
  /** Terrakube, and as an endpoint of the SDK also EKS. */
  readonly terrakubeUrl: string;
}

/** What was seen since the last time that it was asked for. */
export interface ServersCounts {
  readonly handshakes: number;
  readonly requests: number;
}

/** The step of every message. */
const STEP = '3fed47b3-cbb9-427c-b9e7-5bc0469c7201';

const certificates = await makeCertificates();
const address: { cluster: string } = { cluster: '' };
let thinkMs = 0;
const counts = { handshakes: 0, requests: 0 };

/** Terrakube's answer to dispatch's one question. */
const terrakubeJob = (id: string): object => ({
  data: {
    type: 'job',
    id,
    attributes: { status: 'queue', comments: null },
    relationships: { step: { data: [{ type: 'step', id: STEP }] } },
  },
  included: [
    {
      type: 'step',
      id: STEP,
      attributes: { status: 'pending', name: 'Terraform Plan', stepNumber: 100, output: null },
    },
  ],
});

/** What the API server adds to an object that it stores, about as large as in reality. */
const managedFields = [
  {
    manager: 'bench',
    operation: 'Update',
    apiVersion: 'batch/v1',
    time: '2026-11-24T20:41:37Z',
    fieldsType: 'FieldsV1',
    fieldsV1: {
      'f:metadata': { 'f:labels': Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`f:label-${at}`, {}])) },
      'f:spec': Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`f:field-${at}`, {}])),
    },
  },
];

function stored(text: string): { readonly metadata: object } {
  const object: { metadata?: object } = JSON.parse(text);
  const added = {
    namespace: 'terrakube',
    uid: '0b1f7f5c-9a52-4d0f-8f1e-5b7c0a1d2e3f',
    resourceVersion: '4711',
    creationTimestamp: '2026-11-24T20:41:37Z',
    managedFields,
  };
  return { ...object, metadata: { ...object.metadata, ...added } };
}

/** Whoever asks for nothing but the metadata gets no more. */
function shown(object: { readonly metadata?: object }, accept = ''): object {
  if (!accept.includes(';as=PartialObjectMetadata;')) return object;
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function answer({ url = '', method, headers }: IncomingMessage, body: string): readonly [status: number, body: object] {
  if (method === 'POST') return [201, shown(stored(body), headers.accept)];
  if (url.startsWith('/apis/batch/v1/')) {
    return [200, { kind: 'JobList', apiVersion: 'batch/v1', metadata: { resourceVersion: '4711' }, items: [] }];
  }
  if (url.startsWith('/clusters/')) {
    const data = Buffer.from(certificates.caPem).toString('base64');
    const cluster = { name: 'main', status: 'ACTIVE', endpoint: address.cluster, certificateAuthority: { data } };
    return [200, { cluster }];
  }
  return [200, terrakubeJob(/\/job\/([^/?]+)/.exec(url)?.[1] ?? '')];
}

const serve: RequestListener = (request: IncomingMessage, response: ServerResponse) => {
  counts.requests += 1;
  void buffer(request).then((body) => {
    const [status, object] = answer(request, body.toString('utf8'));
    const text = JSON.stringify(object);
    const send = (): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      response.end(text);
    };
    if (thinkMs > 0) setTimeout(send, thinkMs);
    else send();
  });
};

const cluster = createTlsServer({ cert: certificates.certificatePem, key: certificates.keyPem }, serve);
const terrakube = createServer(serve);
for (const server of [cluster, terrakube]) server.keepAliveTimeout = 120_000;
cluster.on('secureConnection', () => {
  counts.handshakes += 1;
});
address.cluster = `https://127.0.0.1:${await listen(cluster)}`;
const terrakubeUrl = `http://127.0.0.1:${await listen(terrakube)}`;
process.on('message', (order: ServersOrder) => {
  if (order !== 'counts') {
    ({ thinkMs } = order);
    process.send?.({});
    return;
  }
  process.send?.({ ...counts });
  counts.handshakes = 0;
  counts.requests = 0;
});
process.on('disconnect', () => process.exit());
process.send?.({ clusterUrl: address.cluster, caPem: certificates.caPem, terrakubeUrl });
