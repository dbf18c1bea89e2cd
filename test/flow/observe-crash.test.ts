// An observer may be stopped before and after each of its calls: time-outs, memory, a host that is gone. Whoever looks
// next brings the world to the same end, and says nothing to the user that was not to be said.
import { describe, expect, test } from 'vitest';
import { observeJob } from '../../lib/flows/observe-job.ts';
import type { TerrakubeChange } from '../../lib/ports.ts';
import { ids } from '../support/builders.ts';
import { type EndState, endStopped, FIRST_JOB, observeThrough, stateOf } from '../support/observe-doors.ts';
import { createScene, SCENES, type Scene } from '../support/observe-scenes.ts';
import type { ObserveWorld } from '../support/observe-world.ts';
import { type Around, tap } from '../support/tap.ts';

/** When an observer is stopped: at the call of this number, before or after it has taken effect. */
interface Crash {
  readonly at: number;
  readonly isDone: boolean;
}

/** What a history leaves. */
interface History {
  readonly end: EndState;
  readonly calls: number;
  readonly lines: readonly string[];
  /** Status, name and output that were written to the step, each once. */
  readonly tells: readonly string[];
  readonly world: ObserveWorld;
}

/** Enough for every scene: record, carry out, delete, and two more that find nothing to do. */
const ROUNDS = 5;
const BETWEEN_MS = 4000;

/** Counts calls over several observers, and stops the one that makes the call of the crash. */
function createKiller(crash: Crash | undefined): { readonly around: Around; calls: number; isKilled: boolean } {
  const killer = {
    calls: 0,
    isKilled: false,
    around: async (_: string, call: () => Promise<unknown>) => {
      if (killer.isKilled) throw new Error('killed');
      killer.calls += 1;
      killer.isKilled = killer.calls === crash?.at;
      if (killer.isKilled && !crash?.isDone) throw new Error('killed');
      const answer = await call();
      if (killer.isKilled) throw new Error('killed');
      return answer;
    },
  };
  return killer;
}

/** Lets one observer after the other look, the job controller between them. */
async function live(scene: Scene, crash?: Crash): Promise<History> {
  const world = createScene(scene);
  const tells = new Set<string>();
  const { patchStep } = world.terrakube;
  const noted = async (of: Parameters<typeof patchStep>[0], change: TerrakubeChange) => {
    tells.add(JSON.stringify(change));
    await patchStep(of, change);
  };
  Object.assign(world.terrakube, { patchStep: noted });
  const killer = createKiller(crash);
  for (let round = 0; round < ROUNDS; round += 1) {
    killer.isKilled = false;
    await observeThrough(world, killer.around, { final: scene.final }).catch((error: unknown) => {
      if (!killer.isKilled) throw error;
    });
    endStopped(world);
    world.clock.advance(BETWEEN_MS);
  }
  return {
    end: stateOf(world),
    calls: killer.calls,
    lines: world.terrakube.everyLine,
    tells: [...tells],
    world,
  };
}

/** How often each line stands in a log. */
const counts = (lines: readonly string[]): readonly number[] =>
  [...new Set(lines)].map((line) => lines.filter((other) => other === line).length);

describe.each(SCENES)('$what', { timeout: 30_000 }, (scene) => {
  test('comes to its end, and then there is nothing left to do', async () => {
    const { world, lines } = await live(scene);
    expect({ job: world.terrakube.job(ids())?.status, step: world.terrakube.job(ids())?.steps[0]?.status }).toEqual({
      job: scene.ends.job,
      step: scene.ends.step,
    });
    expect(new Set(lines).size).toBe(lines.length);
    const written = world.writes.length;
    expect(await world.observe(scene.final)).toMatchObject({ action: scene.ends.action, deed: 'none' });
    expect(world.writes).toHaveLength(written);
  });

  test('job and step are read just before each write to them', async () => {
    const calls: string[] = [];
    const world = createScene(scene);
    const around: Around = (method, call) => {
      calls.push(method);
      return call();
    };
    const { cluster, terrakube, clock } = world.deps;
    const deps = { ...world.deps, terrakube: tap(terrakube, around), clock: { ...tap(clock, around), now: clock.now } };
    for (let round = 0; round < ROUNDS; round += 1) {
      await observeJob({ ...deps, cluster }, FIRST_JOB, scene.final);
      endStopped(world);
    }
    const writes = calls.flatMap((method, at) => (method.startsWith('patch') ? [calls[at - 1]] : []));
    expect(writes).toEqual(writes.map(() => 'getJob'));
  });

  test('comes to the same end whichever call an observer dies at', async () => {
    const whole = await live(scene);
    for (let at = 1; at <= whole.calls; at += 1) {
      for (const isDone of [false, true]) {
        const { end, lines, tells } = await live(scene, { at, isDone });
        expect({ at, isDone, end, tells }).toEqual({ at, isDone, end: whole.end, tells: whole.tells });
        expect(lines.filter((line) => !whole.lines.includes(line))).toEqual([]);
        expect(Math.max(0, ...counts(lines))).toBeLessThanOrEqual(2);
      }
    }
  });
});
