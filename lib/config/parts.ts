// Parts of which the schemas of settings are made. The marks let the bundle of a function go without the settings of others.
import * as v from 'valibot';
import { isObjectName } from '../domain/kubernetes-syntax.ts';

/** A process environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A text without blanks at its ends. */
export const text: v.SchemaWithPipe<readonly [v.StringSchema<undefined>, v.TrimAction]> = v.pipe(v.string(), v.trim());

/** A text with a default. */
export type WithDefault<Output> = v.GenericSchema<string | undefined, Output>;

/** A whole number of seconds. */
// @__NO_SIDE_EFFECTS__
export const positive = (fallback: string): WithDefault<number> =>
  v.optional(
    v.pipe(text, v.regex(/^[1-9][0-9]{0,8}$/, 'must be a whole number of seconds, 1 or more'), v.transform(Number)),
    fallback,
  );

/** `true` or `false`. */
// @__NO_SIDE_EFFECTS__
export const bool = (fallback: 'true' | 'false'): WithDefault<boolean> =>
  v.optional(
    v.pipe(
      text,
      v.picklist(['true', 'false'], 'must be true or false'),
      v.transform((value) => value === 'true'),
    ),
    fallback,
  );

/** The namespace of the executors. */
export const executorNamespace: WithDefault<string> = v.optional(
  v.pipe(text, v.regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a namespace')),
  'terrakube',
);
/** The clock of one step. */
export const activeDeadline: WithDefault<number> = positive('21000');
/** How long an executor has to end. */
export const terminationGrace: WithDefault<number> = positive('60');

/** Names of objects in the cluster, with `,` between two of them. */
// @__NO_SIDE_EFFECTS__
export const names = (fallback: string): WithDefault<readonly string[]> =>
  v.optional(
    v.pipe(
      text,
      v.transform((value) =>
        value
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== ''),
      ),
      v.everyItem(isObjectName, 'must be names of objects in the cluster, separated by commas'),
    ),
    fallback,
  );

/** An empty setting is an absent one, but for this list, where it means "none". */
const EMPTY_COUNTS = 'ExecutorEphemeralSecret';

/** Reads the settings that a schema knows. @param faults takes every setting that is wrong, without its value. */
export function parseSettings<const Schema extends v.GenericSchema>(
  schema: Schema,
  environment: Environment,
  faults: string[],
): v.InferOutput<Schema> | undefined {
  const given = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => value !== undefined && (value.trim() !== '' || name === EMPTY_COUNTS),
    ),
  );
  const parsed = v.safeParse(schema, given);
  if (parsed.success) return parsed.output;
  faults.push(...parsed.issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`));
  return undefined;
}
