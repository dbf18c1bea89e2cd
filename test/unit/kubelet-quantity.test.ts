import { expect, test } from 'vitest';
import { parseQuantity } from '../../local/kubelet/quantity.ts';

test.each([
  ['2', 2],
  ['250m', 0.25],
  ['1.5', 1.5],
  ['8Gi', 8 * 2 ** 30],
  ['512Mi', 512 * 2 ** 20],
  ['128974848', 128_974_848],
  ['129M', 129_000_000],
  ['1e3', 1000],
])('the quantity %s is %d', (text, value) => {
  expect(parseQuantity(text)).toBe(value);
});
