/** Looks for secrets in errors: whatever a log, a debugger or a test runner could show of one. */
import { inspect } from 'node:util';

/** Every text that can be had from a value: for an error also its message, stack and properties, and those of its causes. */
export function textsOf(value: unknown): string {
  const texts = [inspect(value, { depth: 8, showHidden: true, maxStringLength: null, maxArrayLength: null })];
  for (let one = value; one instanceof Error; one = one.cause) {
    texts.push(String(one), one.stack ?? '', JSON.stringify(one) ?? '');
    for (const name of Object.getOwnPropertyNames(one)) texts.push(`${name}: ${String(Reflect.get(one, name))}`);
  }
  return texts.join('\n');
}

/** Those of the secrets that can be read in a value. */
export const leaksIn = (value: unknown, secrets: readonly string[]): readonly string[] => {
  const text = textsOf(value);
  return secrets.filter((secret) => text.includes(secret));
};
