// SQS delivers at least once, also twice at the same time, and Lambda may be stopped between any two calls. Whatever
// happens: one Job, one Secret, and a step that either has them or was told why not.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import { hasEnded } from '../../lib/domain/next-start.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import { DENIED, notAllowed, refuse } from '../support/api-refusals.ts';
import { INSTALLATION, ids, payload, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld, type DispatchWorld } from '../support/dispatch-world.ts';
import { type Around, tap } from '../support/tap.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const UNTOLD = { ...terrakubeJob(), output: null };

/** How a step stands when no message of it is left. */
const endOf = ({ store, terrakube, ids: of }: DispatchWorld) => ({
  created: store.createdNames(),
  secrets: store.allSecrets().map(({ metadata }) => metadata?.name),
  verdicts: store.allJobs().map(readVerdict),
  terrakube: terrakube.job(of),
});

const DISPATCHED = { created: [NAME], secrets: [NAME], verdicts: [undefined], terrakube: UNTOLD };

/** Delivers until the message is acknowledged, as SQS does; the job controller ends what was stopped. */
async function drain(world: DispatchWorld, changes = {}): Promise<void> {
  for (let count = 2; count < 20; count += 1) {
    for (const job of world.store.allJobs()) {
      if (readVerdict(job) && !hasEnded(job)) world.store.end(job.metadata?.name ?? '', 'Failed');
    }
    if ((await world.deliver(changes, { receiveCount: count })) === 'done') return;
  }
  throw new Error('the message is never acknowledged');
}

describe('a message that is delivered', () => {
  test.each([1, 2, 50])('%i times in a row makes one Job and one Secret', async (times) => {
    const world = createDispatchWorld();
    for (let count = 1; count <= times; count += 1)
      expect(await world.deliver({}, { receiveCount: count })).toBe('done');
    expect(endOf(world)).toEqual(DISPATCHED);
  });

  test.each([2, 50])('%i times at once makes one Job and one Secret', async (times) => {
    const world = createDispatchWorld();
    await Promise.all(Array.from({ length: times }, () => world.deliver()));
    await drain(world);
    expect(endOf(world)).toEqual(DISPATCHED);
  });

  test('at once in any order of its calls makes one Job and one Secret', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 6 }), async (scheduler, times) => {
        const around: Around = async (method, call) => {
          await scheduler.schedule(Promise.resolve(), `${method} is sent`);
          const answer = await call();
          await scheduler.schedule(Promise.resolve(), `${method} is answered`);
          return answer;
        };
        const world = createDispatchWorld({ around });
        const deliveries = Promise.all(Array.from({ length: times }, () => world.deliver()));
        expect(await scheduler.waitFor(deliveries)).toEqual(Array.from({ length: times }, () => 'done'));
        expect(endOf(world)).toEqual(DISPATCHED);
      }),
      { numRuns: 300 },
    );
  }, 30_000);
});

/** What may happen to a create: it is done, it is done and the answer is lost, or it is lost on its way. */
const luck = fc.constantFrom('done', 'done', 'answerLost', 'requestLost', 'answered504', 'killed');

describe('deliveries at once over a bad network, each killed at some point', () => {
  test('make one Job and one Secret in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.array(luck), { minLength: 1, maxLength: 4 }),
        async (scheduler, fates) => {
          const world = createDispatchWorld();
          const deliveries = fates.map((fate) => {
            const around = badLuck([...fate], (label) => scheduler.schedule(Promise.resolve(), label));
            const { deps } = world;
            return world.deliver({
              jobs: tap(deps.jobs, around),
              terrakube: tap(deps.terrakube, around),
              messages: tap(deps.messages, around),
            });
          });
          await scheduler.waitFor(Promise.all(deliveries));
          await drain(world);
          expect(endOf(world)).toEqual(DISPATCHED);
        },
      ),
      { numRuns: 500 },
    );
  }, 30_000);
});

function badLuck(fate: string[], turn: (label: string) => Promise<unknown>): Around {
  let isKilled = false;
  return async (method, call) => {
    await turn(method);
    if (isKilled) throw new Error('killed');
    const what = fate.shift() ?? 'done';
    if (what === 'killed') {
      isKilled = true;
      throw new Error('killed');
    }
    if (what === 'done' || !method.startsWith('create')) return call();
    if (what === 'answerLost') await call();
    return what === 'answered504' ? refuse({ status: 504, reason: 'Timeout', message: '' })() : { kind: 'noAnswer' };
  };
}

/** Runs a delivery that is killed right after its n-th call to the outside; every later call finds nobody there. */
function killedAfter(calls: number): { readonly around: Around; readonly wasKilled: () => boolean } {
  let count = 0;
  const around: Around = async (_, call) => {
    if (count >= calls) throw new Error('killed');
    const answer = await call();
    count += 1;
    if (count === calls) throw new Error('killed');
    return answer;
  };
  return { around, wasKilled: () => count >= calls };
}

/** Kills a first delivery after each of its calls in turn, and looks at what the next ones make of it. */
async function killEverywhere(
  changes: (world: DispatchWorld) => Parameters<DispatchWorld['deliver']>[0],
  expected: Readonly<Record<string, unknown>>,
): Promise<number> {
  for (let calls = 1; calls < 30; calls += 1) {
    const world = createDispatchWorld();
    const deps = { ...world.deps, ...changes(world) };
    const { around, wasKilled } = killedAfter(calls);
    await world.deliver({
      jobs: tap(deps.jobs, around),
      terrakube: tap(deps.terrakube, around),
      messages: tap(deps.messages, around),
    });
    if (!wasKilled()) return calls - 1;
    await drain(world, changes(world));
    expect({ afterCall: calls, ...endOf(world) }).toMatchObject({ afterCall: calls, ...expected });
  }
  throw new Error('the delivery never ends');
}

describe('a delivery that is killed after any of its calls', () => {
  test('of a step that can run: the next one makes what is missing', async () => {
    const calls = await killEverywhere(() => ({}), DISPATCHED);
    expect(calls).toBe(4);
  });

  test('of a step whose Job is refused: the user is told, and there is no Job', async () => {
    const calls = await killEverywhere(({ store }) => ({ jobs: { ...store, createJob: refuse(DENIED) } }), {
      created: [],
      secrets: [],
      terrakube: {
        status: 'failed',
        output: expect.stringContaining('denied the request'),
        steps: [{ status: 'failed' }],
      },
    });
    expect(calls).toBe(12);
  });

  test('of a step whose Secret is refused: the Job is stopped and the user is told', async () => {
    const calls = await killEverywhere(
      ({ store }) => ({ jobs: { ...store, createSecret: refuse(notAllowed('secrets')) } }),
      {
        created: [NAME],
        secrets: [],
        verdicts: [{ action: 'fail', cause: 'payloadMissing' }],
        terrakube: {
          status: 'failed',
          output: expect.stringContaining('may not create Secrets'),
          steps: [{ status: 'failed' }],
        },
      },
    );
    expect(calls).toBe(13);
  });

  test('of a payload that is too large: the user is told', async () => {
    const large = payload(ids(), { variables: { large: 'x'.repeat(800_000) } });
    for (let calls = 1; calls < 20; calls += 1) {
      const world = createDispatchWorld();
      const { around, wasKilled } = killedAfter(calls);
      const { jobs, terrakube } = world.deps;
      await world.deliver({ jobs: tap(jobs, around), terrakube: tap(terrakube, around) }, { payload: large });
      if (!wasKilled()) return;
      await world.deliver({}, { payload: large, receiveCount: 2 });
      expect(endOf(world)).toMatchObject({
        created: [],
        terrakube: { status: 'failed', output: expect.stringContaining('too large'), steps: [{ status: 'failed' }] },
      });
    }
    throw new Error('the delivery never ends');
  });
});
