// Kubernetes quantities (`500m`, `1.5Gi`, `2e3`), exactly: a comparison in floating point would let a request pass that
// the API server then refuses. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

/** A quantity in billionths (nano), the smallest unit that Kubernetes keeps; what is finer is rounded up, as there. */
export type Quantity = bigint;

/** Why a text is not a quantity that a resource can have. */
export type QuantityFault = 'notQuantity' | 'negative' | 'tooLarge';

/** Number, then one of: a power of 1024, a power of 1000 (there is `k` and no `K`), an exponent. `1E` is exa, `1E3` 1000. */
const QUANTITY = /^([+-]?)(\d*)\.?(\d*)(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?\d+))?$/;
/** Long texts are mistakes, and each digit costs time. */
const MAX_LENGTH = 63;
const NANO_DIGITS = 9;
/** Powers of ten; in `KMGTPE` each letter is also that power of 1024. */
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Beyond it every number of {@link MAX_LENGTH} digits is too large, or rounds up to one billionth. */
const MAX_EXPONENT = 99;
/** Kubernetes counts in 64 bits and silently cuts what is more. */
const LARGEST = (2n ** 63n - 1n) * 10n ** 9n;

/** Reads a quantity. */
export function parseQuantity(text: string): Quantity | QuantityFault {
  const parts = text.length > MAX_LENGTH ? null : QUANTITY.exec(text);
  const [, sign, whole = '', fraction = '', binary, decimal, exponent] = parts ?? [];
  if (!parts || whole + fraction === '') return 'notQuantity';
  const digits = BigInt(whole + fraction) * (binary ? 1024n ** BigInt('KMGTPE'.indexOf(binary) + 1) : 1n);
  const power = exponent === undefined ? (DECIMAL[decimal ?? ''] ?? 0) : Number(exponent);
  const scale = Math.min(MAX_EXPONENT, Math.max(-MAX_EXPONENT, power)) + NANO_DIGITS - fraction.length;
  const divisor = 10n ** BigInt(Math.max(0, -scale));
  const nanos = (digits * 10n ** BigInt(Math.max(0, scale)) + divisor - 1n) / divisor;
  if (nanos > LARGEST) return 'tooLarge';
  return sign === '-' && nanos > 0n ? 'negative' : nanos;
}
