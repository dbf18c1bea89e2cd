// What the Kubernetes API answers when it does not do it.
import * as v from 'valibot';
import type { ApiRefusal } from '../domain/create-answer.ts';
import { parseJsonText } from './json.ts';

const statusSchema = v.object({
  kind: v.literal('Status'),
  reason: v.optional(v.string()),
  message: v.optional(v.string(), ''),
  details: v.optional(
    v.nullable(
      v.object({
        kind: v.optional(v.string()),
        retryAfterSeconds: v.optional(v.number()),
        causes: v.optional(
          v.array(v.object({ field: v.optional(v.string()), message: v.optional(v.string(), '') })),
          [],
        ),
      }),
    ),
  ),
});

/**
 * Reads an answer of the Kubernetes API that is not a success: a Status object, or the plain text that a throttled
 * request gets.
 *
 * @param retryAfter the Retry-After header, in seconds.
 */
export function parseApiRefusal(status: number, body: string, retryAfter: string | undefined): ApiRefusal {
  const parsed = v.safeParse(statusSchema, parseJsonText(body));
  const details = parsed.success ? parsed.output.details : undefined;
  const retryAfterSeconds =
    details?.retryAfterSeconds ?? (/^[0-9]+$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined);
  return {
    status,
    message: parsed.success ? parsed.output.message : '',
    causes: (details?.causes ?? []).map(({ field, message }) => ({
      message,
      ...(field === undefined ? {} : { field }),
    })),
    ...(parsed.success && parsed.output.reason !== undefined ? { reason: parsed.output.reason } : {}),
    ...(details?.kind === undefined ? {} : { kind: details.kind }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}
