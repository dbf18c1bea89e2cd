/** The payload, as far as a demo needs it: which step of which job this is, and what it should pretend to do. */

import { isObject, type Json, textAt } from '../json.ts';

/** The five ids of a dispatch. */
export interface Payload {
  readonly organizationId: string;
  readonly workspaceId: string;
  readonly jobId: string;
  readonly stepId: string;
  /** `terraformPlan`, `terraformApply`, `customScripts` … */
  readonly type: string;
}

/**
 * Decodes `EphemeralJobData`: one line of base64. Undefined when the JSON in it is not a payload, which the real executor only
 * logs.
 *
 * @throws Error when it is not base64.
 */
export function parsePayload(data: string): Payload | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw new Error('EphemeralJobData is not one line of base64.');
  const json = parseJson(Buffer.from(data, 'base64').toString('utf8'));
  if (!isObject(json)) return undefined;
  const ids = ['organizationId', 'workspaceId', 'jobId', 'stepId', 'type'].map((key) => textAt(json, key));
  const [organizationId, workspaceId, jobId, stepId, type] = ids;
  if (!organizationId || !workspaceId || !jobId || !stepId || !type) return undefined;
  return { organizationId, workspaceId, jobId, stepId, type };
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
