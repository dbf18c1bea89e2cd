// HTTP requests, in the forms that Lambda's gateways give them.
import * as v from 'valibot';
import { DispatcherError } from '../domain/errors.ts';
import type { HttpRequest } from '../domain/http.ts';

const headersSchema = v.nullish(v.record(v.string(), v.optional(v.string())), {});

const restApiEventSchema = v.object({
  httpMethod: v.string(),
  path: v.string(),
  headers: headersSchema,
  body: v.nullish(v.string(), ''),
  isBase64Encoded: v.optional(v.boolean(), false),
});

const functionUrlEventSchema = v.object({
  requestContext: v.object({ http: v.object({ method: v.string() }) }),
  rawPath: v.string(),
  headers: headersSchema,
  body: v.nullish(v.string(), ''),
  isBase64Encoded: v.optional(v.boolean(), false),
});

/**
 * Reads an HTTP event: REST API (payload format 1.0), or Function URL and HTTP API (2.0).
 *
 * @throws DispatcherError `messageUnreadable` for any other event.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
export function parseHttpEvent(event: unknown): HttpRequest {
  const rest = v.safeParse(restApiEventSchema, event);
  if (rest.success) {
    const { httpMethod, path, ...message } = rest.output;
    return { method: httpMethod, path, ...httpMessage(message) };
  }
  const url = v.safeParse(functionUrlEventSchema, event);
  if (!url.success)
    throw new DispatcherError(
      'messageUnreadable',
      'The event is not an HTTP request of API Gateway or a Function URL.',
    );
  const { requestContext, rawPath, ...message } = url.output;
  return { method: requestContext.http.method, path: rawPath, ...httpMessage(message) };
}

function httpMessage(message: {
  readonly headers: Readonly<Record<string, string | undefined>> | null;
  readonly body: string | null;
  readonly isBase64Encoded: boolean;
}): Pick<HttpRequest, 'authorization' | 'body'> {
  const entry = Object.entries(message.headers ?? {}).find(([name]) => name.toLowerCase() === 'authorization');
  return {
    authorization: entry?.[1],
    body: Buffer.from(message.body ?? '', message.isBase64Encoded ? 'base64' : 'utf8'),
  };
}
