// The watcher of the local run: how often it rings job-status.
import { expect, test } from 'vitest';
import type { ClusterChange } from '../../local/cluster/cluster.ts';
import { startJobStatusFeed } from '../../local/job-status-feed.ts';
import type { InvokeResult } from '../../local/lambda/sandbox.ts';

const change: ClusterChange = {
  type: 'MODIFIED',
  object: { kind: 'Job', metadata: { name: 'job-1', uid: 'u', resourceVersion: '1' } },
};

/** Rings once, and says how many invocations there were until it was quiet. */
async function invocations(answer: (attempt: number) => InvokeResult): Promise<number> {
  let count = 0;
  const feed = startJobStatusFeed({
    retryMs: 1,
    invoke: async () => {
      count += 1;
      return answer(count);
    },
  });
  feed.ring(change);
  for (let before = -1; before !== count; ) {
    before = count;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await feed.close();
  return count;
}

const done: InvokeResult = { status: 200, payload: 'null' };
const failed: InvokeResult = { status: 200, payload: '{}', functionError: 'Unhandled' };
const throttled: InvokeResult = { status: 429, payload: '{}' };

test('an event that was taken is not sent again', async () => {
  expect(await invocations(() => done)).toBe(1);
});

test('a function that fails is tried three times', async () => {
  expect(await invocations(() => failed)).toBe(3);
});

test('an event for which there is no room waits until there is', async () => {
  expect(await invocations((attempt) => (attempt < 8 ? throttled : done))).toBe(8);
});
