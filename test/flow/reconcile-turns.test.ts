// Two runs overlap for half a minute, and hear of everything at the same moment. Where no Job is left that one of them could
// claim, the later one comes first: whatever calls take, a user reads each line once.
import { expect, test } from 'vitest';
import { jobName, stepLabels } from '../../lib/domain/job-name.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { INSTALLATION, ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { podOf, running } from '../support/observe-world.ts';
import { createReconcileWorld, type ReconcileOptions, type ReconcileWorld } from '../support/reconcile-world.ts';

const MINUTE = 60_000;
const NAME = jobName(ids(), INSTALLATION, 1);
const POD = `${NAME}-x7k2p`;
const executing = terrakubeJob({ status: 'running', steps: [step({ status: 'running', output: 'https://log' })] });

/** Numbers from 0 to 1, the same for the same seed. */
function numbersOf(seed: number): () => number {
  let state = seed * 7919;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** A world in which each call takes up to half a second. */
function slowWorld(numbers: () => number, options: ReconcileOptions): ReconcileWorld {
  const pause = () => world.clock.sleep(durationMs(numbers() * 250));
  const world: ReconcileWorld = createReconcileWorld({
    ...options,
    around: async (_, call) => {
      await pause();
      const answer = await call();
      await pause();
      return answer;
    },
  });
  return world;
}

const seeds = Array.from({ length: 20 }, (_, at) => at + 1);

test.each(seeds)('a Job that a person deletes while two runs watch is told once (seed %d)', async (seed) => {
  const numbers = numbersOf(seed);
  const pod = podOf({ name: POD, status: running() });
  const labels = { ...pod.metadata?.labels, ...stepLabels(ids(), INSTALLATION) };
  const world = slowWorld(numbers, {
    jobs: [kubernetesJob()],
    pods: [{ ...pod, metadata: { ...pod.metadata, labels } }],
    terrakube: [[ids(), executing]],
  });
  void world.begin(world.sandbox());
  await world.clock.pass(MINUTE + numbers() * 1000);
  void world.begin(world.sandbox());
  await world.clock.pass(3000 + numbers() * 9000);
  world.store.remove(NAME);
  await world.clock.pass(2000 + numbers() * 3000);
  world.cluster.removePod(POD);
  await world.clock.pass(45_000);
  const { everyLine } = world.terrakube;
  expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  expect(everyLine).toEqual([...new Set(everyLine)]);
});

test('a Job that is deleted when no later run has come is told all the same', async () => {
  const world = createReconcileWorld({ jobs: [kubernetesJob()], terrakube: [[ids(), executing]] });
  const run = world.begin();
  await world.clock.pass(MINUTE + 1000);
  world.store.remove(NAME);
  await world.clock.until(run);
  expect(world.terrakube.job(ids())?.status).toBe('failed');
});

test.each(seeds)('a step that never became a Job is told once (seed %d)', async (seed) => {
  const numbers = numbersOf(seed);
  const world = slowWorld(numbers, { terrakube: [[ids(), terrakubeJob()]], settings: { ownsAllSteps: true } });
  const sandboxes = [world.sandbox(), world.sandbox()];
  // It fails half an hour after the first look, and so at any time of the run that sees it.
  world.clock.advance(MINUTE * numbers());
  for (let minute = 0; minute < 36; minute += 1) {
    void world.begin(sandboxes[minute % 2]);
    await world.clock.pass(MINUTE);
  }
  const { everyLine } = world.terrakube;
  expect(world.terrakube.job(ids())?.status).toBe('failed');
  expect(everyLine.length).toBeGreaterThan(0);
  expect(everyLine).toEqual([...new Set(everyLine)]);
});
