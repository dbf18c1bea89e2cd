// What many Jobs cost a run: how much of them it goes on planning for, each second, while it watches, and who has to wait.
import { expect, test } from 'vitest';
import { type DispatchIds, stepId } from '../../lib/domain/dispatch-request.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { createReconcileMemory, type ReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import { ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { endedJob, terminated } from '../support/observe-world.ts';
import { podFor } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';
import { executorPod, failedJob, idsOf } from '../support/watched-executors.ts';

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

/** Jobs whose executors have failed their steps: each needs a look, for only its pod tells why. */
function failedSteps(count: number, callTakesMs: number): ReconcileWorld {
  const all = Array.from({ length: count }, (_, at) => idsOf(at + 1));
  const failed = (of: DispatchIds) =>
    terrakubeJob({ status: 'failed', steps: [step({ id: of.stepId, status: 'failed', output: 'https://log' })] });
  const world: ReconcileWorld = createReconcileWorld({
    jobs: [kubernetesJob(), ...all.map(failedJob)],
    pods: [podFor({ nodeName: '' }), ...all.map((of) => executorPod(of, terminated('Error', 1)))],
    terrakube: [[ids(), terrakubeJob()], ...all.map((of) => [of, failed(of)] as const)],
    around: async (_, call) => {
      await world.clock.sleep(durationMs(callTakesMs));
      return call();
    },
  });
  world.clock.advance(120_000);
  return world;
}

test('a cancel does not wait behind hundreds of looks', async () => {
  const world = failedSteps(500, 100);
  void world.begin();
  await world.clock.pass(3000);
  world.terrakube.changeJob(ids(), { status: 'cancelled', steps: [step({ status: 'cancelled' })] });
  await world.clock.pass(3000);
  const { spec } = world.store.allJobs()[0] ?? {};
  const looked = world.log.lines.filter(({ message }) => message === 'job observed').length;
  expect(spec?.activeDeadlineSeconds).toBe(1);
  expect(looked).toBeLessThan(400);
});

test('a run that only reports reads the pods of five hundred Jobs in time', async () => {
  const world = failedSteps(500, 100);
  const before = world.clock.now();
  expect(await world.clock.until(world.begin({ isReportOnly: true }))).toEqual({ failed: 0 });
  expect(world.clock.now() - before).toBeLessThan(30_000);
});
