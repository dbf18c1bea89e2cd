// Runs overlap, events ring at the same Jobs, and dispatch delivers messages twice: everything is done once. Latencies and
// starts are drawn by chance; the clock is virtual, so that each seed tells the same story each time.
import type { V1Job } from '@kubernetes/client-node';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { dispatchJob } from '../../lib/flows/dispatch-job.ts';
import { observeJob } from '../../lib/flows/observe-job.ts';
import type { TerrakubeChange } from '../../lib/ports.ts';
import {
  executorSettings,
  INSTALLATION,
  ids,
  kubernetesJob,
  NOON,
  patience,
  recordedVerdict,
  request,
  step,
  terrakubeJob,
} from '../support/builders.ts';
import { told, waitingFor } from '../support/observe-scenes.ts';
import { endedJob, running, terminated } from '../support/observe-world.ts';
import { letStepsFollow, podFor, runExecutor, runJobController, sendAgain } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';
import { type Around, tap } from '../support/tap.ts';

const idsOf = (at: number): DispatchIds =>
  ids({ jobId: String(100 + at), stepId: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}` });
const AGAIN = idsOf(0);

const cancelled = (of: DispatchIds) =>
  terrakubeJob({ status: 'cancelled', steps: [step({ id: of.stepId, status: 'cancelled' })] });
const waiting = (of: DispatchIds, more: Partial<TerrakubeJob> = {}) =>
  terrakubeJob({ steps: [step({ id: of.stepId })], ...more });
const executing = (of: DispatchIds) =>
  terrakubeJob({ status: 'running', steps: [step({ id: of.stepId, status: 'running', output: 'https://log' })] });
const RESTART = recordedVerdict({ action: 'restart', cause: 'unschedulable', title: 'no node fits' });

/** What is there: a Job, the status of its pod, and its Terrakube job. */
type Case = (of: DispatchIds) => readonly [V1Job, ReturnType<typeof running> | undefined, TerrakubeJob];
const CASES: readonly Case[] = [
  (of) => [endedJob({ of, ended: 'Failed', verdict: RESTART }, 5000), undefined, waiting(of)],
  (of) => [endedJob({ of, ended: 'Failed' }, 5000), terminated('OOMKilled', 137), executing(of)],
  (of) => [kubernetesJob({ of }), {}, cancelled(of)],
  (of) => [kubernetesJob({ of }), waitingFor('ImagePullBackOff', 'unauthorized'), waiting(of)],
  (of) => [
    endedJob({ of, ended: 'Failed' }, 5000),
    undefined,
    { ...told('running'), steps: [{ ...(told('running').steps[0] ?? step()), id: of.stepId }] },
  ],
  (of) => [{ ...kubernetesJob({ of }), status: { active: 1, ready: 1 } }, running(), cancelled(of)],
  (of) => [suspended(kubernetesJob({ of })), undefined, cancelled(of)],
  (of) => [endedJob({ of, ended: 'Complete' }, 5000), undefined, executing(of)],
  (of) => [
    endedJob({ of, ended: 'Failed' }, 5000),
    { phase: 'Failed', reason: 'Evicted', message: 'over 1Gi' },
    terrakubeJob({ status: 'failed', steps: [step({ id: of.stepId, status: 'failed', output: 'https://log' })] }),
  ],
];

function suspended(job: V1Job): V1Job {
  return {
    ...job,
    metadata: { ...job.metadata, generation: 1 },
    spec: { template: {}, ...job.spec, suspend: true },
    status: {},
  };
}

/** Numbers from 0 up to 1 that follow from a seed. */
function numbersOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What was done: each entry is one that changed something. */
interface Story {
  readonly world: ReconcileWorld;
  readonly done: readonly string[];
}

function createStory(): Story {
  const all = CASES.map((make, at) => ({ of: idsOf(at), made: make(idsOf(at)) }));
  const world = createReconcileWorld({
    jobs: all.map(({ of, made: [job] }) => ({ ...job, metadata: { ...job.metadata, uid: `uid-of-${of.jobId}` } })),
    pods: all.flatMap(({ of, made: [, status] }) => (status ? [podFor({ of, status }, `uid-of-${of.jobId}`)] : [])),
    terrakube: all.map(({ of, made: [, , terrakube] }) => [of, terrakube]),
  });
  world.clock.advance(20_000);
  runJobController(world);
  letStepsFollow(
    world,
    all.map(({ of }) => of),
  );
  return { world, done: noteDeeds(world) };
}

/** Notes each write that changes something, but for what keeps a job alive. */
function noteDeeds({ terrakube, store, cluster }: ReconcileWorld): readonly string[] {
  const done: string[] = [];
  const { patchJob, patchStep } = terrakube;
  const { stopJob } = cluster;
  const seen = (of: DispatchIds) => {
    const { comments: _, ...job } = terrakube.job(of) ?? { comments: null };
    return JSON.stringify(job);
  };
  type Patch = typeof patchJob;
  const noting = (kind: string, patch: Patch) => async (of: DispatchIds, change: TerrakubeChange) => {
    const before = seen(of);
    await patch(of, change);
    if (seen(of) !== before) done.push(`${kind} ${of.jobId} ${change.status ?? 'name'}`);
  };
  Object.assign(terrakube, { patchJob: noting('job', patchJob), patchStep: noting('step', patchStep) });
  Object.assign(cluster, {
    async stopJob(...args: Parameters<typeof stopJob>) {
      const answer = await stopJob(...args);
      if (answer === 'patched') done.push(`stop ${args[0]}`);
      return answer;
    },
  });
  store.onJob(({ before, after }) => {
    if (before && !after) done.push(`delete ${before.metadata?.name}`);
    if (!before && after) done.push(`create ${after.metadata?.name}`);
  });
  return done;
}

/** Both ways of a call take their time. */
const delayed =
  ({ clock }: ReconcileWorld, random: () => number): Around =>
  async (_, call) => {
    await clock.sleep(durationMs(random() * 250));
    const answer = await call();
    await clock.sleep(durationMs(random() * 250));
    return answer;
  };

/** What the doors beside the reconciler do, each at a time of its own. */
function ringDoors(world: ReconcileWorld, around: Around, random: () => number): void {
  const { cluster, terrakube } = world.sandbox(around);
  const { clock, deps } = world;
  if (!cluster || !terrakube) throw new Error('a sandbox has ports');
  const jobStatus = { ...deps, cluster, terrakube };
  for (const { metadata } of world.store.allJobs()) {
    const ring = () => void observeJob(jobStatus, metadata?.name ?? '').catch(() => undefined);
    clock.at(random() * 8000, ring);
    clock.at(random() * 8000, ring);
  }
  const dispatch = {
    ...deps,
    jobs: tap(world.store, around),
    terrakube,
    executor: executorSettings(),
    patience: patience(),
  };
  const deliver = (of: DispatchIds, acceptedAt = clock.now()) =>
    void dispatchJob(dispatch, request({ ids: of, acceptedAt })).catch(() => undefined);
  // An old message of the first start, and each new one twice.
  clock.at(random() * 8000, () => deliver(AGAIN, NOON));
  sendAgain(world, [AGAIN], {
    send(of) {
      const acceptedAt = clock.now();
      clock.at(random() * 3000, () => deliver(of, acceptedAt));
      clock.at(random() * 3000, () => deliver(of, acceptedAt));
    },
  });
  world.store.onJob(({ before, after }) => {
    if (!before && after) clock.at(1000, () => runExecutor(world, AGAIN, after));
  });
}

/** Runs that begin within a few seconds of each other, with everything else at the same time. */
async function tell(seed: number, runs: number): Promise<Story> {
  const random = numbersOf(seed);
  const story = createStory();
  const { world } = story;
  const around = delayed(world, random);
  ringDoors(world, around, random);
  for (let run = 0; run < runs; run += 1) {
    world.clock.at(random() * 6000, () => void world.begin(world.sandbox(around)));
  }
  await world.clock.pass(28_000);
  return story;
}

const again = jobName(AGAIN, INSTALLATION, 2);
const nameOf = (at: number): string => jobName(idsOf(at), INSTALLATION, 1);
const DONE = [
  `create ${again}`,
  'step 101 failed',
  'job 101 failed',
  `stop ${nameOf(2)}`,
  'job 104 failed',
  `stop ${nameOf(5)}`,
  `stop ${nameOf(6)}`,
  `delete ${nameOf(6)}`,
  'step 107 failed',
  'job 107 failed',
  'step 108 name',
].sort();

/** The old message may come first and make the next Job by itself; then no fresh payload is asked for. */
const ASKED = 'job 100 pending';

const summary = ({ world, done }: Story) => ({
  done: done.filter((deed) => deed !== ASKED).toSorted(),
  isAskedOnce: done.filter((deed) => deed === ASKED).length <= 1,
  lines: world.terrakube.everyLine.length - new Set(world.terrakube.everyLine).size,
  again: world.terrakube.job(AGAIN)?.status,
});

describe.each([1, 2, 3])('%s runs beside job-status and dispatch', (runs) => {
  test('do everything once', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const story = await tell(seed, runs);
        expect(summary(story)).toEqual({ done: DONE, isAskedOnce: true, lines: 0, again: 'completed' });
      }),
      { numRuns: runs === 1 ? 20 : 90, seed: 17 },
    );
  });
});

test('a seed tells the same story twice', async () => {
  const [one, other] = [await tell(5, 3), await tell(5, 3)];
  expect(other.world.writes).toEqual(one.world.writes);
  expect(other.done).toEqual(one.done);
});
