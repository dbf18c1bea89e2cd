/**
 * The few answers of AWS that the product asks for, over HTTP: EKS DescribeCluster and Secrets Manager GetSecretValue.
 * The real SDK clients reach it through `AWS_ENDPOINT_URL_EKS` and `AWS_ENDPOINT_URL_SECRETS_MANAGER`. It counts what it
 * is asked, and gives a prepared fault instead of the answer when a test wants one.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { listen } from '../lambda/listen.ts';
import { type AwsCredentials, LOCAL_ACCOUNT, LOCAL_REGION } from './credentials.ts';

/** What the stand-in answers to. */
export type AwsOperation = 'DescribeCluster' | 'GetSecretValue' | 'AssumeRole';

/** A cluster that DescribeCluster knows. */
export interface LocalCluster {
  readonly endpoint: string;
  /** Base64 of the PEM of its authority, as EKS gives it. */
  readonly certificateAuthorityData: string;
}

/** An answer to give instead of the real one. */
export interface PreparedAnswer {
  readonly status: number;
  /** AWS' name of the fault, such as `ThrottlingException`. */
  readonly code: string;
  /** How many requests get it. Default is 1. */
  readonly times?: number;
  /** Wait before it, in milliseconds. Default is 0. */
  readonly delayMs?: number;
}

/** How the stand-in is set up. The maps may change while it runs: a rotated secret is a new value in `secrets`. */
export interface AwsApisOptions {
  /** By name. */
  readonly clusters: ReadonlyMap<string, LocalCluster>;
  /** Secret texts by name; an ARN of such a name (with its six characters) finds it too. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Roles that may be assumed, by ARN, with the keys that STS gives for them; default is none. */
  readonly roles?: ReadonlyMap<string, AwsCredentials>;
  /** Whose requests are taken. */
  readonly credentials: readonly AwsCredentials[];
  /** Default is a free port. */
  readonly port?: number;
}

/** The stand-in, running. */
export interface AwsApis {
  readonly url: string;
  /** How often an operation was asked for, faults included. */
  requests(operation: AwsOperation): number;
  /** Prepares a fault for the next requests of an operation. */
  answerNext(operation: AwsOperation, answer: PreparedAnswer): void;
  close(): Promise<void>;
}

/** Starts the stand-in on 127.0.0.1. */
export async function startAwsApis(options: AwsApisOptions): Promise<AwsApis> {
  const counts = new Map<AwsOperation, number>();
  const prepared = new Map<AwsOperation, PreparedAnswer[]>();
  const server = createServer((request, response) => {
    handle(request, options, counts, prepared)
      .then((answer) => send(response, answer))
      .catch(() => response.destroy()); // the caller went away
  });
  const port = await listen(server, options.port);
  return {
    url: `http://127.0.0.1:${port}`,
    requests: (operation) => counts.get(operation) ?? 0,
    answerNext: (operation, answer) => {
      const more = Array.from({ length: answer.times ?? 1 }, () => answer);
      prepared.set(operation, [...(prepared.get(operation) ?? []), ...more]);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  readonly status: number;
  /** Set for a fault: how the SDK learns its name. */
  readonly errorType?: string;
  /** A text is XML. */
  readonly body: object | string;
}

async function handle(
  request: IncomingMessage,
  options: AwsApisOptions,
  counts: Map<AwsOperation, number>,
  prepared: Map<AwsOperation, PreparedAnswer[]>,
): Promise<Answer> {
  const body = await text(request);
  const operation = operationOf(request, body);
  if (operation === undefined) {
    return fault(400, 'UnknownOperationException', `${request.method} ${request.url} is not answered here`);
  }
  counts.set(operation, (counts.get(operation) ?? 0) + 1);
  const instead = prepared.get(operation)?.shift();
  if (instead) {
    await sleep(instead.delayMs ?? 0);
    return fault(instead.status, instead.code, 'prepared by the test');
  }
  const refusal = refusalOf(request.headers.authorization, operation, options.credentials);
  if (refusal) {
    return refusal;
  }
  switch (operation) {
    case 'DescribeCluster':
      return describeCluster(request, options);
    case 'GetSecretValue':
      return getSecretValue(body, options);
    case 'AssumeRole':
      return assumeRole(new URLSearchParams(body), options);
  }
}

function operationOf({ method, url = '', headers }: IncomingMessage, body: string): AwsOperation | undefined {
  if (method === 'POST' && new URLSearchParams(body).get('Action') === 'AssumeRole') {
    return 'AssumeRole';
  }
  if (method === 'GET' && CLUSTER_PATH.test(url)) {
    return 'DescribeCluster';
  }
  return headers['x-amz-target'] === 'secretsmanager.GetSecretValue' ? 'GetSecretValue' : undefined;
}

const CLUSTER_PATH = /^\/clusters\/([^/?]+)$/;

/** The signature itself is not computed anew: that the SDK signs well is not in question, that it was asked to is. */
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([a-z0-9-]+)\/([a-z]+)\/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$/;

const SERVICES: Readonly<Record<AwsOperation, string>> = {
  DescribeCluster: 'eks',
  GetSecretValue: 'secretsmanager',
  AssumeRole: 'sts',
};

function refusalOf(
  authorization: string | undefined,
  operation: AwsOperation,
  credentials: readonly AwsCredentials[],
): Answer | undefined {
  if (authorization === undefined) {
    return fault(403, 'MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const [, accessKeyId, , service] = AUTHORIZATION.exec(authorization) ?? [];
  if (service !== SERVICES[operation]) {
    return fault(403, 'InvalidSignatureException', 'Credential should be scoped to the correct service.');
  }
  return credentials.some((known) => known.accessKeyId === accessKeyId)
    ? undefined
    : fault(403, 'UnrecognizedClientException', 'The security token included in the request is invalid.');
}

function describeCluster({ url = '' }: IncomingMessage, { clusters }: AwsApisOptions): Answer {
  const name = decodeURIComponent(CLUSTER_PATH.exec(url)?.[1] ?? '');
  const cluster = clusters.get(name);
  if (!cluster) {
    return fault(404, 'ResourceNotFoundException', `No cluster found for name: ${name}.`);
  }
  return {
    status: 200,
    body: {
      cluster: {
        name,
        arn: `arn:aws:eks:${LOCAL_REGION}:${LOCAL_ACCOUNT}:cluster/${name}`,
        endpoint: cluster.endpoint,
        certificateAuthority: { data: cluster.certificateAuthorityData },
        status: 'ACTIVE',
        accessConfig: { authenticationMode: 'API' },
      },
    },
  };
}

function getSecretValue(body: string, { secrets }: AwsApisOptions): Answer {
  const request = v.safeParse(v.pipe(v.string(), v.parseJson(), v.object({ SecretId: v.string() })), body);
  if (!request.success) {
    return fault(400, 'InvalidParameterException', 'SecretId is missing.');
  }
  const id = request.output.SecretId;
  const name = id.startsWith('arn:') ? (id.split(':')[6] ?? '').replace(/-[A-Za-z0-9]{6}$/, '') : id;
  const value = secrets.get(name);
  if (value === undefined) {
    return fault(400, 'ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
  }
  return {
    status: 200,
    body: {
      ARN: `arn:aws:secretsmanager:${LOCAL_REGION}:${LOCAL_ACCOUNT}:secret:${name}-AbCdEf`,
      Name: name,
      SecretString: value,
      VersionStages: ['AWSCURRENT'],
    },
  };
}

/** How long the keys of a role live when the caller names no time. */
const ROLE_LIFE_MS = 3_600_000;

/** STS speaks XML. */
function assumeRole(form: URLSearchParams, { roles }: AwsApisOptions): Answer {
  const keys = roles?.get(form.get('RoleArn') ?? '');
  if (!keys) {
    const error = `<Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message>`;
    return { status: 403, body: `<ErrorResponse><Error>${error}</Error></ErrorResponse>` };
  }
  const expiration = new Date(Date.now() + ROLE_LIFE_MS).toISOString();
  const credentials = [
    `<AccessKeyId>${keys.accessKeyId}</AccessKeyId>`,
    `<SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey>`,
    `<SessionToken>${keys.sessionToken ?? ''}</SessionToken>`,
    `<Expiration>${expiration}</Expiration>`,
  ].join('');
  const result = `<AssumeRoleResult><Credentials>${credentials}</Credentials></AssumeRoleResult>`;
  return {
    status: 200,
    body: `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</AssumeRoleResponse>`,
  };
}

function fault(status: number, errorType: string, message: string): Answer {
  return { status, errorType, body: { __type: errorType, message } };
}

function send(response: ServerResponse, { status, errorType, body }: Answer): void {
  response.writeHead(status, {
    'content-type': typeof body === 'string' ? 'text/xml' : 'application/x-amz-json-1.1',
    ...(errorType !== undefined && { 'x-amzn-errortype': errorType }),
  });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
