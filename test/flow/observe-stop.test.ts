// What follows a stop is tried again at once: the verdict is recorded by then, so whoever looks later leaves the Job alone.
import { expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { cancelled, startedJob } from '../support/observe-scenes.ts';
import { createObserveWorld, type ObserveWorld, podOf, running } from '../support/observe-world.ts';

const unanswered = new DispatcherError('clusterUnavailable', 'no answer');

/** An executor that boots under a cancelled job; so many calls of this method fail. */
function stopped(failing: string, failures: number): ObserveWorld {
  let calls = 0;
  return createObserveWorld({
    job: startedJob(),
    pods: [podOf({ status: running() })],
    terrakube: cancelled(null),
    around: async (method, call) => {
      if (method !== failing) return call();
      calls += 1;
      return calls <= failures ? Promise.reject(unanswered) : call();
    },
  });
}

test.each(['deletePod', 'appendLog'])('a stop whose %s fails twice does all that it should', async (failing) => {
  const world = stopped(failing, 2);
  expect(await world.observe()).toMatchObject({ row: 22, action: 'stop', deed: 'done' });
  expect(world.cluster.deletedPods).toEqual([{ name: 'pod-1', gracePeriodSeconds: 1 }]);
  expect(world.terrakube.everyLine).toHaveLength(1);
});

test.each(['deletePod', 'appendLog'])('one whose %s fails three times is a look that failed', async (failing) => {
  const world = stopped(failing, 3);
  await expect(world.observe()).rejects.toBe(unanswered);
  expect(world.writes.filter((write) => write === failing)).toHaveLength(3);
});

test('a fault of ours is not tried again', async () => {
  const fault = new TypeError('fault');
  const world = createObserveWorld({
    job: startedJob(),
    pods: [podOf({ status: running() })],
    terrakube: cancelled(null),
    around: async (method, call) => (method === 'deletePod' ? Promise.reject(fault) : call()),
  });
  await expect(world.observe()).rejects.toBe(fault);
  expect(world.writes).toEqual(['stopJob', 'deletePod']);
});
