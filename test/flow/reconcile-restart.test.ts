// A step that never ran is started again: once for each start, whatever run dies at whatever call, and whoever else acts.
import { describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import { durationMs } from '../../lib/domain/time.ts';
import type { TerrakubeChange } from '../../lib/ports.ts';
import { INSTALLATION, ids, kubernetesJob, NOON, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import { endedJob } from '../support/observe-world.ts';
import { letStepsFollow, podFor, runJobController, type Sending, sendAgain } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileOptions, type ReconcileWorld } from '../support/reconcile-world.ts';
import { createMortal, type Kill } from '../support/sandboxes.ts';

const MINUTE = 60_000;
const [FIRST = '', SECOND = '', THIRD = ''] = [1, 2, 3].map((start) => jobName(ids(), INSTALLATION, start));
const RESTART = recordedVerdict({ action: 'restart', cause: 'unschedulable', title: 'no node fits' });
const CANCELLED = { status: 'cancelled', steps: [step({ status: 'cancelled' })] };

/** A world in which requests for a fresh payload are noted. */
interface RestartWorld extends ReconcileWorld {
  /** Comments with which the job was set to `pending`. */
  readonly asked: readonly (string | undefined)[];
  /** Jobs that dispatch has made since. */
  readonly made: readonly string[];
}

/** A Job that was stopped to be started again, with everything that goes on around it. */
function restartWorld(options: ReconcileOptions & { readonly sending?: Sending } = {}): RestartWorld {
  const world = createReconcileWorld({
    jobs: [endedJob({ ended: 'Failed', verdict: RESTART }, 5000)],
    terrakube: [[ids(), terrakubeJob()]],
    ...options,
  });
  world.clock.advance(6000);
  const asked: (string | undefined)[] = [];
  const { patchJob } = world.terrakube;
  const noted = async (of: Parameters<typeof patchJob>[0], change: TerrakubeChange) => {
    if (change.status === 'pending') asked.push(change.comments);
    await patchJob(of, change);
  };
  Object.assign(world.terrakube, { patchJob: noted });
  runJobController(world);
  letStepsFollow(world, [ids()]);
  return { ...world, asked, made: sendAgain(world, [ids()], options.sending) };
}

const FRESH = /^fresh 2\/3 3fed47b3-cbb9-427c-b9e7-5bc0469c7201 since 2026-11-24T20:41:37.504Z asked /;

/** What a world in which everything went well shows in the end. */
const started = (world: RestartWorld) => ({
  asked: world.asked.length,
  made: world.made,
  job: world.terrakube.job(ids())?.status,
  jobs: world.store.allJobs().map(({ metadata }) => metadata?.name),
});
const ONCE = { asked: 1, made: [SECOND], job: 'completed', jobs: [FIRST, SECOND] };

describe('a step whose Job was stopped to be started again', () => {
  test('is started again once, under the next name, and its old Job stays', async () => {
    const world = restartWorld();
    await world.run();
    await world.run(world.sandbox());
    expect(started(world)).toEqual(ONCE);
    expect(world.asked).toEqual([expect.stringMatching(FRESH)]);
    const { annotations } = world.store.allJobs()[0]?.metadata ?? {};
    expect(annotations?.['terrakube.io/restarted-at']).toBe('2026-11-24T20:41:43.504Z');
  });

  test.each(['pending', 'approved'])('waits while its job reads %s, as in a locked workspace', async (status) => {
    const world = restartWorld({ terrakube: [[ids(), terrakubeJob({ status })]] });
    await world.run();
    expect(world.writes.filter((write) => write !== 'deletePayload' && write !== 'annotateJob')).toEqual([]);
    world.terrakube.changeJob(ids(), { status: 'queue' });
    await world.run();
    expect(started(world)).toEqual(ONCE);
  });

  test('is failed when it is an approval: its user would have to approve again', async () => {
    const of = ids({ type: 'approval' });
    const world = restartWorld({ jobs: [endedJob({ of, ended: 'Failed', verdict: RESTART }, 5000)] });
    await world.run();
    expect({ asked: world.asked, job: world.terrakube.job(of) }).toMatchObject({
      asked: [],
      job: { status: 'failed', steps: [{ status: 'failed', name: expect.stringContaining('no node fits') }] },
    });
  });

  test('is started three times in all, and then failed with the reason', async () => {
    const world = restartWorld({ sending: { executor: 'isRefused' } });
    for (let run = 0; run < 3; run += 1) await world.run(world.sandbox());
    expect(world.made).toEqual([SECOND, THIRD]);
    expect(world.asked).toEqual([expect.stringMatching(FRESH), expect.stringMatching(/^fresh 3\/3 /)]);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
    expect(world.terrakube.job(ids())?.steps[0]?.name).toContain('OutOfcpu');
    expect(new Set(world.terrakube.everyLine).size).toBe(world.terrakube.everyLine.length);
  });

  test('counts the starts that its comments tell of when its Jobs have gone', async () => {
    const world = restartWorld({
      terrakube: [
        [
          ids(),
          terrakubeJob({
            comments: `fresh 2/3 ${ids().stepId} since 2026-11-24T20:30:00.000Z asked 2026-11-24T20:41:00.000Z`,
          }),
        ],
      ],
    });
    await world.run();
    expect(world.asked).toEqual([expect.stringMatching(/^fresh 3\/3 \S+ since 2026-11-24T20:30:00.000Z asked /)]);
  });
});

describe('a claim', () => {
  const claimedBefore = (milliseconds: number): RestartWorld => {
    const job = endedJob({ ended: 'Failed', verdict: RESTART }, 5000);
    const claim = new Date(NOON + 6000 - milliseconds).toISOString();
    const annotations = { ...job.metadata?.annotations, 'terrakube.io/claim': claim };
    return restartWorld({ jobs: [{ ...job, metadata: { ...job.metadata, annotations } }] });
  };

  test('of 30 s ago is respected, until it is a minute old', async () => {
    const world = claimedBefore(30_000);
    const run = world.begin();
    await world.clock.pass(10_000);
    // A look that no plan has asked for respects it, too.
    const [job] = world.store.allJobs();
    if (job) world.store.put({ ...job, status: { ...job.status, ready: 0 } });
    await world.clock.pass(19_000);
    expect(world.asked).toEqual([]);
    await world.clock.until(run);
    expect(started(world)).toEqual(ONCE);
  });

  test('of 61 s ago is taken over at once', async () => {
    const world = claimedBefore(61_000);
    const run = world.begin();
    await world.clock.pass(1000);
    expect(world.asked).toHaveLength(1);
    await world.clock.until(run);
  });

  test('is not used by a run whose reads took so long that another may take it over', async () => {
    const world = restartWorld();
    let slowness: 'none yet' | 'now' | 'over' = 'none yet';
    const slow = world.sandbox(async (method, call) => {
      const answer = await call();
      if (slowness === 'now' && method === 'listJobs') {
        slowness = 'over';
        await world.clock.sleep(durationMs(31_000));
      }
      if (slowness === 'none yet' && isClaimedIn(world)) slowness = 'now';
      return answer;
    });
    const run = world.begin(slow);
    await world.clock.pass(50_000);
    expect([world.asked, isClaimedIn(world)]).toEqual([[], true]);
    await world.clock.until(run);
    expect(started(world)).toEqual(ONCE);
  });
});

describe('between its claim and its request', () => {
  /** A run in which something happens as soon as the Job is claimed. */
  const afterClaim = async (happens: (world: RestartWorld) => void): Promise<RestartWorld> => {
    const world = restartWorld();
    let hasHappened = false;
    const around = world.sandbox(async (_, call) => {
      const answer = await call();
      if (!hasHappened && isClaimedIn(world)) {
        hasHappened = true;
        happens(world);
      }
      return answer;
    });
    const run = world.begin(around);
    await world.clock.pass(1000);
    expect(hasHappened).toBe(true);
    void run;
    return world;
  };

  test.each([
    ['is running, and may have done something', { status: 'running', steps: [step({ status: 'running' })] }],
    ['waits in a locked workspace', { status: 'pending' }],
    ['was failed by somebody else', { status: 'failed', steps: [step({ status: 'failed' })] }],
  ])('a step that %s is not asked for', async (_, change) => {
    const world = await afterClaim(({ terrakube }) => terrakube.changeJob(ids(), change));
    expect(world.asked).toEqual([]);
  });
});

test('the mark of a restart is written again when others change the Job at the same time', async () => {
  let refusals = 2;
  const world = restartWorld({
    around: async (method, call) => {
      const isMark = method === 'annotateJob' && world.asked.length > 0;
      if (!isMark || refusals === 0) return call();
      refusals -= 1;
      return 'conflict';
    },
  });
  const run = world.begin();
  await world.clock.pass(1000);
  expect(refusals).toBe(0);
  expect(world.store.allJobs()[0]?.metadata?.annotations).toHaveProperty(['terrakube.io/restarted-at']);
  await world.clock.until(run);
});

const isClaimedIn = ({ store }: ReconcileWorld): boolean =>
  store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/claim'] !== undefined;

/** Runs begin a minute apart, but for the second, which follows the first at once; the first of them is killed. */
async function live(world: RestartWorld, kill?: Kill): Promise<number> {
  const mortal = createMortal(kill);
  // Nothing of a process that was killed is waited for.
  void world.begin(world.sandbox(mortal.around)).catch(() => undefined);
  await world.clock.pass(1000);
  const { calls } = mortal;
  const runs = [world.begin(world.sandbox())];
  await world.clock.pass(MINUTE - 1000);
  runs.push(world.begin(world.sandbox()));
  await world.clock.pass(MINUTE);
  runs.push(world.begin(world.sandbox()));
  await world.clock.until(Promise.all(runs));
  return calls;
}

/** Every moment at which a run can be killed while it starts a step again. */
async function kills(options?: Parameters<typeof restartWorld>[0]): Promise<readonly Kill[]> {
  const calls = await live(restartWorld(options));
  expect(calls).toBeGreaterThan(10);
  return Array.from({ length: calls }, (_, at) => [false, true].map((isDone) => ({ at: at + 1, isDone }))).flat();
}

describe('a run that is killed', { timeout: 60_000 }, () => {
  test('at any call leaves the step to the next one, which starts it once', async () => {
    for (const kill of await kills()) {
      const world = restartWorld();
      await live(world, kill);
      expect({ kill, ...started(world) }).toEqual({ kill, ...ONCE });
    }
  });

  test('after its request is not followed by another while the message waits in the queue', async () => {
    const sending = { dispatchAfterMs: 3 * MINUTE };
    for (const kill of await kills({ sending })) {
      const world = restartWorld({ sending });
      await live(world, kill);
      await world.clock.pass(2 * MINUTE);
      expect({ kill, ...started(world) }).toEqual({ kill, ...ONCE });
    }
  });
});

describe('a user who cancels while a step is started again', { timeout: 60_000 }, () => {
  /** A sandbox in which the user cancels around one of its calls. */
  async function cancelAt({ at, isDone }: Kill): Promise<RestartWorld> {
    const world = restartWorld();
    let calls = 0;
    const cancel = () => world.terrakube.changeJob(ids(), CANCELLED);
    const around = world.sandbox(async (_, call) => {
      calls += 1;
      const isNow = calls === at;
      if (isNow && !isDone) cancel();
      const answer = await call();
      if (isNow && isDone) cancel();
      return answer;
    });
    await world.run(around);
    await world.run(world.sandbox());
    return world;
  }

  test('has cancelled, whichever call it meets', async () => {
    for (const kill of await kills()) {
      const world = await cancelAt(kill);
      expect({ kill, made: world.made, job: world.terrakube.job(ids())?.status }).toEqual({
        kill,
        made: [],
        job: 'cancelled',
      });
    }
  });
});

test('a Job that an old message has made right before the request is left to start the step', async () => {
  let listsOfClaimed = 0;
  const world: RestartWorld = restartWorld({
    around: async (method, call) => {
      const isClaimed = world.store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/claim'] !== undefined;
      if (method === 'listJobs' && isClaimed) listsOfClaimed += 1;
      if (method === 'listJobs' && listsOfClaimed === 2 && world.store.allJobs().length === 1) {
        const job = kubernetesJob({ start: 2 });
        world.store.put({ ...job, metadata: { ...job.metadata, uid: 'uid-of-start-2' } });
      }
      return call();
    },
  });
  await world.run();
  expect(started(world)).toEqual({ asked: 0, made: [], job: 'queue', jobs: [FIRST, SECOND] });
});

test('a pod that no node takes is stopped when its payload is old, and its step is started again', async () => {
  const job = kubernetesJob();
  const world = restartWorld({
    jobs: [job],
    pods: [podFor({ nodeName: '', status: { phase: 'Pending' } })],
  });
  world.clock.advance(1_500_000);
  await world.run();
  expect(started(world)).toEqual(ONCE);
  expect(world.metric('Restarted')).toBe(1);
});
