// A page of Terrakube's list of steps, with the jobs that they belong to.
import * as v from 'valibot';
import { stepId } from '../domain/dispatch-request.ts';
import type { ListedTerrakubeJob, TerrakubeStep } from '../domain/terrakube-job.ts';
import { parseIsoTime } from '../domain/time.ts';
import { parseJsonText } from './json.ts';

/** A page, as far as it can be read. */
export interface TerrakubeStepPage {
  /** As of this page; both are 0 beyond the end of the list. */
  readonly totalPages: number;
  readonly totalRecords: number;
  readonly jobs: readonly Omit<ListedTerrakubeJob, 'steps'>[];
  readonly steps: readonly { readonly jobId: string; readonly step: TerrakubeStep }[];
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const rows = v.array(v.unknown());
const pageSchema = v.object({
  data: rows,
  included: v.optional(rows, []),
  // Without totals nobody would see that a list is cut off.
  meta: v.object({ page: v.object({ totalPages: count, totalRecords: count }) }),
});

const text = v.optional(v.nullable(v.string()), null);
const toOne = v.object({ data: v.object({ id: v.string() }) });
const stepSchema = v.object({
  type: v.literal('step'),
  id: v.string(),
  attributes: v.object({ status: v.string(), stepNumber: v.number(), name: text, output: text }),
  relationships: v.object({ job: toOne }),
});
const jobSchema = v.object({
  type: v.literal('job'),
  id: v.string(),
  attributes: v.object({ status: v.string(), comments: text, updatedDate: text }),
  relationships: v.object({ organization: toOne, workspace: toOne }),
});

/**
 * Reads a page of steps; undefined when the text is none. A row that cannot be read is left out: what is deleted while
 * Terrakube answers has lost the resources that it belonged to.
 */
export function parseTerrakubeSteps(page: string): TerrakubeStepPage | undefined {
  const parsed = v.safeParse(pageSchema, parseJsonText(page));
  if (!parsed.success) return undefined;
  const { data, included, meta } = parsed.output;
  const steps = data.flatMap((row) => {
    const { success, output } = v.safeParse(stepSchema, row);
    if (!success) return [];
    const { id, attributes, relationships } = output;
    return [{ jobId: relationships.job.data.id, step: { ...attributes, id: stepId(id), name: attributes.name ?? '' } }];
  });
  const jobs = included.flatMap((row) => {
    const { success, output } = v.safeParse(jobSchema, row);
    if (!success) return [];
    const { id, attributes, relationships } = output;
    const { status, comments, updatedDate } = attributes;
    return [
      {
        id,
        organizationId: relationships.organization.data.id,
        workspaceId: relationships.workspace.data.id,
        status,
        comments,
        updatedAt: parseIsoTime(updatedDate ?? ''),
      },
    ];
  });
  return { ...meta.page, jobs, steps };
}
