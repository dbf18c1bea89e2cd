import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseQuantity } from '../../lib/domain/quantity.ts';

/** A quantity as it is written, and what it is: a whole number of `10^-9 / divisor`, both exact. */
interface Written {
  readonly text: string;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const BINARY: Readonly<Record<string, bigint>> = Object.fromEntries(
  ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((suffix, index) => [suffix, 1024n ** BigInt(index + 1)]),
);
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

const ten = (power: number): readonly [bigint, bigint] =>
  power >= 0 ? [10n ** BigInt(power), 1n] : [1n, 10n ** BigInt(-power)];

/** Quantities that need no rounding and are not too large, in every form of writing. */
const written: fc.Arbitrary<Written> = fc
  .tuple(
    fc.bigInt({ min: 0n, max: 10n ** 12n }),
    fc.integer({ min: 0, max: 3 }),
    fc.oneof(
      fc.constantFrom(...Object.keys(BINARY)),
      fc.constantFrom(...Object.keys(DECIMAL)),
      fc.tuple(fc.constantFrom('e', 'E'), fc.integer({ min: -12, max: 18 })).map(([e, power]) => `${e}${power}`),
    ),
    fc.constantFrom('', '+'),
  )
  .map(([digits, places, suffix, sign]) => {
    const [whole, fraction] = [digits / 10n ** BigInt(places), digits % 10n ** BigInt(places)];
    const number = places === 0 ? `${whole}` : `${whole}.${String(fraction).padStart(places, '0')}`;
    const exponent = /^[eE]-?\d+$/.test(suffix) ? Number(suffix.slice(1)) : (DECIMAL[suffix] ?? 0);
    const [up, down] = ten(exponent - places);
    return {
      text: `${sign}${number}${suffix}`,
      numerator: digits * up * (BINARY[suffix] ?? 1n),
      denominator: down,
    };
  })
  .filter(({ numerator, denominator }) => numerator <= (2n ** 63n - 1n) * denominator);

/** The least whole number of billionths that is not less. */
const nanosOf = ({ numerator, denominator }: Written): bigint =>
  (numerator * 10n ** 9n + denominator - 1n) / denominator;

describe('a quantity', () => {
  test('is what exact arithmetic says, rounded up to a billionth', () => {
    fc.assert(
      fc.property(written, (quantity) => {
        expect(parseQuantity(quantity.text)).toBe(nanosOf(quantity));
      }),
    );
  });

  test('is as large or small as another one as exact arithmetic says', () => {
    fc.assert(
      fc.property(written, written, (one, other) => {
        const [a, b] = [parseQuantity(one.text), parseQuantity(other.text)];
        const isLess = one.numerator * other.denominator < other.numerator * one.denominator;
        // Rounding keeps the order; it may only make two that are closer than a billionth equal.
        if (isLess) expect(a <= b).toBe(true);
        if (a < b) expect(isLess).toBe(true);
      }),
    );
  });

  test('comes back from its own billionths', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (2n ** 63n - 1n) * 10n ** 9n }), (nanos) => {
        expect(parseQuantity(`${nanos}n`)).toBe(nanos);
      }),
    );
  });

  test('is read from any text without an error, in time', () => {
    const character = fc.constantFrom(...'0123456789.+-eEinumkKMGTP ');
    const texts = fc.oneof(fc.string(), fc.string({ unit: character, maxLength: 80 }));
    fc.assert(
      fc.property(texts, (text) => {
        const read = parseQuantity(text);
        expect(typeof read === 'bigint' ? read >= 0n : ['notQuantity', 'negative', 'tooLarge'].includes(read)).toBe(
          true,
        );
      }),
    );
  });
});

test.each([
  ['0', 0n],
  ['-0', 0n],
  ['1E', 10n ** 27n],
  ['1E3', 10n ** 12n],
  ['1e-3', 10n ** 6n],
  ['.5', 500_000_000n],
  ['5.', 5_000_000_000n],
  ['1e-99999', 1n],
  ['0e99999', 0n],
  ['1.1Gi', 1_181_116_006_400_000_000n],
  ['9223372036854775807', (2n ** 63n - 1n) * 10n ** 9n],
  ['9223372036854775808', 'tooLarge'],
  ['7Ei', 7n * 1024n ** 6n * 10n ** 9n],
  ['8Ei', 'tooLarge'],
  ['1e99999', 'tooLarge'],
  ['-1n', 'negative'],
  ['1'.repeat(64), 'notQuantity'],
  ...[
    '',
    '.',
    '+',
    'Gi',
    '1K',
    '1KB',
    '1gi',
    '1 Gi',
    '1e',
    '1e1.5',
    '1Gie3',
    '0x10',
    '١',
    'Infinity',
    'NaN',
    '1_000',
  ].map((text): [string, 'notQuantity'] => [text, 'notQuantity']),
] as const)('%j is %s', (text, expected) => {
  expect(parseQuantity(text)).toBe(expected);
});
