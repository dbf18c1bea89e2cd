// Histories that a simulation of the protocol found; their numbers only tell them apart. Without the rule that answers it, each
// of them ends with a healthy step told failed, with two executors, or with a step that nobody runs.
import { describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { DENIED, refuse } from '../support/api-refusals.ts';
import { INSTALLATION, ids, kubernetesJob, payload, recordedVerdict, step, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld, type DispatchWorld } from '../support/dispatch-world.ts';
import { tap } from '../support/tap.ts';

const name = (start: number): string => jobName(ids(), INSTALLATION, start);
const UNTOLD = { ...terrakubeJob(), output: null };
const RESTART = recordedVerdict({ action: 'restart', cause: 'imagePull' });

/** Delivers, and kills the delivery right after it has created something. */
async function killedAfterCreating(world: DispatchWorld, what: 'createJob' | 'createSecret'): Promise<void> {
  let isKilled = false;
  const jobs = tap(world.deps.jobs, async (method, call) => {
    if (isKilled) throw new Error('killed');
    const answer = await call();
    isKilled = method === what;
    if (isKilled) throw new Error('killed');
    return answer;
  });
  const { terrakube } = world.deps;
  const messages = tap(world.deps.messages, () => Promise.reject(new Error('killed')));
  expect(await world.deliver({ jobs, terrakube, messages })).toBe('again');
}

const secretNames = ({ store }: DispatchWorld) => store.allSecrets().map(({ metadata }) => metadata?.name);
const outcome = ({ log }: DispatchWorld) => {
  const { outcome: what, reason, jobName: whose } = log.lines.at(-1) ?? {};
  return { what, reason, whose };
};

describe('history 6: one delivery creates the Job and is killed, and the next one is refused by an admission policy', () => {
  test('a create of the Job that is refused does not fail the executor that runs', async () => {
    const world = createDispatchWorld();
    await killedAfterCreating(world, 'createSecret');
    let isListed = false;
    const jobs = {
      ...world.store,
      createJob: refuse(DENIED),
      // The Job was created just after this delivery looked for one.
      listJobs: async (selector: string) => {
        const found = isListed ? await world.store.listJobs(selector) : [];
        isListed = true;
        return found;
      },
    };
    expect(await world.deliver({ jobs })).toBe('done');
    expect(outcome(world)).toEqual({ what: 'skipped', reason: 'anotherDelivery', whose: undefined });
    expect(world.terrakube.job(ids())).toEqual(UNTOLD);
    expect(world.store.allJobs().map(readVerdict)).toEqual([undefined]);
  });

  test('a create of the Secret that is refused does not stop the executor that has it', async () => {
    const world = createDispatchWorld();
    await killedAfterCreating(world, 'createSecret');
    expect(await world.deliver({ jobs: { ...world.store, createSecret: refuse(DENIED) } })).toBe('done');
    expect(outcome(world)).toEqual({ what: 'exists', reason: undefined, whose: name(1) });
    expect(world.terrakube.job(ids())).toEqual(UNTOLD);
    expect(world.store.allJobs().map(readVerdict)).toEqual([undefined]);
  });

  test('a Job that never gets its Secret is stopped, and the user is told', async () => {
    const world = createDispatchWorld();
    await killedAfterCreating(world, 'createJob');
    expect(await world.deliver({ jobs: { ...world.store, createSecret: refuse(DENIED) } })).toBe('done');
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
    expect(world.store.allJobs().map(readVerdict)).toMatchObject([{ action: 'fail' }]);
  });

  test.each([
    ['step', 'appendLog', { status: 'queue', steps: [{ status: 'pending' }] }],
    ['job', 'patchStep', { status: 'queue', steps: [{ status: 'failed' }] }],
  ])('an executor that comes right before the write of the %s is not contradicted', async (_, after, expected) => {
    const world = createDispatchWorld();
    const terrakube = tap(world.terrakube, async (method, call) => {
      const answer = await call();
      if (method === after) world.store.put(kubernetesJob());
      return answer;
    });
    expect(await world.deliver({ terrakube, jobs: { ...world.store, createJob: refuse(DENIED) } })).toBe('done');
    expect(outcome(world)).toEqual({ what: 'skipped', reason: 'anotherDelivery', whose: undefined });
    expect(world.terrakube.job(ids())).toMatchObject(expected);
    expect(await world.deliver()).toBe('done');
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue' });
  });

  test('an executor that has ended for good is not failed either', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ ended: 'Complete' }));
    const jobs = {
      ...world.store,
      createJob: refuse(DENIED),
      listJobs: listsNothingAtFirst(world),
    };
    expect(await world.deliver({ jobs })).toBe('done');
    expect(outcome(world)).toEqual({ what: 'skipped', reason: 'anotherDelivery', whose: undefined });
    expect(world.terrakube.job(ids())).toEqual(UNTOLD);
  });

  test('a start that is to be followed by another one does not hide the refusal', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ ended: 'Failed', verdict: RESTART }));
    expect(await world.deliver({ jobs: { ...world.store, createJob: refuse(DENIED) } })).toBe('done');
    expect(outcome(world)).toMatchObject({ what: 'failed' });
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed' });
  });
});

function listsNothingAtFirst({ store }: DispatchWorld): (selector: string) => ReturnType<typeof store.listJobs> {
  let looks = 0;
  return async (selector) => {
    looks += 1;
    return looks === 1 ? [] : store.listJobs(selector);
  };
}

describe('history 15: the message of an onReject run is delivered again after its Job was deleted', () => {
  const of = ids({ type: 'approval' });
  const rejected = (output: string | null) =>
    terrakubeJob({ status: 'rejected', steps: [step({ status: 'failed', output })] });

  test('it runs the first time, though job and step have ended', async () => {
    const world = createDispatchWorld({ ids: of, job: rejected(null) });
    expect(await world.deliver()).toBe('done');
    expect(world.store.createdNames()).toEqual([jobName(of, INSTALLATION, 1)]);
  });

  test('it does not run again once it has spoken', async () => {
    const world = createDispatchWorld({ ids: of, job: rejected(null) });
    await world.deliver();
    world.terrakube.changeStep(of, { status: 'failed', output: 'https://logs/1' });
    world.store.remove(jobName(of, INSTALLATION, 1));
    expect(await world.deliver({}, { receiveCount: 2 })).toBe('done');
    expect(outcome(world)).toEqual({ what: 'skipped', reason: 'jobEnded', whose: undefined });
    expect(world.store.createdNames()).toHaveLength(1);
  });

  test('another type of a rejected job does not run', async () => {
    const world = createDispatchWorld({ job: rejected(null) });
    expect(await world.deliver()).toBe('done');
    expect(world.store.createdNames()).toEqual([]);
  });
});

describe('history 23: Job 1 ended to be started again, Job 2 runs, and an old message comes once more', () => {
  test('it does not make a Job 3', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ ended: 'Failed', verdict: RESTART }));
    await world.deliver();
    expect(world.store.createdNames()).toEqual([name(2)]);
    for (let count = 2; count < 5; count += 1) await world.deliver({}, { receiveCount: count });
    expect(world.store.createdNames()).toEqual([name(2)]);
    expect(secretNames(world)).toEqual([name(2)]);
  });

  test('also not when Job 2 has ended for good', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ ended: 'Failed', verdict: RESTART }));
    await world.deliver();
    world.store.end(name(2), 'Failed');
    await world.deliver({}, { receiveCount: 2 });
    expect(outcome(world)).toEqual({ what: 'exists', reason: undefined, whose: name(2) });
    expect(world.store.createdNames()).toEqual([name(2)]);
  });

  test('but follows Job 2 when that one is to be started again, too', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ ended: 'Failed', verdict: RESTART }));
    world.store.put(kubernetesJob({ start: 2, ended: 'Failed', verdict: RESTART }));
    await world.deliver();
    expect(world.store.createdNames()).toEqual([name(3)]);
  });

  test('also not when it looks at a list from before Job 2', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob({ ended: 'Failed', verdict: RESTART }));
    const before = world.store.allJobs();
    await world.deliver();
    await world.deliver({ jobs: { ...world.store, listJobs: async () => before } }, { receiveCount: 2 });
    expect(outcome(world)).toEqual({ what: 'exists', reason: undefined, whose: name(2) });
    expect([world.store.createdNames(), secretNames(world)]).toEqual([[name(2)], [name(2)]]);
  });
});

describe('history 24: a delivery is killed between Job and Secret', () => {
  test('the next one makes the Secret, for the Job that is there', async () => {
    const world = createDispatchWorld();
    await killedAfterCreating(world, 'createJob');
    expect(secretNames(world)).toEqual([]);
    const uid = world.store.allJobs()[0]?.metadata?.uid;
    expect(await world.deliver({}, { receiveCount: 2 })).toBe('done');
    expect(outcome(world)).toEqual({ what: 'exists', reason: undefined, whose: name(1) });
    expect(world.store.createdNames()).toEqual([name(1)]);
    expect(world.store.allSecrets()).toMatchObject([{ metadata: { ownerReferences: [{ name: name(1), uid }] } }]);
  });

  test('and one that comes after the Job has ended does not', async () => {
    const world = createDispatchWorld();
    await killedAfterCreating(world, 'createJob');
    world.store.end(name(1), 'Failed');
    expect(await world.deliver({}, { receiveCount: 2 })).toBe('done');
    expect(secretNames(world)).toEqual([]);
  });
});

test('a step that Terrakube sends again under the same id gets no second executor', async () => {
  const world = createDispatchWorld();
  await world.deliver();
  await world.deliver({}, { payload: payload(ids(), { accessToken: 'a fresh one' }) });
  expect([world.store.createdNames(), secretNames(world)]).toEqual([[name(1)], [name(1)]]);
});
