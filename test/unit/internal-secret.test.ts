import { describe, expect, test } from 'vitest';
import { internalSecretKey } from '../../lib/domain/internal-secret.ts';

const KEY = Buffer.from('00112233445566778899aabbccddeeff00112233445566778899aabbccddeefffe', 'hex');
const TEXT = KEY.toString('base64url');
const keyOf = (text: string) => {
  const decoded = internalSecretKey(text);
  return 'key' in decoded ? Buffer.from(decoded.key).toString('hex') : decoded;
};

describe('the InternalSecret is read as Terrakube reads it', () => {
  test.each([
    ['as it is', TEXT],
    ['with a newline at its end', `${TEXT}\n`],
    ['with a newline at its beginning', `\n${TEXT}`],
    ['with a Windows newline and blanks around', ` \t${TEXT}\r\n`],
    ['with a + at its end, which Terrakube drops', `${TEXT}+`],
    ['with a / at its beginning, which Terrakube drops', `/${TEXT}`],
    ['with a quotation mark on both sides', `"${TEXT}"`],
    ['with padding that is not needed', `${TEXT}=`],
    ['with padding and a newline', `${TEXT}==\n`],
  ])('%s', (_, text) => {
    expect(keyOf(text)).toBe(KEY.toString('hex'));
  });

  test('with the characters - and _ of base64url', () => {
    const bytes = Buffer.from('fbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefbefff', 'hex');
    expect(bytes.toString('base64url')).toMatch(/^-.*_/);
    expect(keyOf(bytes.toString('base64url'))).toBe(bytes.toString('hex'));
  });

  test.each(['+', '/', ' ', '\n', '=', 'ä', '.'])('with %j inside it is no key, and is not quoted', (character) => {
    const decoded = internalSecretKey(`${TEXT.slice(0, 20)}${character}${TEXT.slice(20)}`);
    expect(decoded).toEqual({
      problem:
        "InternalSecret is not base64url (it holds a character such as '+' or '/'); Terrakube cannot use it either",
    });
  });

  test.each(['', ' ', '\n', '++', '==', '""'])('%j is no key', (text) => {
    expect(internalSecretKey(text)).toEqual({
      problem: 'InternalSecret is empty; use the value that the Terrakube API has',
    });
  });

  test('a key of 31 bytes is too short for HS256, one of 32 is not', () => {
    expect(internalSecretKey(KEY.subarray(0, 31).toString('base64url'))).toEqual({
      problem: 'InternalSecret is shorter than 32 bytes; Terrakube cannot use it either',
    });
    expect(internalSecretKey(KEY.subarray(0, 32).toString('base64url'))).toHaveProperty('key');
  });
});
