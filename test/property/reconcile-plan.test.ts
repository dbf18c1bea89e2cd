// Laws of the reconciler's plan, for any two worlds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import type { PlannedAction, PlanSettings, Worlds } from '../../lib/domain/plan-types.ts';
import { planReconcile, targetKey } from '../../lib/domain/reconcile-plan.ts';
import { findStep } from '../../lib/domain/terrakube-job.ts';
import { INSTALLATION } from '../support/builders.ts';
import { verdictSettings } from '../support/verdict-builders.ts';
import { type AnyWorld, anyWorld, worldsOf } from '../support/world-arbitraries.ts';

const switches = fc.record({
  ownsAllSteps: fc.boolean(),
  cancelRunningApply: fc.boolean(),
  keepAlive: fc.boolean(),
  isDispatchPaused: fc.boolean(),
});
const about = fc
  .record({ maxStarts: fc.constantFrom(1, 3), settings: switches })
  .map(({ maxStarts, settings }) => ({ installation: INSTALLATION, maxStarts, settings: verdictSettings(settings) }));

/** Small worlds are quick to shrink; the large ones have up to 200 Jobs. */
const worlds = fc.oneof({ weight: 9, arbitrary: anyWorld(4) }, { weight: 1, arbitrary: anyWorld(40) });

/** Checks a law. */
const holds = (law: (any: AnyWorld, settings: PlanSettings) => void): void =>
  fc.assert(fc.property(worlds, about, law), { numRuns: 150 });

const keyOf = ({ target, action }: PlannedAction): string =>
  `${targetKey(target)} ${action.kind === 'deletePayload' ? 'payload' : ''}`;

test('each target stands in the plan once, besides its payload, and each entry says why', { timeout: 30_000 }, () => {
  holds((any, settings) => {
    const plan = planReconcile(worldsOf(any), settings);
    expect(plan.filter(({ why }) => why.trim() === '')).toEqual([]);
    expect(new Set(plan.map(keyOf)).size).toBe(plan.length);
  });
});

test('every Job whose Terrakube job was asked for stands in the plan', { timeout: 30_000 }, () => {
  holds((any, settings) => {
    const read = worldsOf(any);
    const plan = planReconcile(read, settings);
    const planned = new Set(plan.map(({ target }) => (target.kind === 'job' ? target.name : '')));
    const asked = any.ours.filter(({ job }) => read.terrakube.has(job.metadata?.labels?.['terrakube.io/job'] ?? ''));
    expect(asked.filter(({ job }) => !planned.has(job.metadata?.name ?? ''))).toEqual([]);
  });
});

test('Jobs that are not ours change nothing and are not spoken of', { timeout: 30_000 }, () => {
  holds((any, settings) => {
    expect(planReconcile(worldsOf(any), settings)).toEqual(planReconcile(worldsOf(any, false), settings));
  });
});

test('the order in which things are read does not matter', { timeout: 30_000 }, () => {
  const orders = fc.func(fc.nat({ max: 1e9 }));
  fc.assert(
    fc.property(worlds, about, orders, (any, settings, order) => {
      const read = worldsOf(any);
      const shuffled = <T>(items: readonly T[]): T[] => items.toSorted((a, b) => order(a) - order(b));
      const again: Worlds = {
        ...read,
        jobs: shuffled(read.jobs),
        pods: read.pods === 'forbidden' ? read.pods : shuffled(read.pods),
        events: read.events === 'forbidden' ? read.events : shuffled(read.events),
        terrakube: new Map(
          shuffled([...read.terrakube]).map(([id, job]) => [
            id,
            job === 'notFound' ? job : { ...job, steps: shuffled(job.steps) },
          ]),
        ),
      };
      expect(planReconcile(again, settings)).toEqual(planReconcile(read, settings));
    }),
    { numRuns: 100 },
  );
});

/** What writes to Terrakube, now or once its Job has ended. */
const WRITES = ['fail', 'tell', 'patchJob', 'patchStep', 'annotate', 'restart', 'explain', 'keepAlive'];

test('nothing is written to a rejected job', { timeout: 30_000 }, () => {
  holds((any, settings) => {
    const read = worldsOf(any);
    const rejected = planReconcile(read, settings).filter(({ target }) => {
      const job = read.terrakube.get(target.ids.jobId);
      return typeof job === 'object' && job.status === 'rejected';
    });
    expect(rejected.filter(({ action }) => WRITES.includes(action.kind))).toEqual([]);
  });
});

/** Whether an action leads to another start. */
const startsAgain = ({ action }: PlannedAction): boolean =>
  action.kind === 'restart' || (action.kind === 'stop' && action.verdict.action === 'restart');

test('a step is started again only if it is pending and has provably never run', { timeout: 30_000 }, () => {
  holds((any, settings) => {
    const read = worldsOf(any);
    for (const planned of planReconcile(read, settings).filter(startsAgain)) {
      const { target, action } = planned;
      const terrakube = read.terrakube.get(target.ids.jobId);
      const own = any.ours.find(({ job }) => target.kind === 'job' && job.metadata?.name === target.name);
      const outcome = jobOutcome(own?.job, own?.pods, own?.events, read.now);
      const step = typeof terrakube === 'object' ? findStep(terrakube, target.ids.stepId) : undefined;
      expect(step?.status).toBe('pending');
      expect(target.ids.type).not.toBe('approval');
      // What was recorded was proved then; its pod is gone since.
      const proof = action.kind === 'restart' && action.phase === 'carryOut' ? ['no', 'unknown'] : ['no'];
      expect(proof).toContain(outcome.kind === 'missing' ? 'missing' : outcome.everStarted);
    }
  });
});
