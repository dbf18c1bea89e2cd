import { request as httpRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { type FrontDoor, type FrontDoorOptions, startFrontDoor } from '../../local/lambda/front-door.ts';
import type { InvokeResult } from '../../local/lambda/sandbox.ts';

let frontDoor: FrontDoor;
const events: unknown[] = [];

afterEach(() => frontDoor.close());

const answering = (payload: unknown): InvokeResult => ({ status: 200, payload: JSON.stringify(payload) });
const accepted = answering({ statusCode: 202 });

const start = async (result: InvokeResult | Promise<InvokeResult>, options: Partial<FrontDoorOptions> = {}) => {
  events.length = 0;
  const invoke = async (event: unknown) => {
    events.push(event);
    return await result;
  };
  frontDoor = await startFrontDoor({ invoke, ...options });
};

/** Sends a request as it is given, without the headers that fetch would add. */
const send = (method: string, path: string, headers: Record<string, string | string[]> = {}, body = '') =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const outgoing = httpRequest(frontDoor.url + path, { method, headers }, async (response) => {
      const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...kept } = response.headers;
      resolve({ status: response.statusCode ?? 0, headers: kept, body: (await buffer(response)).toString() });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });

const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const traceId = expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/);
const commonLogTime = expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
const body = '{"jobId":"1","name":"ä☂"}';
const port = () => new URL(frontDoor.url).port;

describe('a REST API', () => {
  test('gives the request as an event of format 1.0', async () => {
    await start(accepted);
    const sentAt = Date.now();
    await send(
      'POST',
      '/prefix/api/v1/terraform-rs?a=1&a=2&b=%C3%A4',
      {
        Authorization: 'Bearer t',
        'content-type': 'application/json',
        'X-Many': ['one', 'two'],
        'User-Agent': 'Netty',
      },
      body,
    );

    const headers = {
      Authorization: 'Bearer t',
      'content-type': 'application/json',
      'X-Many': 'two',
      'User-Agent': 'Netty',
      Host: `127.0.0.1:${port()}`,
      'X-Amzn-Trace-Id': traceId,
      'X-Forwarded-For': '127.0.0.1',
      'X-Forwarded-Port': '443',
      'X-Forwarded-Proto': 'https',
    };
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
    expect(events).toEqual([
      {
        resource: '/{proxy+}',
        path: '/prefix/api/v1/terraform-rs',
        httpMethod: 'POST',
        headers,
        multiValueHeaders: { ...lists, 'X-Many': ['one', 'two'] },
        queryStringParameters: { a: '2', b: 'ä' },
        multiValueQueryStringParameters: { a: ['1', '2'], b: ['ä'] },
        pathParameters: { proxy: 'prefix/api/v1/terraform-rs' },
        stageVariables: null,
        requestContext: {
          resourceId: 'proxy',
          resourcePath: '/{proxy+}',
          httpMethod: 'POST',
          extendedRequestId: expect.any(String),
          requestTime: commonLogTime,
          path: '/v1/prefix/api/v1/terraform-rs',
          accountId: '123456789012',
          protocol: 'HTTP/1.1',
          stage: 'v1',
          domainPrefix: 'local',
          requestTimeEpoch: expect.any(Number),
          requestId: uuid,
          identity: {
            cognitoIdentityPoolId: null,
            accountId: null,
            cognitoIdentityId: null,
            caller: null,
            sourceIp: '127.0.0.1',
            principalOrgId: null,
            accessKey: null,
            cognitoAuthenticationType: null,
            cognitoAuthenticationProvider: null,
            userArn: null,
            userAgent: 'Netty',
            user: null,
          },
          domainName: 'local.execute-api.eu-central-1.amazonaws.com',
          deploymentId: 'local',
          apiId: 'local',
        },
        body,
        isBase64Encoded: false,
      },
    ]);
    expect(events).toHaveProperty('0.requestContext.requestTimeEpoch', expect.closeTo(sentAt, -4));
  });

  test('gives no query and no body as null', async () => {
    await start(accepted);
    await send('GET', '/x');

    const absent = { queryStringParameters: null, multiValueQueryStringParameters: null, body: null };
    expect(events).toMatchObject([{ ...absent, isBase64Encoded: false }]);
  });

  test('gives bodies as base64 when its media types are binary', async () => {
    await start(accepted, { binary: true });
    await send('POST', '/x', {}, body);

    expect(events).toMatchObject([{ body: Buffer.from(body).toString('base64'), isBase64Encoded: true }]);
  });

  test('answers what the handler says', async () => {
    await start(
      answering({
        statusCode: 401,
        headers: { 'X-A': 1 },
        multiValueHeaders: { 'X-B': ['1', '2'] },
        body: '{"code":"ä"}',
      }),
    );

    expect(await send('POST', '/x')).toEqual({
      status: 401,
      headers: {
        'content-type': 'application/json',
        'content-length': '13',
        'x-amzn-requestid': uuid,
        'x-a': '1',
        'x-b': '1, 2',
      },
      body: '{"code":"ä"}',
    });
  });

  test.each([
    ['decodes a base64 answer when its media types are binary', true, 'häh'],
    ['leaves a base64 answer as it is otherwise', false, Buffer.from('häh').toString('base64')],
  ])('%s', async (_name, binary, expected) => {
    const answer = { statusCode: 200, body: Buffer.from('häh').toString('base64'), isBase64Encoded: true };
    await start(answering(answer), { binary });

    expect(await send('GET', '/x')).toMatchObject({ status: 200, body: expected });
  });

  const fault: InvokeResult = { status: 200, functionError: 'Unhandled', payload: '{"errorType":"Error"}' };
  test.each<[string, InvokeResult]>([
    ['when the handler throws', fault],
    ['when the function times out', { ...fault, payload: '{"errorType":"Sandbox.Timedout"}' }],
    ['when the function is throttled', { status: 429, payload: '{}' }],
    ['when the answer has no status', answering({ body: 'x' })],
    ['when the answer has a status that is none', answering({ statusCode: 'ok' })],
    ['when the answer has a body that is no text', answering({ statusCode: 200, body: { a: 1 } })],
    ['when the answer has a member that a proxy answer cannot have', answering({ statusCode: 200, cookies: [] })],
    ['when the answer is nothing', answering(null)],
  ])('answers 503 %s', async (_name, result) => {
    await start(result);

    expect(await send('POST', '/x')).toMatchObject({ status: 503, body: '{"message":"Internal server error"}' });
  });

  test('answers 503 when the function takes longer than the gateway waits', async () => {
    await start(new Promise(() => {}), { integrationTimeoutMs: 50 });

    expect(await send('POST', '/x')).toMatchObject({ status: 503, body: '{"message":"Endpoint request timed out"}' });
  });

  test('knows no route outside of its stage, nor at its root', async () => {
    await start(accepted, { stage: 'live' });
    expect(frontDoor.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/live$/);

    expect(await send('POST', '/')).toMatchObject({ status: 403, body: '{"message":"Missing Authentication Token"}' });
    expect(await send('POST', 'stock/x')).toMatchObject({ status: 403 });
    expect(events).toEqual([]);
  });
});

describe('a Function URL', () => {
  test('gives the request as an event of format 2.0', async () => {
    await start(accepted, { form: 'function-url' });
    await send(
      'POST',
      '/api/v1/terraform-rs?a=1&a=2',
      {
        Authorization: 'Bearer t',
        'Content-Type': 'application/json',
        'X-Many': ['one', 'two'],
        'User-Agent': 'Netty',
      },
      body,
    );

    expect(events).toEqual([
      {
        version: '2.0',
        routeKey: '$default',
        rawPath: '/api/v1/terraform-rs',
        rawQueryString: 'a=1&a=2',
        headers: {
          authorization: 'Bearer t',
          'content-type': 'application/json',
          'content-length': '28',
          'x-many': 'one,two',
          'user-agent': 'Netty',
          host: `127.0.0.1:${port()}`,
          'x-amzn-trace-id': traceId,
          'x-forwarded-for': '127.0.0.1',
          'x-forwarded-port': '443',
          'x-forwarded-proto': 'https',
        },
        queryStringParameters: { a: '1,2' },
        requestContext: {
          accountId: 'anonymous',
          apiId: 'local',
          domainName: 'local.lambda-url.eu-central-1.on.aws',
          domainPrefix: 'local',
          http: {
            method: 'POST',
            path: '/api/v1/terraform-rs',
            protocol: 'HTTP/1.1',
            sourceIp: '127.0.0.1',
            userAgent: 'Netty',
          },
          requestId: uuid,
          routeKey: '$default',
          stage: '$default',
          time: commonLogTime,
          timeEpoch: expect.any(Number),
        },
        body,
        isBase64Encoded: false,
      },
    ]);
  });

  test('gives a body that is not text by its type as base64', async () => {
    await start(accepted, { form: 'function-url' });
    await send('POST', '/x', { 'Content-Type': 'application/octet-stream' }, body);

    expect(events).toMatchObject([{ body: Buffer.from(body).toString('base64'), isBase64Encoded: true }]);
  });

  test('takes an answer without a status as the body', async () => {
    await start(answering({ hello: 1 }), { form: 'function-url' });

    expect(await send('GET', '/x')).toMatchObject({ status: 200, body: '{"hello":1}' });
  });

  test('cannot turn its own faults into 503', async () => {
    await start({ status: 200, functionError: 'Unhandled', payload: '{}' }, { form: 'function-url' });
    expect(await send('POST', '/x')).toMatchObject({ status: 502 });
    await frontDoor.close();

    await start({ status: 429, payload: '{}' }, { form: 'function-url' });
    expect(await send('POST', '/x')).toMatchObject({ status: 429 });
  });
});
