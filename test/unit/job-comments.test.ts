import { describe, expect, test } from 'vitest';
import { isPingDue, recordText, startRecord, waitingComments } from '../../lib/domain/job-comments.ts';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import { ids, NOON } from '../support/builders.ts';

const { stepId } = ids();
const record = { stepId, start: 2, maxStarts: 3, since: NOON, askedAt: epochMs(NOON + 1_500_000) };
const seconds = (value: number) => durationMs(value * 1000);

describe('the record of starts in the comments of a job', () => {
  test('is read back as it was written, alone and in front of what is waited for', () => {
    expect(startRecord(recordText(record), stepId)).toEqual(record);
    expect(startRecord(waitingComments(record, 'a node', seconds(80)), stepId)).toEqual(record);
  });

  test.each([
    ['no comments', null],
    ['a comment of a user', 'please hurry'],
    ['another step', recordText({ ...record, stepId: ids({ stepId: 'other' }).stepId })],
    ['a time that is none', recordText(record).replace(/since \S+/, 'since yesterday')],
    ['a record that is not in front', `x ${recordText(record)}`],
  ])('is absent in %s', (_, comments) => {
    expect(startRecord(comments, stepId)).toBeUndefined();
  });

  test('leaves the comments within 512 characters, with the age at their end', () => {
    const comments = waitingComments(record, 'x'.repeat(2000), seconds(80));

    expect(comments.length).toBe(512);
    expect(comments.startsWith(recordText(record))).toBe(true);
    expect(comments.endsWith('x, 80 s')).toBe(true);
  });
});

describe('a job in the queue', () => {
  test.each([
    ['is not pinged in its first 20 seconds', null, 19, false],
    ['is pinged after 20 seconds', null, 20, true],
    ['is not pinged again 19 seconds later', waitingComments(undefined, 'a node', seconds(20)), 39, false],
    ['is pinged again 20 seconds later', waitingComments(undefined, 'a node', seconds(20)), 40, true],
    ['is pinged for a new payload, whose age begins anew', waitingComments(record, 'a node', seconds(1490)), 30, true],
    ['is pinged over the comment of a user', 'please hurry', 30, true],
  ])('%s', (_, comments, age, isDue) => {
    expect(isPingDue(comments, seconds(age))).toBe(isDue);
  });
});
