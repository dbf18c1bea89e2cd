import { describe, expect, test } from 'vitest';
import { payloadAge, type Starts } from '../../lib/domain/payload-age.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { ids, NOON, patience } from '../support/builders.ts';

const MAX_AGE_MS = 1_500_000;
const starts = (changes: Partial<Starts> = {}): Starts => ({
  type: ids().type,
  acceptedAt: NOON,
  record: undefined,
  highestStart: 0,
  ...changes,
});
/** A fresh payload was asked for at this time. */
const asked = (askedAt: number, start = 2) => ({
  stepId: ids().stepId,
  start,
  maxStarts: 3,
  since: epochMs(NOON - MAX_AGE_MS),
  askedAt: epochMs(askedAt),
});
const after = (ms: number) => epochMs(NOON + ms);
const decide = (changes: Partial<Starts>, ms: number) => payloadAge(starts(changes), patience(), after(ms));

describe('a payload', () => {
  test.each([
    ['at its greatest age', MAX_AGE_MS, 'fresh'],
    ['a millisecond later', MAX_AGE_MS + 1, 'ask'],
  ])('%s', (_, ms, kind) => {
    expect(decide({}, ms).kind).toBe(kind);
  });

  test.each([
    ['3 seconds before it was asked for, by another clock, is the fresh one', 3000, 'fresh'],
    ['10 seconds before is still the fresh one', 10_000, 'fresh'],
    ['longer before is the old one', 10_001, 'renewed'],
    ['a minute before, the least PayloadMaxAge, is the old one', 60_000, 'renewed'],
  ])('that was accepted %s', (_, early, kind) => {
    expect(decide({ record: asked(NOON + early) }, 1000).kind).toBe(kind);
  });
});

describe('the count of starts', () => {
  test.each<[string, Partial<Starts>, number]>([
    ['begins with the first', {}, 2],
    ['goes on from the Jobs, whose comments were overwritten', { highestStart: 2 }, 3],
    ['goes on from the comments, whose Jobs are gone', { record: asked(NOON) }, 3],
    ['goes on from the higher of the two', { record: asked(NOON), highestStart: 1 }, 3],
  ])('%s', (_, changes, start) => {
    const since = changes.record?.since ?? NOON;
    const now = after(MAX_AGE_MS + 1);
    expect(decide(changes, MAX_AGE_MS + 1)).toEqual({
      kind: 'ask',
      record: { start, maxStarts: 3, since, askedAt: now },
    });
  });

  test.each([
    ['by the Jobs', { highestStart: 3 }],
    ['by the comments', { record: asked(NOON, 3) }],
  ])('ends at its limit, %s', (_, changes) => {
    expect(decide(changes, MAX_AGE_MS + 1)).toMatchObject({ kind: 'giveUp', starts: 3 });
  });
});
