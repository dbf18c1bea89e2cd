// Who carries out a recorded restart. Runs of the reconciler overlap; one that was killed in the middle leaves its claim.
import { ANNOTATION } from './job-manifest.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, parseIsoTime } from './time.ts';

/** A claim that was not followed by the mark `restarted-at` for so long may be taken over: no run takes that long for it. */
const CLAIM_LASTS: DurationMs = durationMs(60_000);

/** Whoever has claimed a restart carries it out within this time, or not at all: another run takes it over soon after. */
export const CLAIM_HOLDS: DurationMs = durationMs(30_000);

/** Says whether another run has begun to carry out the restart, and may still be at it. @param now the API server's clock. */
export function isClaimed(annotations: Readonly<Record<string, string>> | undefined, now: EpochMs): boolean {
  const claimedAt = parseIsoTime(annotations?.[ANNOTATION.claim] ?? '');
  return claimedAt !== undefined && elapsedMs(claimedAt, now) < CLAIM_LASTS;
}
