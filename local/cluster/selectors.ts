/**
 * Label and field selectors of list and watch.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */

import { at, type JsonObject, objectAt } from '../json.ts';
import { badRequest } from './statuses.ts';

/** Decides whether an object is selected. */
export type Selector = (object: JsonObject) => boolean;

/**
 * Reads `labelSelector`: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.
 *
 * @throws Refusal 400 when it cannot be read.
 */
export function parseLabelSelector(text: string): Selector {
  const requirements = splitOutsideParentheses(text).map(parseRequirement);
  return (object) => {
    const labels = objectAt(object, 'metadata', 'labels');
    return requirements.every((holds) => holds(labels));
  };
}

/**
 * Reads `fieldSelector`: `path=value`, `path==value` and `path!=value`, joined by commas. An absent field is the empty text.
 *
 * @throws Refusal 400 when it cannot be read.
 */
export function parseFieldSelector(text: string): Selector {
  const terms = text
    .split(',')
    .filter((term) => term !== '')
    .map((term): Selector => {
      const found = /^\s*([\w.]+)\s*(!=|==|=)\s*(.*?)\s*$/.exec(term);
      if (found === null) throw badRequest(`unable to parse field selector: ${term}`);
      const [, path = '', operator, wanted = ''] = found;
      return (object) => (String(at(object, ...path.split('.')) ?? '') === wanted) === (operator !== '!=');
    });
  return (object) => terms.every((holds) => holds(object));
}

function parseRequirement(text: string): (labels: JsonObject) => boolean {
  const set = /^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$/.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return operator === 'in'
      ? (labels) => values.includes(String(labels[key] ?? '')) && labels[key] !== undefined
      : (labels) => labels[key] === undefined || !values.includes(String(labels[key]));
  }
  const equality = /^\s*([\w./-]+)\s*(!=|==|=)\s*([\w.-]*)\s*$/.exec(text);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const existence = /^\s*(!?)\s*([\w./-]+)\s*$/.exec(text);
  if (existence === null) throw badRequest(`unable to parse requirement: ${text}`);
  const [, negated, key = ''] = existence;
  return negated === '!' ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
}

function splitOutsideParentheses(text: string): readonly string[] {
  return text.split(/,(?![^(]*\))/).filter((term) => term.trim() !== '');
}
