// What intake answers. Terrakube sends a dispatch again after 503 or a broken connection; on everything else but 202 it
// fails the user's job at once, and it never shows the body of an answer.
import type { MetricValues } from './metric-names.ts';

/** A dispatch POST, whatever gateway it came through. */
export interface HttpRequest {
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Uint8Array;
}

/** The codes of error answers. */
export type HttpErrorCode = 'unauthorized' | 'invalid_body' | 'not_found' | 'method_not_allowed' | 'unavailable';

/** An answer; `accepted` has an empty body, which Terrakube takes in any framing. */
export type HttpAnswer =
  | { readonly status: 202 }
  | { readonly status: 400 | 401 | 404 | 405 | 503; readonly code: HttpErrorCode; readonly message: string };

/** The path that Terrakube appends to the URL of an agent. */
export const DISPATCH_PATH = '/api/v1/terraform-rs';

const statusOf = {
  invalid_body: 400,
  unauthorized: 401,
  not_found: 404,
  method_not_allowed: 405,
  unavailable: 503,
} as const;

/** What is counted of an answer; a refusal by its code, too. */
export function answerMetrics(answer: HttpAnswer): [MetricValues, string?] {
  if (answer.status === 202) return [{ Accepted: 1 }];
  return answer.status === 503 ? [{ QueueUnavailable: 1 }] : [{ Refused: 1 }, answer.code];
}

/** An error answer. The message is for the person who set up the URL; it never quotes what was sent. */
export const refusal = (code: HttpErrorCode, message: string): HttpAnswer => ({
  status: statusOf[code],
  code,
  message,
});
