// Two observers of one Job: whoever comes upon a step that has just been told leaves the user the time to read why.
import { expect, test } from 'vitest';
import { ids } from '../support/builders.ts';
import { told } from '../support/observe-scenes.ts';
import { createObserveWorld, endedJob, type ObserveWorld } from '../support/observe-world.ts';

/** A step that somebody has just failed with our text, and not yet its job. */
function halfTold(): ObserveWorld {
  const world = createObserveWorld({ job: endedJob({ ended: 'Failed' }, 1000), terrakube: told('running') });
  world.clock.advance(1100);
  return world;
}

test('a job whose step is told gets its end after two seconds: its log ends with it', async () => {
  const world = halfTold();

  expect(await world.observe()).toMatchObject({ row: 27, action: 'tell', deed: 'done' });
  expect([world.clock.sleeps, world.writes]).toEqual([[2000], ['patchJob']]);
});

test('a job that gets its end meanwhile, from whoever told its step, is left alone', async () => {
  const world = halfTold();
  const sleep: typeof world.clock.sleep = async (duration) => {
    await world.clock.sleep(duration);
    await world.terrakube.patchJob(ids(), { status: 'failed', output: 'by the other' });
  };
  Object.assign(world.deps, { clock: { ...world.clock, sleep } });

  expect(await world.observe()).toMatchObject({ deed: 'none' });
  expect(world.writes).toEqual([]);
  expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', output: 'by the other' });
});
