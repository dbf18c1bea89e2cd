import { describe, expect, test } from 'vitest';
import { readIds } from '../../lib/schemas/payload-ids.ts';
import { ids, payload } from '../support/builders.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

const idsIn = (changes: Readonly<Record<string, unknown>>) => readIds(payload(ids(), changes));
const ALL = ['organizationId', 'workspaceId', 'jobId', 'stepId', 'type'];

describe('the five ids', () => {
  test.each([
    'dispatch_terraformPlan',
    'dispatch_terraformPlan_withCommands',
    'dispatch_terraformApply',
    'dispatch_customScripts',
    'dispatch_approval',
    'dispatch_onReject',
  ])('are read from the recorded %s', (name) => {
    const { text, body } = readDispatch(name);
    const found = readIds(Buffer.from(text, 'utf8'));
    const { organizationId, jobId, stepId } = JSON.parse(text);
    expect(found).toEqual({ organizationId, workspaceId: body.workspaceId, jobId, stepId, type: body.type });
  });

  test('are read wherever they stand, and nothing else is', () => {
    const text = `{ "more": [[[[{}]]]], "type":"t", "jobId":"1", "stepId":"s", "workspaceId":"w",\n"organizationId":"o" }`;
    expect(readIds(Buffer.from(text))).toEqual({
      organizationId: 'o',
      workspaceId: 'w',
      jobId: '1',
      stepId: 's',
      type: 't',
    });
  });

  test.each([
    ['1', '1'],
    [1, '1'],
    [2_147_483_647, '2147483647'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['9223372036854775807', '9223372036854775807'],
  ])('have a job id as text or as a number: %j', (jobId, expected) => {
    expect(idsIn({ jobId })?.jobId).toBe(expected);
  });
});

describe('no ids are read', () => {
  test.each(ALL)('when %s is missing, null, or of another type', (name) => {
    for (const value of [undefined, null, true, {}, [], [ids().stepId], { toString: 'x' }]) {
      expect(idsIn({ [name]: value })).toBeUndefined();
    }
  });

  test.each(ALL.filter((name) => name !== 'jobId'))('when %s would not fit into a label', (name) => {
    const values = ['', ' ', 'a b', 'a/b', '-a', 'a-', '.a', 'a\n', 'ä', 'a'.repeat(64), '../..', '%2e%2e', 7];
    for (const value of values) expect(idsIn({ [name]: value })).toBeUndefined();
    expect(idsIn({ [name]: 'a'.repeat(63) })).toBeDefined();
    expect(idsIn({ [name]: 'a.B_c-9' })).toBeDefined();
  });

  test.each(['', '-1', '1.0', '1e3', ' 1', '1\n', '0x1', '１', '1'.repeat(20), -1, 1.5, 1e21, 2 ** 53])(
    'when the job id is %j',
    (jobId) => {
      expect(idsIn({ jobId })).toBeUndefined();
    },
  );

  test.each<readonly [string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['no JSON', Buffer.from('nope')],
    ['JSON that is cut', payload().subarray(0, -1)],
    ['JSON with something after it', Buffer.concat([payload(), Buffer.from('x')])],
    ['a byte order mark before it', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), payload()])],
    ['UTF-16', Buffer.from(Buffer.from(payload()).toString('utf8'), 'utf16le')],
    ['a byte that is not UTF-8', Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xff]), Buffer.from('"}')])],
    [
      'half a character',
      Buffer.from(
        Buffer.from(payload(ids(), { z: 'ä' }))
          .toString('latin1')
          .replace('\xa4', ''),
        'latin1',
      ),
    ],
    ['an array', Buffer.concat([Buffer.from('['), payload(), Buffer.from(']')])],
    ['a text', Buffer.from(JSON.stringify(Buffer.from(payload()).toString('utf8')))],
    ['null', Buffer.from('null')],
    ['a hundred thousand brackets', Buffer.from('['.repeat(100_000))],
    ['a hundred thousand objects in each other', Buffer.from(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
  ])('from %s', (_, bytes) => {
    expect(readIds(bytes)).toBeUndefined();
  });

  test('from what only its prototype holds', () => {
    expect(readIds(Buffer.from(`{"__proto__":${Buffer.from(payload()).toString('utf8')}}`))).toBeUndefined();
  });
});

test('the last of two values counts, as it does for the executor', () => {
  const text = Buffer.from(payload()).toString('utf8').replace('{', '{"jobId":"1",');
  expect(readIds(Buffer.from(text))?.jobId).toBe(ids().jobId);
});
