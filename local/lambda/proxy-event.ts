/**
 * HTTP requests as the events that API Gateway (REST API, format 1.0) and Function URLs (format 2.0) make of them, and
 * a handler's answer as the HTTP response that they make of it.
 *
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
import * as v from 'valibot';
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../aws/credentials.ts';
import { type JsonMap, toJson } from './json.ts';

/** A request as it came over the wire. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent. For a REST API: without the stage. */
  readonly target: string;
  /** Names and values in turn, as sent (Node's `rawHeaders`). */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly requestId: string;
  readonly receivedAt: Date;
}

/** What goes back over the wire. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

/** Settings of the gateway that an event depends on. */
export interface EventOptions {
  /** Stage of the REST API; a Function URL has none. */
  readonly stage: string;
  /** Send every body as base64, as binary media types do. */
  readonly binary: boolean;
}

/** Headers that concern one connection only; a gateway does not pass them on. */
const HOP_BY_HOP = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade']);
const API_ID = 'local';
const SOURCE_IP = '127.0.0.1';

/** Makes the event of a REST API with `ANY /{proxy+}`. */
export function restApiEvent(request: HttpRequest, { stage, binary }: EventOptions): JsonMap {
  const { pathname, searchParams } = new URL(request.target, 'http://local');
  const headers = groupedHeaders(request.rawHeaders, forwardedHeaders(request));
  const query = grouped([...searchParams], (name) => name);
  return {
    resource: '/{proxy+}',
    path: pathname,
    httpMethod: request.method,
    headers: lastOfEach(headers),
    multiValueHeaders: headers,
    queryStringParameters: searchParams.size === 0 ? null : lastOfEach(query),
    multiValueQueryStringParameters: searchParams.size === 0 ? null : query,
    pathParameters: { proxy: pathname.slice(1) },
    stageVariables: null,
    requestContext: {
      resourceId: 'proxy',
      resourcePath: '/{proxy+}',
      httpMethod: request.method,
      extendedRequestId: request.requestId.slice(0, 16),
      requestTime: commonLogTime(request.receivedAt),
      path: `/${stage}${pathname}`,
      accountId: LOCAL_ACCOUNT,
      protocol: 'HTTP/1.1',
      stage,
      domainPrefix: API_ID,
      requestTimeEpoch: request.receivedAt.getTime(),
      requestId: request.requestId,
      identity: { ...NO_IDENTITY, sourceIp: SOURCE_IP, userAgent: headerValue(request, 'user-agent') ?? null },
      domainName: `${API_ID}.execute-api.${LOCAL_REGION}.amazonaws.com`,
      deploymentId: 'local',
      apiId: API_ID,
    },
    body: request.body.length === 0 ? null : request.body.toString(binary ? 'base64' : 'utf8'),
    isBase64Encoded: binary && request.body.length > 0,
  };
}

/** Makes the event of a Function URL. Bodies that are not text by their content type are base64. */
export function functionUrlEvent(request: HttpRequest, { binary }: Pick<EventOptions, 'binary'>): JsonMap {
  const { pathname, search, searchParams } = new URL(request.target, 'http://local');
  const headers = joined(groupedHeaders(request.rawHeaders, forwardedHeaders(request)), (name) => name.toLowerCase());
  const domainName = `${API_ID}.lambda-url.${LOCAL_REGION}.on.aws`;
  const base64 = request.body.length > 0 && (binary || !TEXT_TYPE.test(headerValue(request, 'content-type') ?? ''));
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: { ...headers, 'content-length': String(request.body.length) },
    ...(searchParams.size > 0 && { queryStringParameters: joined(grouped([...searchParams], (name) => name)) }),
    requestContext: {
      accountId: 'anonymous',
      apiId: API_ID,
      domainName,
      domainPrefix: API_ID,
      http: {
        method: request.method,
        path: pathname,
        protocol: 'HTTP/1.1',
        sourceIp: SOURCE_IP,
        userAgent: headerValue(request, 'user-agent') ?? '',
      },
      requestId: request.requestId,
      routeKey: '$default',
      stage: '$default',
      time: commonLogTime(request.receivedAt),
      timeEpoch: request.receivedAt.getTime(),
    },
    ...(request.body.length > 0 && { body: request.body.toString(base64 ? 'base64' : 'utf8') }),
    isBase64Encoded: base64,
  };
}

/** Reads a handler's answer as a REST API does; `undefined` means "malformed Lambda proxy response". */
export function restApiAnswer(payload: string, { binary }: Pick<EventOptions, 'binary'>): HttpAnswer | undefined {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), ProxyAnswer), payload);
  return result.success ? toHttpAnswer(result.output, binary) : undefined;
}

/** Reads a handler's answer as a Function URL does: what has no `statusCode` is itself the body of a 200. */
export function functionUrlAnswer(payload: string): HttpAnswer {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), ProxyAnswer), payload);
  return result.success
    ? toHttpAnswer(result.output, true)
    : { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(payload) };
}

const Header = v.pipe(v.union([v.string(), v.number(), v.boolean()]), v.transform(String));

/** API Gateway refuses an answer with any other member, and a body that is not a string. */
const ProxyAnswer = v.strictObject({
  statusCode: v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.integer(), v.minValue(100)),
  headers: v.nullish(v.record(v.string(), Header)),
  multiValueHeaders: v.nullish(v.record(v.string(), v.array(Header))),
  body: v.nullish(v.string()),
  isBase64Encoded: v.nullish(v.boolean()),
});

/** Bodies of these types reach a Function URL's handler as text. */
const TEXT_TYPE = /^(text\/|application\/(json|xml|javascript|[\w.-]+\+(json|xml))\b)/i;

const NO_IDENTITY: JsonMap = {
  cognitoIdentityPoolId: null,
  accountId: null,
  cognitoIdentityId: null,
  caller: null,
  principalOrgId: null,
  accessKey: null,
  cognitoAuthenticationType: null,
  cognitoAuthenticationProvider: null,
  userArn: null,
  user: null,
};

function toHttpAnswer(answer: v.InferOutput<typeof ProxyAnswer>, decode: boolean): HttpAnswer {
  const lowerCase = <T>(headers: Readonly<Record<string, T>>): [string, T][] =>
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  const encoding = answer.isBase64Encoded === true && decode ? 'base64' : 'utf8';
  return {
    status: answer.statusCode,
    headers: {
      'content-type': 'application/json', // API Gateway's default, also for an empty body
      ...Object.fromEntries(lowerCase(answer.headers ?? {})),
      ...Object.fromEntries(lowerCase(answer.multiValueHeaders ?? {})),
    },
    body: Buffer.from(answer.body ?? '', encoding),
  };
}

function forwardedHeaders({ requestId }: HttpRequest): [string, string][] {
  return [
    ['X-Amzn-Trace-Id', `Root=1-${requestId.slice(0, 8)}-${requestId.replaceAll('-', '').slice(0, 24)}`],
    ['X-Forwarded-For', SOURCE_IP],
    ['X-Forwarded-Port', '443'],
    ['X-Forwarded-Proto', 'https'],
  ];
}

function groupedHeaders(raw: readonly string[], added: readonly [string, string][]): Record<string, string[]> {
  const pairs = raw.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : [],
  );
  const passed = pairs.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()));
  return grouped([...passed, ...added], (name) => name.toLowerCase());
}

/** Values by name, in their order; names with the same key share the first one's spelling. */
function grouped(pairs: readonly [string, string][], keyOf: (name: string) => string): Record<string, string[]> {
  const groups = new Map<string, { name: string; values: string[] }>();
  for (const [name, value] of pairs) {
    const group = groups.get(keyOf(name)) ?? { name, values: [] };
    group.values.push(value);
    groups.set(keyOf(name), group);
  }
  return Object.fromEntries([...groups.values()].map(({ name, values }) => [name, values]));
}

function lastOfEach(groups: Readonly<Record<string, readonly string[]>>): JsonMap {
  return Object.fromEntries(Object.entries(groups).map(([name, values]) => [name, toJson(values.at(-1) ?? '')]));
}

function joined(
  groups: Readonly<Record<string, readonly string[]>>,
  rename: (name: string) => string = (name) => name,
): JsonMap {
  return Object.fromEntries(Object.entries(groups).map(([name, values]) => [rename(name), values.join(',')]));
}

function headerValue({ rawHeaders }: HttpRequest, name: string): string | undefined {
  const index = rawHeaders.findIndex((text, at) => at % 2 === 0 && text.toLowerCase() === name);
  return index < 0 ? undefined : rawHeaders[index + 1];
}

/** `24/Nov/2026:20:41:37 +0000` */
function commonLogTime(time: Date): string {
  const [, day, month, year, clock] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(time.toUTCString()) ?? [];
  return `${day}/${month}/${year}:${clock} +0000`;
}
