/** Answers recorded from a real Kubernetes 1.36 API server (test/fixtures/kubernetes/api). */

import { readFileSync } from 'node:fs';
import { isObject, type Json, type JsonObject, objectAt } from '../../local/json.ts';

/** One recorded exchange. */
export interface Recorded {
  readonly request: { readonly body: JsonObject };
  readonly response: { readonly status: number; readonly headers: Record<string, string>; readonly body: Json };
}

/** Reads a recording. `names` replaces the recording's names and uids by those of the test, wherever they stand. */
export function recorded(file: string, names: Readonly<Record<string, string>> = {}): Recorded {
  const path = new URL(`../fixtures/kubernetes/api/${file}.json`, import.meta.url);
  let text = readFileSync(path, 'utf8');
  for (const [from, to] of Object.entries(names)) {
    text = text
      .replaceAll(`"${from}"`, `"${to}"`)
      .replaceAll(`\\"${from}\\"`, `\\"${to}\\"`)
      .replaceAll(`(${from})`, `(${to})`);
  }
  const exchange: Json = JSON.parse(text);
  const response = objectAt(exchange, 'response');
  const headers = Object.fromEntries(
    Object.entries(objectAt(response, 'headers')).map(([key, value]) => [key, String(value)]),
  );
  const body = objectAt(exchange, 'request')['body'];
  return {
    request: { body: isObject(body) ? body : {} },
    response: { status: Number(response['status']), headers, body: response['body'] ?? null },
  };
}
