// The values of `EPHEMERAL_*` variables, one reader per syntax. A reader gives what it could read and reports the rest: all
// mistakes of a workspace are told at once. https://docs.terrakube.io/getting-started/deployment/ephemeral-agents
import { isEnvName, isKey, isLabelValue, isMountPath, isObjectName } from './kubernetes-syntax.ts';
import { parseQuantity, type Quantity } from './quantity.ts';
import { parseToleration, splitOnce, type Toleration } from './tolerations.ts';

/** What is wrong with the value of a variable. It reads as a sentence: variable, problem, value. */
export interface OptionProblem {
  readonly variable: string;
  /** For example `is not a quantity`. */
  readonly problem: string;
  /** The part of the value that is at fault, where it can be no secret. */
  readonly value?: string;
  /** What to write instead, as a sentence. */
  readonly fix: string;
}

/** An environment variable of the executor. */
export interface EnvVar {
  readonly name: string;
  readonly value: string;
}

/** Takes a problem with the variable that is being read. */
export type Report = (problem: string, fix: string, value?: string) => void;

/** Reads a text, and reports what is wrong with it. */
export type Reader<T> = (text: string, report: Report) => T;

/** Names and values without an order. */
export type StringMap = Readonly<Record<string, string>>;

const KEY_FIX = 'A key has at most 63 letters, digits, "-", "_" and ".", perhaps after a domain and "/".';
const VALUE_FIX = 'A value has at most 63 letters, digits, "-", "_" and ".", a letter or digit at each end.';
const NAME_FIX = 'Names in the cluster have lower-case letters, digits, "-" and ".", at most 253.';
const PAIRS_FIX = 'Write name=value, with ";" between two of them.';

/** Reads `k=v;k=v` with keys and values as labels have them. A key without `=` has the empty value; the last one counts. */
export function readLabels(text: string, report: Report): StringMap {
  return readMap(text, report, (key, value) => {
    if (isLabelValue(value)) return isKey(key);
    report('has a value that no label can have', VALUE_FIX, value);
    return isKey(key) ? undefined : false;
  });
}

/** Reads `k=v;k=v` with keys as annotations have them, and any values. */
export const readAnnotations = (text: string, report: Report): StringMap =>
  // The API server looks at an annotation's key in lower case.
  readMap(text, report, (key) => isKey(key.toLowerCase()));

/** @param check whether a key is one; undefined when its value is at fault. */
function readMap(text: string, report: Report, check: (key: string, value: string) => boolean | undefined): StringMap {
  const pairs = parts(text, ';').flatMap((pair) => {
    const [key, value = ''] = splitOnce(pair);
    const isGood = check(key, value);
    if (isGood === false) report('has a key that is not valid', KEY_FIX, key);
    return isGood ? [[key, value] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/**
 * Reads `NAME=value;NAME=value`. What is not a name is not quoted: it may be the rest of a secret that holds a `;`, which is
 * also why a pair without `=` is a mistake here.
 */
export function readEnv(text: string, report: Report): readonly EnvVar[] {
  const seen = new Set<string>();
  return parts(text, ';').flatMap((pair, index) => {
    const [name, value] = splitOnce(pair);
    const twice = seen.has(name);
    if (value === undefined || !isEnvName(name)) {
      report(`has no name and "=" in pair ${index + 1}`, PAIRS_FIX);
      return [];
    }
    if (twice) report('gives a name twice', 'Leave one of them out.', name);
    seen.add(name);
    return twice ? [] : [{ name, value }];
  });
}

/** Reads tolerations. */
export function readTolerations(text: string, report: Report): readonly Toleration[] {
  return parts(text, ';').flatMap((part) => {
    const parsed = parseToleration(part);
    if (!('problem' in parsed)) return [parsed];
    report(parsed.problem, parsed.fix, part);
    return [];
  });
}

/** Reads names of objects in the cluster, with `,` between two of them. */
export function readNames(text: string, report: Report): readonly string[] {
  return [...new Set(parts(text, ','))].filter((name) => {
    const isGood = isObjectName(name);
    if (!isGood) report('is not a name in the cluster', NAME_FIX, name);
    return isGood;
  });
}

/** Reads one name of an object in the cluster. */
export function readName(text: string, report: Report): string | undefined {
  if (isObjectName(text)) return text;
  report('is not a name in the cluster', NAME_FIX, text);
  return undefined;
}

/** Reads a path to mount something at. */
export function readMountPath(text: string, report: Report): string | undefined {
  if (isMountPath(text)) return text.replace(/\/$/, '');
  report('is not a path to mount at', 'Write an absolute path without ":" and "..", such as /data.', text);
  return undefined;
}

/** Reads `true` or `false`, in any case as Java does; what Java silently takes for false is a mistake. */
export function readFlag(text: string, report: Report): boolean | undefined {
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  report('is neither true nor false', 'Write true or false.', text);
  return undefined;
}

/** Largest id of a user or group. */
const MAX_ID = 2_147_483_647;

/** Reads the number of a user or group. */
export function readId(text: string, report: Report): number | undefined {
  if (/^[0-9]{1,10}$/.test(text) && Number(text) <= MAX_ID) return Number(text);
  report('is not the number of a user or group', `Write a number from 0 to ${MAX_ID}.`, text);
  return undefined;
}

/** Reports keys of `key=value;key=value` that are not known. */
export const checkKeys =
  (keys: readonly string[]): Reader<void> =>
  (text, report) => {
    for (const [key] of parts(text, ';').map(splitOnce)) {
      if (!keys.includes(key)) report('has an unknown key', `The keys are: ${keys.join(', ')}.`, key);
    }
  };

/** Reads one value of `key=value;key=value`, the last of its key; undefined when there is none. */
export const readField =
  <T>(key: string, reader: Reader<T>): Reader<T | undefined> =>
  (text, report) => {
    const found = parts(text, ';')
      .map(splitOnce)
      .findLast((pair) => pair[0] === key);
    return found && reader(found[1] ?? '', (problem, fix) => report(problem, fix, found.join('=')));
  };

/** A quantity as it was written, and what it comes to. */
export interface Amount {
  readonly text: string;
  readonly nanos: Quantity;
}

/** Reads an amount of a resource. */
export function readAmount(text: string, report: Report, unit: 'cores' | 'bytes'): Amount | undefined {
  const nanos = parseQuantity(text);
  const fix = `Write ${unit === 'cores' ? '500m, 1.5 or 2' : '512Mi, 2Gi or 500M'}, for example.`;
  switch (nanos) {
    case 'notQuantity':
      report('is not a quantity', fix, text);
      return undefined;
    case 'negative':
      report('is negative', fix, text);
      return undefined;
    case 'tooLarge':
      report('is larger than Kubernetes can count', fix, text);
      return undefined;
  }
  if (unit === 'cores' || !/[num]$/.test(text)) return { text, nanos };
  report('counts parts of a byte', fix, text);
  return undefined;
}

/** The parts of a list, without blanks at their ends and without the empty ones. */
const parts = (text: string, divider: string): readonly string[] =>
  text
    .split(divider)
    .map((part) => part.trim())
    .filter((part) => part !== '');
