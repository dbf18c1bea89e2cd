// What a sample comes to. This machine is never alone: medians and spreads, no means.

/** A sample in three numbers: the middle, and between which the middle half lies. */
export interface Middle {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The value below which the part q (0 to 1) of a sample lies. */
export function quantile(sample: readonly number[], q: number): number {
  const sorted = sample.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** The median and the quartiles. */
export const middle = (sample: readonly number[]): Middle => ({
  median: quantile(sample, 0.5),
  low: quantile(sample, 0.25),
  high: quantile(sample, 0.75),
});

/**
 * The middle of the ratios round by round: what the machine did to a round, it did to both.
 *
 * @param base the same rounds of what is compared with.
 */
export const middleRatio = (sample: readonly number[], base: readonly number[]): Middle =>
  middle(sample.map((value, round) => value / (base[round] ?? Number.NaN)));

/** The straight line through points that lies closest to them. */
export function line(points: readonly (readonly [x: number, y: number])[]): {
  readonly slope: number;
  /** How far the points lie off it, as a standard deviation. */
  readonly spread: number;
} {
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([at]) => at), mean(([, value]) => value)];
  const slope = mean(([at, value]) => (at - x) * (value - y)) / mean(([at]) => (at - x) ** 2);
  const spread = Math.sqrt(mean(([at, value]) => (value - y - slope * (at - x)) ** 2));
  return { slope, spread };
}

/** The items in an order of chance, so that none always follows the same one. */
export function shuffled<T>(items: readonly T[]): readonly T[] {
  const keyed = items.map((item) => ({ item, at: Math.random() }));
  return keyed.sort((one, other) => one.at - other.at).map(({ item }) => item);
}
