import { expect, test } from 'vitest';
import { sideBySide } from '../../lib/flows/side-by-side.ts';
import { createWorkQueue } from '../../lib/flows/work-queue.ts';

/** Work that ends when a test says so. */
function createBench(atOnce: number) {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const queue = createWorkQueue<string>((item) => {
    begun.push(item);
    return new Promise((resolve) => ends.push(resolve));
  }, atOnce);
  const endOne = async (): Promise<void> => {
    ends.shift()?.();
    await new Promise(setImmediate);
  };
  return { queue, begun, endOne };
}

test('does only so many things at the same time', async () => {
  const { queue, begun, endOne } = createBench(2);
  for (const key of ['a', 'b', 'c']) queue.add(key, key);
  expect(begun).toEqual(['a', 'b']);
  await endOne();
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('does what is in haste before what waits', async () => {
  const { queue, begun, endOne } = createBench(1);
  for (const key of ['a', 'b', 'c']) queue.add(key, key);
  queue.add('d', 'd', true);
  queue.add('e', 'e', true);
  for (let ended = 0; ended < 4; ended += 1) await endOne();
  expect(begun).toEqual(['a', 'd', 'e', 'b', 'c']);
});

test('hastens what waits already, and does it once', async () => {
  const { queue, begun, endOne } = createBench(1);
  for (const key of ['a', 'b', 'c']) queue.add(key, key);
  expect([queue.has('c'), queue.has('c', true)]).toEqual([true, false]);
  queue.add('c', 'c in haste', true);
  queue.add('c', 'c again');
  expect(queue.has('c', true)).toBe(true);
  for (let ended = 0; ended < 4; ended += 1) await endOne();
  expect(begun).toEqual(['a', 'c again', 'b']);
  expect(queue.isIdle()).toBe(true);
});

test('begins nothing more once it is closed', async () => {
  const { queue, begun, endOne } = createBench(1);
  queue.add('a', 'a');
  queue.add('b', 'b');
  queue.add('c', 'c', true);
  queue.close();
  const idle = queue.idle();
  await endOne();
  await idle;
  expect(begun).toEqual(['a']);
});

test('side by side, ten items are begun at once, and none after one has failed', async () => {
  const begun: number[] = [];
  const items = Array.from({ length: 25 }, (_, at) => at);
  const all = sideBySide(items, async (item) => {
    begun.push(item);
    await new Promise(setImmediate);
    if (item === 12) throw new Error('item 12');
  });
  expect(begun).toHaveLength(10);
  await expect(all).rejects.toThrow('item 12');
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  // The two before it had ended already.
  expect(begun).toEqual(items.slice(0, 22));
});
