// Any number of doors may observe the same Job at once: the audit log rings twice, the reconciler looks too. Here two
// observers take turns call by call, in whatever order, and the user sees one story.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { isOpenStep } from '../../lib/domain/terrakube-job.ts';
import { ids } from '../support/builders.ts';
import { endStopped, observeThrough, stateOf } from '../support/observe-doors.ts';
import { createScene, SCENES, type Scene } from '../support/observe-scenes.ts';
import type { ObserveWorld } from '../support/observe-world.ts';

/** What was seen after each call. */
interface Seen {
  /** Status and output of the step, each once, since it has ended. */
  readonly ends: ReadonlySet<string>;
  /** Verdicts that the Job has carried. */
  readonly verdicts: ReadonlySet<string>;
}

const OBSERVERS = 2;

/** Notes what step and Job look like. */
function createWatch({ store, terrakube }: ObserveWorld): { readonly seen: Seen; note(): void } {
  const ends = new Set<string>();
  const verdicts = new Set<string>();
  return {
    seen: { ends, verdicts },
    note() {
      const step = terrakube.job(ids())?.steps[0];
      if (step && !isOpenStep(step)) ends.add(`${step.status} ${step.output}`);
      const verdict = store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/verdict'];
      if (verdict !== undefined) verdicts.add(verdict);
    },
  };
}

/** Two observers at once; which of the calls that they wait for is answered next is decided by the scheduler. */
async function together(scene: Scene, scheduler: fc.Scheduler): Promise<{ world: ObserveWorld; seen: Seen }> {
  const world = createScene(scene);
  const { seen, note } = createWatch(world);
  const looks = Array.from({ length: OBSERVERS }, async (_, observer) => {
    const around = async (method: string, call: () => Promise<unknown>) => {
      await scheduler.schedule(Promise.resolve(), `${observer}: ${method}`);
      const answer = await call();
      note();
      return answer;
    };
    await observeThrough(world, around, { final: scene.final }).catch((error: unknown) => {
      // The event comes again.
      if (!(error instanceof DispatcherError && error.retryable)) throw error;
    });
  });
  await scheduler.waitFor(Promise.all(looks));
  return { world, seen };
}

/** Later looks, one after the other, for what two had to leave to the next. */
async function settle(world: ObserveWorld, scene: Scene): Promise<string> {
  for (let round = 0; round < 3; round += 1) {
    endStopped(world);
    world.clock.advance(4000);
    await world.observe(scene.final);
  }
  return (await world.observe(scene.final)).action;
}

const WAITING = 'terrakube-dispatcher: waiting: ';

describe.each(SCENES)('two observers of $what', (scene) => {
  test('tell one story', { timeout: 60_000 }, async () => {
    const alone = createScene(scene);
    await settle(alone, scene);
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const { world, seen } = await together(scene, scheduler);
        expect(await settle(world, scene)).toBe(scene.ends.action);
        expect(stateOf(world)).toEqual(stateOf(alone));
        // Neither is a step that has ended written again with other words, nor a verdict replaced.
        expect(seen.ends.size).toBeLessThanOrEqual(1);
        expect(seen.verdicts.size).toBeLessThanOrEqual(1);
        const lines = world.terrakube.everyLine;
        expect(new Set(lines)).toEqual(new Set(alone.terrakube.everyLine));
        expect(lines.length).toBeLessThanOrEqual(OBSERVERS * new Set(lines).size);
        expect(lines.filter((line) => line.startsWith(WAITING)).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60, seed: 17 },
    );
  });
});
