// The five ids are all that intake reads of a payload.
import * as v from 'valibot';
import { areDispatchIds, type DispatchIds, dispatchIds } from '../domain/dispatch-request.ts';
import { parseJsonBytes } from './json.ts';

const idsSchema = v.pipe(
  v.object({
    organizationId: v.string(),
    workspaceId: v.string(),
    // Terrakube writes it as a string; a number can be nothing else.
    jobId: v.pipe(
      v.unknown(),
      v.transform((id) => (Number.isSafeInteger(id) ? String(id) : id)),
      v.string(),
    ),
    stepId: v.string(),
    type: v.string(),
  }),
  v.check(areDispatchIds),
  v.transform(dispatchIds),
);

/** Reads the five ids of a payload; undefined when it is not JSON in UTF-8, or an id is missing or cannot be one. */
export const readIds = (payload: Uint8Array): DispatchIds | undefined => idsOf(parseJsonBytes(payload));

/** The same of a payload that was parsed before. */
export function idsOf(document: unknown): DispatchIds | undefined {
  const parsed = v.safeParse(idsSchema, document);
  return parsed.success ? parsed.output : undefined;
}
