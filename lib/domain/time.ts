// The units of time, and the only conversions between them. A bare number never says whether it is seconds or
// milliseconds; these types do.

declare const unit: unique symbol;

/** A point in time in milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number & { readonly [unit]: 'EpochMs' };

/** A span of time in milliseconds. */
export type DurationMs = number & { readonly [unit]: 'DurationMs' };

/** A span of time in whole seconds, as Kubernetes and SQS count it. */
export type Seconds = number & { readonly [unit]: 'Seconds' };

/** Names a number of milliseconds since the epoch. */
export const epochMs = (value: number): EpochMs => value as EpochMs;

/** Names a number of milliseconds. */
export const durationMs = (value: number): DurationMs => value as DurationMs;

/** Names a number of seconds. */
export const seconds = (value: number): Seconds => value as Seconds;

/** The time from one point to a later one; never negative, since clocks of two machines may disagree. */
export const elapsedMs = (from: EpochMs, to: EpochMs): DurationMs => durationMs(Math.max(0, to - from));

/** Seconds as milliseconds. */
export const secondsToMs = (value: Seconds): DurationMs => durationMs(value * 1000);

/** A point in time as ISO 8601 text, UTC, with milliseconds. */
// biome-ignore lint/style/noRestrictedGlobals: a conversion of its argument; it reads no clock.
export const isoTime = (at: EpochMs): string => new Date(at).toISOString();

/** The point in time that an ISO 8601 text names, or undefined when it names none. */
export function parseIsoTime(text: string): EpochMs | undefined {
  // biome-ignore lint/style/noRestrictedGlobals: a conversion of its argument; it reads no clock.
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : epochMs(at);
}

/** The point in time that a client or saved JSON gives: a Date, or ISO 8601 text. Undefined for anything else. */
export function timeOf(value: unknown): EpochMs | undefined {
  if (typeof value === 'string') return parseIsoTime(value);
  // biome-ignore lint/style/noRestrictedGlobals: a conversion of its argument; it reads no clock.
  return value instanceof Date && !Number.isNaN(value.getTime()) ? epochMs(value.getTime()) : undefined;
}
