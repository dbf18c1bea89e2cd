// Reads a file that a person names, or standard input.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseJsonText } from '../lib/schemas/json.ts';
import { UsageError } from './usage.ts';

/** Reads a JSON object from a file, or from standard input for `-`. @throws UsageError when there is none. */
export async function readJson(file: string): Promise<{ readonly content: string; readonly value: object }> {
  const content = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new UsageError(`${file} cannot be read${code}.`);
  });
  const value = parseJsonText(content);
  if (typeof value !== 'object' || value === null) throw new UsageError(`${file} is not JSON.`);
  return { content, value };
}
