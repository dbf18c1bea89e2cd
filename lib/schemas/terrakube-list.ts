// A page of Terrakube's list of steps, with the jobs that they belong to.
import * as v from 'valibot';
import { stepId } from '../domain/dispatch-request.ts';
import type { ListedTerrakubeJob, TerrakubeStep } from '../domain/terrakube-job.ts';
import { parseIsoTime } from '../domain/time.ts';
import { parseJsonParts } from './json-parts.ts';

/** A page, as far as it can be read. */
export interface TerrakubeStepPage {
  /** As of this page; both are 0 beyond the end of the list. */
  readonly totalPages: number;
  readonly totalRecords: number;
  readonly jobs: readonly Omit<ListedTerrakubeJob, 'steps'>[];
  readonly steps: readonly { readonly jobId: string; readonly step: TerrakubeStep }[];
}

const rows = v.array(v.unknown());
const pageSchema = v.object({
  data: rows,
  included: v.optional(rows, []),
  // Without totals nobody would see that a list is cut off.
  meta: v.object({ page: v.object({ totalPages: v.number(), totalRecords: v.number() }) }),
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

const ROW = { type: true, id: true, attributes: true, relationships: true } as const;

/**
 * Reads a page of steps; undefined when the text is none. A row that cannot be read is left out: what is deleted while
 * Terrakube answers has lost the resources that it belonged to.
 *
 * @param page is used up.
 */
export function parseTerrakubeSteps(page: Buffer<ArrayBuffer>): TerrakubeStepPage | undefined {
  const steps: TerrakubeStepPage['steps'][number][] = [];
  const jobs: TerrakubeStepPage['jobs'][number][] = [];
  const value = parseJsonParts(page, { data: ROW, included: ROW, meta: true }, (row, list) => {
    if (list === 'data') {
      const step = v.safeParse(stepSchema, row);
      if (step.success) steps.push(stepOf(step.output));
    } else {
      const job = v.safeParse(jobSchema, row);
      if (job.success) jobs.push(jobOf(job.output));
    }
  });
  const parsed = v.safeParse(pageSchema, value);
  return parsed.success ? { ...parsed.output.meta.page, jobs, steps } : undefined;
}

function stepOf({ id, attributes, relationships }: v.InferOutput<typeof stepSchema>) {
  return { jobId: relationships.job.data.id, step: { ...attributes, id: stepId(id), name: attributes.name ?? '' } };
}

function jobOf({ id, attributes, relationships }: v.InferOutput<typeof jobSchema>) {
  const { status, comments, updatedDate } = attributes;
  return {
    id,
    organizationId: relationships.organization.data.id,
    workspaceId: relationships.workspace.data.id,
    status,
    comments,
    updatedAt: parseIsoTime(updatedDate ?? ''),
  };
}
