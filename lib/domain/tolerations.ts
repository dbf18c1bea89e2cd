// Terrakube's syntax of tolerations: `key[=value][:operator[:effect]]`, with `;` between two of them. Terrakube's own
// reader tolerates every taint when a key is empty, cannot use `key=value` alone, and ends with an error on `key=`.
import { isKey, isLabelValue } from './kubernetes-syntax.ts';

/** A toleration; without an effect it is of all effects. */
export interface Toleration {
  readonly key: string;
  readonly operator: 'Exists' | 'Equal';
  readonly value?: string;
  readonly effect?: string;
}

/** What is wrong with one toleration, and how to write it. */
export interface TolerationFault {
  readonly problem: string;
  readonly fix: string;
}

const EFFECTS: readonly string[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const FORM = 'Write key:Exists:effect or key=value:Equal:effect, with ";" between two tolerations.';

/** Reads one toleration. A value without an operator means `Equal`. */
export function parseToleration(text: string): Toleration | TolerationFault {
  const [match = '', operator = '', effect = '', ...more] = text.split(':').map((part) => part.trim());
  const [key = '', value] = splitOnce(match);
  if (key === '') return { problem: 'has no key and would tolerate every taint', fix: FORM };
  if (more.length > 0 || !isKey(key) || !isLabelValue(value ?? '')) return { problem: 'is no toleration', fix: FORM };
  const known = operator || (value === undefined ? 'Exists' : 'Equal');
  if (known !== 'Exists' && known !== 'Equal') {
    const example = `${match}:${value === undefined ? 'Exists' : 'Equal'}:${known}`;
    return EFFECTS.includes(known)
      ? { problem: 'has an effect where the operator belongs', fix: `Write ${example}.` }
      : { problem: 'has an unknown operator', fix: 'The operators are Exists and Equal.' };
  }
  if (known === 'Exists' && value !== undefined) {
    return { problem: 'has a value, which Exists does not take', fix: `Write ${key}:Exists, or ${match}:Equal.` };
  }
  if (effect !== '' && !EFFECTS.includes(effect)) {
    return { problem: 'has an unknown effect', fix: `The effects are ${EFFECTS.join(', ')}.` };
  }
  return { key, operator: known, ...(value === undefined ? {} : { value }), ...(effect === '' ? {} : { effect }) };
}

/** The texts before and after the first `=`, without blanks at their ends; only the first when there is none. */
export function splitOnce(pair: string): readonly [key: string, value?: string] {
  const divider = pair.indexOf('=');
  return divider < 0 ? [pair.trim()] : [pair.slice(0, divider).trim(), pair.slice(divider + 1).trim()];
}
