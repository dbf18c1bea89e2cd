/**
 * The refusals of the Terrakube API in their recorded shapes: Elide's `errors` list, Spring Boot's error object, or nothing.
 */
import { STATUS_CODES } from 'node:http';

/** An answer to a request. An object is sent as JSON. */
export interface ApiResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
}

/** The media type of JSON:API. */
export const JSON_API = 'application/vnd.api+json';

/** Thrown by whoever finds the fault; the server sends the response. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly response: ApiResponse;

  constructor(response: ApiResponse) {
    super(`Terrakube answers ${response.status}`);
    this.response = response;
  }
}

/** Elide's answer: one `detail`. Tomcat closes the connection after a 400. */
export function refuse(status: number, detail: string): Refusal {
  const close: Record<string, string> = status === 400 ? { connection: 'close' } : {};
  return new Refusal({ status, headers: { 'content-type': JSON_API, ...close }, body: { errors: [{ detail }] } });
}

/** 404 for a job or step that is not there. */
export function unknownIdentifier(id: string, type: 'job' | 'step'): Refusal {
  return refuse(404, `Unknown identifier [${id}] for ${type}`);
}

/** 400 for a value that does not fit its type. */
export function invalidValue(value: string): Refusal {
  return refuse(400, `Invalid value: ${value}`);
}

/** Spring Boot's answer, sent in chunks. `accept` is the header of the request: Boot answers in that type where it can. */
export function bootError(status: number, request: { readonly path: string; readonly accept?: string }): Refusal {
  const close: Record<string, string> = status === 500 || status === 400 ? { connection: 'close' } : {};
  return new Refusal({
    status,
    headers: {
      'content-type': request.accept?.includes(JSON_API) === true ? JSON_API : 'application/json',
      'transfer-encoding': 'chunked',
      ...close,
    },
    body: {
      timestamp: new Date().toISOString().replace('Z', '+00:00'),
      status,
      error: STATUS_CODES[status] ?? '',
      path: request.path,
    },
  });
}

/** Something that the real API may well do and that was never recorded. Better a loud answer than a made-up one. */
export function notModelled(what: string): Refusal {
  return new Refusal({ status: 501, body: `The stand-in Terrakube does not model this: ${what}\n` });
}
