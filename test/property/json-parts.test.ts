import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Parts } from '../../lib/domain/slim-objects.ts';
import { parseJsonParts } from '../../lib/schemas/json-parts.ts';

const read = (text: string, parts: Parts) => parseJsonParts(Buffer.from(text), parts);

/** The same in words: of what was parsed, these parts. */
function partsOf(value: unknown, parts: Parts | true): unknown {
  if (parts === true || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => partsOf(item, parts)).filter((item) => !isEmpty(item));
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => {
      const part = Object.hasOwn(parts, key) ? parts[key] : undefined;
      return part === undefined ? [] : [[key, partsOf(member, part)]];
    }),
  );
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

// Few names, so that parts and values meet; some are the beginning of others, and one is of all objects.
const WANTED = ['a', 'ab', 'abc', 'items', 'status', 'constructor', ''];
const name = fc.constantFrom(...WANTED, 'ä', '"', '\\', 'a"', 'a\\');
const text = fc.oneof(
  name,
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('{', '}]', ',"a":', '\\"', '\\\\', '\u0000'),
);
const { value, parts } = fc.letrec<{ value: unknown; parts: Parts; part: Parts | true }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(text, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 5 }),
  ),
  part: fc.oneof({ maxDepth: 3 }, fc.constant(true as const), tie('parts')),
  parts: fc.dictionary(fc.constantFrom(...WANTED), tie('part'), { maxKeys: 5 }),
}));
const object = fc.dictionary(name, value, { maxKeys: 5 });

describe('parts of a JSON text', () => {
  test('are those of what was parsed, however it is indented', () => {
    fc.assert(
      fc.property(object, parts, fc.constantFrom('', ' ', '\n\t'), (whole, wanted, indent) => {
        const written = JSON.stringify(whole, null, indent);
        expect(read(written, wanted)).toEqual(partsOf(JSON.parse(written), wanted));
      }),
    );
  });

  test('come one by one from the lists of the outermost object', () => {
    const written =
      '{"kind":"List","items":[{"a":1,"b":2},{"a":{"items":[{"a":3}]}},{"b":4}],"others":[{"a":5}],"no":[{"a":6}]}';
    const wanted: Parts = { kind: true, items: { a: true }, others: { a: true } };
    const seen: unknown[] = [];
    const read = parseJsonParts(Buffer.from(written), wanted, (item) => seen.push(item));
    expect([read, seen]).toEqual([
      { kind: 'List', items: [1, 2], others: [3] },
      [{ a: 1 }, { a: { items: [{ a: 3 }] } }, { a: 5 }],
    ]);
  });

  test('are none of a text that is cut off anywhere, or goes on', () => {
    const whole = '{"a":[{"b":"x\\"y"},{"c":1}],"d":{"b":[1,{}]},"b":true}';
    const wanted: Parts = { a: { b: true }, b: true };
    const ends = Array.from({ length: whole.length }, (_, end) => whole.slice(0, end));
    expect([...ends, `${whole}}`, `${whole}1`].map((broken) => read(broken, wanted))).toEqual(
      Array.from({ length: whole.length + 2 }, () => undefined),
    );
    expect(read(whole, wanted)).toEqual({ a: [{ b: 'x"y' }], b: true });
  });

  test.each([
    '',
    '<html>',
    '{a:1}',
    '{"a" 1}',
    '{"a":1 "a":2}',
    '{"a":[1 2]}',
    '{"a":[1}]',
    '{"a":nil}',
    '{,}',
    '[',
    '{"a":"\n"}',
  ])('are none of what is no JSON: %j', (text) => {
    expect(read(text, { a: true })).toBeUndefined();
  });

  test('are none of what is no UTF-8', () => {
    expect(parseJsonParts(Buffer.from('{"a":"\xff"}', 'latin1'), { a: true })).toBeUndefined();
  });
});

test('the memory of what was read is given back', () => {
  const page = Buffer.alloc(10_000, ' ');
  page.write('{"a":1}');
  expect([parseJsonParts(page, { a: true }), page.byteLength]).toEqual([{ a: 1 }, 0]);
});

test('memory that others share is left alone', () => {
  const [one, other] = [Buffer.from('{"a":1}'), Buffer.from('other')];
  const shared = new Uint8Array(100);
  shared.set(one);
  const front = Buffer.from(shared.buffer, 0, one.byteLength);
  expect([parseJsonParts(front, { a: true }), shared.byteLength, String(other)]).toEqual([{ a: 1 }, 100, 'other']);
});
