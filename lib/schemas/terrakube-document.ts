// Terrakube's JSON:API documents, as far as they are read.
import * as v from 'valibot';
import { stepId } from '../domain/dispatch-request.ts';
import type { TerrakubeJob } from '../domain/terrakube-job.ts';
import { parseJsonText } from './json.ts';

const terrakubeJobSchema = v.object({
  data: v.object({
    attributes: v.object({ status: v.string(), comments: v.optional(v.nullable(v.string()), null) }),
  }),
  included: v.optional(
    v.array(
      v.object({
        type: v.string(),
        id: v.string(),
        attributes: v.object({
          name: v.optional(v.nullable(v.string()), null),
          output: v.optional(v.nullable(v.string()), null),
          status: v.optional(v.string(), ''),
          stepNumber: v.optional(v.number(), 0),
        }),
      }),
    ),
    [],
  ),
});

/** Reads Terrakube's JSON:API document of a job with its steps; undefined when it is not one. */
export function parseTerrakubeJob(text: string): TerrakubeJob | undefined {
  const parsed = v.safeParse(terrakubeJobSchema, parseJsonText(text));
  if (!parsed.success) return undefined;
  const { data, included } = parsed.output;
  const steps = included
    .filter(({ type }) => type === 'step')
    .map(({ id, attributes }) => ({ ...attributes, id: stepId(id), name: attributes.name ?? '' }))
    .sort((one, other) => one.stepNumber - other.stepNumber);
  return { ...data.attributes, steps };
}

const errorsSchema = v.object({ errors: v.array(v.object({ detail: v.string() })) });

/** The details of Terrakube's JSON:API errors; empty when the text holds none. */
export function parseTerrakubeErrors(text: string): readonly string[] {
  const parsed = v.safeParse(errorsSchema, parseJsonText(text));
  return parsed.success ? parsed.output.errors.map(({ detail }) => detail) : [];
}
