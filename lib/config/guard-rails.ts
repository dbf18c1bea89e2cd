// The setting `GuardRails`: JSON. A key that is not known is a fault, since a misspelt rule would protect nothing.
import * as v from 'valibot';
import type { GuardRails } from '../domain/guard-rails.ts';
import { parseQuantity } from '../domain/quantity.ts';
import { text, type WithDefault } from './parts.ts';

const NOT_OBJECT = 'must be a JSON object';
const NOT_PATTERNS = 'must be a list of regular expressions, without repeated groups and with at most three of * and +';
const NOT_QUANTITY = 'must be a quantity, such as "8Gi"';
const NOT_FLAG = 'must be true or false, without quotes';

const patterns = v.optional(
  v.array(
    v.pipe(
      v.string(NOT_PATTERNS),
      v.transform(toPattern),
      v.check((pattern) => pattern !== undefined, NOT_PATTERNS),
      v.transform((pattern) => pattern ?? /^$/),
    ),
    NOT_PATTERNS,
  ),
);
const maximum = v.optional(v.pipe(v.string(NOT_QUANTITY), v.transform(parseQuantity), v.bigint(NOT_QUANTITY)));
const right = v.optional(v.boolean(NOT_FLAG), false);

/** Reads the setting. */
export const guardRails: WithDefault<GuardRails> = v.optional(
  v.pipe(
    text,
    v.parseJson(undefined, NOT_OBJECT),
    // valibot takes a list for an object, an empty one even for a strict object.
    v.check((value) => !Array.isArray(value), NOT_OBJECT),
    v.strictObject(
      {
        serviceAccounts: patterns,
        configMaps: patterns,
        persistentVolumeClaims: patterns,
        env: patterns,
        labels: patterns,
        podAnnotations: patterns,
        nodeSelectorKeys: patterns,
        tolerationKeys: patterns,
        maxCpu: maximum,
        maxMemory: maximum,
        maxEphemeralStorage: maximum,
        allowPrivilegeEscalation: right,
        allowRunAsRoot: right,
      },
      ({ expected }) => (expected === 'never' ? 'is not a key of it' : NOT_OBJECT),
    ),
    v.transform(({ maxCpu, maxMemory, maxEphemeralStorage, allowPrivilegeEscalation, allowRunAsRoot, ...named }) => ({
      patterns: named,
      maxima: { maxCpu, maxMemory, maxEphemeralStorage },
      allowPrivilegeEscalation,
      allowRunAsRoot,
    })),
  ),
  '{}',
);

/**
 * A pattern that goes over a name in many ways would take hours for a name that a workspace chooses: `(a+)+$` doubles with
 * every character, and each `*` more multiplies by the length.
 */
const MOST_REPETITIONS = 3;

function toPattern(source: string): RegExp | undefined {
  const bare = source.replace(/\\./g, '').replace(/\[[^\]]*\]/g, 'x');
  const repetitions = bare.match(/[*+]|\{\d+,\d*\}/g) ?? [];
  if (/\)(?:[*+]|\{)/.test(bare) || repetitions.length > MOST_REPETITIONS) return undefined;
  try {
    return new RegExp(source);
  } catch {
    return undefined;
  }
}
