/** JSON as a type, and the narrowing that the readers of templates and answers need. */

/** A JSON value. */
export type Json = null | boolean | number | string | JsonList | JsonMap;

/** A JSON array. */
export type JsonList = readonly Json[];

/** A JSON object. */
export interface JsonMap {
  readonly [name: string]: Json;
}

/** Says whether the value is an array. */
export function isList(value: Json | undefined): value is JsonList {
  return Array.isArray(value);
}

/** Says whether the value is an object. */
export function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !isList(value);
}

/**
 * Turns a parsed document into JSON.
 *
 * @throws {@link TypeError} when the document holds anything that JSON does not know, such as a date.
 */
export function toJson(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map(toJson);
  }
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
  }
  throw new TypeError(`not a JSON value: ${String(value)}`);
}
