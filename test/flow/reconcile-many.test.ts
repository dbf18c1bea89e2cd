// How much of many Jobs a run goes on planning for, each second, while it watches.
import { expect, test } from 'vitest';
import { stepId } from '../../lib/domain/dispatch-request.ts';
import { createReconcileMemory, type ReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import { ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { endedJob } from '../support/observe-world.ts';
import { createReconcileWorld } from '../support/reconcile-world.ts';

const PLANNED = step({ status: 'completed', output: 'https://log' });

/** A memory that notes whom a plan asks it about: each plan asks once about each Terrakube job that it is about. */
function notingMemory(): ReconcileMemory & { readonly askedAbout: Set<string> } {
  const memory = createReconcileMemory();
  const askedAbout = new Set<string>();
  return Object.assign(memory, {
    askedAbout,
    unchangedSince: (
      (unchangedSince) =>
      (...about: Parameters<typeof unchangedSince>) => {
        askedAbout.add(about[0]);
        return unchangedSince(...about);
      }
    )(memory.unchangedSince),
  });
}

test('Jobs that ended before a run are planned for once, and from then on only what still moves', async () => {
  const ended = ['21', '22', '23'].map((jobId, at) =>
    ids({ jobId, stepId: stepId(`3fed47b3-cbb9-427c-b9e7-5bc0469c720${at + 2}`) }),
  );
  const world = createReconcileWorld({
    jobs: [kubernetesJob(), ...ended.map((of) => endedJob({ of, ended: 'Complete' }))],
    terrakube: [
      [ids(), terrakubeJob()],
      ...ended.map(
        (of) => [of, terrakubeJob({ status: 'completed', steps: [{ ...PLANNED, id: of.stepId }] })] as const,
      ),
    ],
  });
  world.clock.advance(150_000);
  const memory = notingMemory();
  const run = world.begin({ memory });
  const asked: (readonly string[])[] = [];
  for (let second = 0; second < 4; second += 1) {
    await world.clock.pass(1000);
    asked.push([...memory.askedAbout].sort());
    memory.askedAbout.clear();
  }
  await world.clock.until(run);
  expect(asked).toEqual([['17', '21', '22', '23'], ['17'], ['17'], ['17']]);
});
