/**
 * Jobs and steps as JSON:API resources, with Elide's order of attributes and its sparse fieldsets.
 * @see https://jsonapi.org/format/1.0/#fetching-sparse-fieldsets
 */
import { notModelled } from './errors.ts';
import type { Job, Scalar, Step } from './world.ts';

/** A resource object. */
export interface Resource {
  readonly type: string;
  readonly id: string;
  readonly attributes?: Readonly<Record<string, Scalar>>;
  readonly relationships?: Readonly<Record<string, Relationship>>;
}

/** A document with one resource or many. */
export interface Document {
  readonly data: Resource | readonly Resource[];
  readonly meta?: object;
  readonly included?: readonly Resource[];
}

/** The names that `fields[type]` asks for; undefined is all of them. */
export type Fields = readonly string[] | undefined;

interface Relationship {
  readonly data: Identifier | readonly Identifier[];
}

interface Identifier {
  readonly type: string;
  readonly id: string;
}

/** A job as a resource. */
export function jobResource(job: Job, fields: Fields): Resource {
  const attributes: Record<string, Scalar> = {
    ...job.row.values,
    createdDate: minutes(job.createdAtMs),
    status: job.row.status,
    updatedDate: minutes(job.row.updatedAtMs),
  };
  const names = Object.keys(attributes).sort();
  const steps = job.steps.map(({ stepId }) => stepId).sort();
  return sparse(
    {
      type: 'job',
      id: String(job.id),
      attributes: Object.fromEntries(names.map((name) => [name, attributes[name] ?? null])),
      relationships: {
        address: { data: [] },
        organization: { data: { type: 'organization', id: job.organizationId } },
        step: { data: steps.map((id) => ({ type: 'step', id })) },
        workspace: { data: { type: 'workspace', id: job.workspaceId } },
      },
    },
    fields,
  );
}

/** A step as a resource. */
export function stepResource(job: Job, step: Step, fields: Fields): Resource {
  const { name, output, status, stepNumber } = step;
  return sparse(
    {
      type: 'step',
      id: step.stepId,
      attributes: { name, output, status, stepNumber },
      relationships: { job: { data: { type: 'job', id: String(job.id) } } },
    },
    fields,
  );
}

/** Terrakube shows dates to the minute: `2026-11-24T18:51Z`. */
function minutes(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16)}Z`;
}

function sparse(resource: Required<Resource>, fields: Fields): Resource {
  if (fields === undefined) return resource;
  const { type, id, attributes, relationships } = resource;
  const unknown = fields.find((name) => !(name in attributes) && !(name in relationships));
  if (unknown !== undefined) throw notModelled(`fields[${type}]=${unknown}`);
  const kept = pick(attributes, fields);
  const related = pick(relationships, fields);
  return {
    type,
    id,
    ...(Object.keys(kept).length > 0 ? { attributes: kept } : {}),
    ...(Object.keys(related).length > 0 ? { relationships: related } : {}),
  };
}

function pick<T>(from: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}
