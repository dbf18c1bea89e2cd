// The brake: many Terrakube jobs that seem to be gone are no reason to stop their Jobs; whatever else is to be done is done.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import type { PlannedAction } from '../../lib/domain/plan-types.ts';
import { brake, isAbsent } from '../../lib/domain/reconcile-brake.ts';
import { ids, kubernetesJob, step, terrakubeJob } from '../support/builders.ts';
import { endedJob, running } from '../support/observe-world.ts';
import { podFor, runJobController } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';

const idsOf = (at: number): DispatchIds =>
  ids({ jobId: String(100 + at), stepId: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}` });

const all = Array.from({ length: 20 }, (_, at) => idsOf(at));

const waitingJob = (of: DispatchIds) => {
  const job = kubernetesJob({ of });
  return { ...job, metadata: { ...job.metadata, uid: `uid-of-${of.jobId}` } };
};

const told = (of: DispatchIds, status: string) =>
  terrakubeJob({ status, steps: [step({ id: of.stepId, status: status === 'queue' ? 'pending' : status })] });

test('what Terrakube does not have is the job, or its step, of a job that was not cancelled', () => {
  const other = [step({ id: idsOf(1).stepId })];
  const absent = [
    'notFound' as const,
    terrakubeJob({ status: 'queue', steps: other }),
    terrakubeJob({ status: 'failed', steps: [] }),
  ];
  const present = [
    'unreachable' as const,
    terrakubeJob({ steps: [step({ id: idsOf(0).stepId })] }),
    terrakubeJob({ status: 'cancelled', steps: other }),
  ];
  expect(absent.map((terrakube) => isAbsent(terrakube, idsOf(0)))).toEqual([true, true, true]);
  expect(present.map((terrakube) => isAbsent(terrakube, idsOf(0)))).toEqual([false, false, false]);
});

/** Twenty Jobs that wait; the first of them have lost their Terrakube jobs, or those have this status. */
function twentyJobs(first: number, status: 'gone' | 'cancelled'): ReconcileWorld {
  const world = createReconcileWorld({
    jobs: all.map(waitingJob),
    terrakube: all.flatMap((of, at) => {
      if (at >= first) return [[of, told(of, 'queue')]];
      return status === 'gone' ? [] : [[of, told(of, status)]];
    }),
  });
  runJobController(world);
  return world;
}

const stopped = ({ store }: ReconcileWorld): number =>
  store.allJobs().filter(({ spec }) => spec?.activeDeadlineSeconds === 1).length;

const held = ({ log }: ReconcileWorld) => log.lines.filter(({ level }) => level === 'error');

describe('of twenty Jobs', () => {
  test('six whose jobs are gone are not stopped, and an error says so', async () => {
    const world = twentyJobs(6, 'gone');
    expect(await world.run()).toEqual({ failed: 0 });
    expect(stopped(world)).toBe(0);
    expect(world.metric('StopsHeldBack')).toBe(6);
    expect(held(world)).toEqual([
      { level: 'error', message: 'stops held back: too many Terrakube jobs seem to be gone', count: 6 },
    ]);
  });

  test('what else is to be done is done while the stops are held back', async () => {
    const world = twentyJobs(6, 'gone');
    const of = idsOf(50);
    world.terrakube.put(of, terrakubeJob({ status: 'running', steps: [step({ id: of.stepId, status: 'running' })] }));
    world.store.put({ ...endedJob({ of, ended: 'Failed' }), metadata: { ...waitingJob(of).metadata } });
    world.terrakube.changeJob(idsOf(10), { status: 'cancelled' });
    await world.run();
    expect(world.terrakube.job(of)?.status).toBe('failed');
    expect(stopped(world)).toBe(1);
  });

  test('five whose jobs are gone are stopped', async () => {
    const world = twentyJobs(5, 'gone');
    await world.run();
    expect([stopped(world), world.metric('StopsHeldBack'), held(world)]).toEqual([5, 0, []]);
  });

  test('all that were cancelled are stopped', async () => {
    const world = twentyJobs(20, 'cancelled');
    await world.run();
    expect([stopped(world), world.metric('StopsHeldBack'), held(world)]).toEqual([20, 0, []]);
  });

  test('six whose jobs are gone are not stopped one by one, as their pods change', async () => {
    const world = twentyJobs(6, 'gone');
    const run = world.begin();
    for (const of of all.slice(0, 6)) {
      await world.clock.pass(5000);
      world.cluster.putPod(podFor({ of, status: running() }, `uid-of-${of.jobId}`));
      world.store.put({ ...waitingJob(of), status: { active: 1, ready: 1 } });
    }
    await world.clock.until(run);
    expect(world.log.lines.filter(({ reason }) => reason?.includes('stop, none'))).not.toEqual([]);
    expect(stopped(world)).toBe(0);
  });

  test('those whose jobs go while a run watches are not stopped either when they are too many', async () => {
    const world = twentyJobs(0, 'gone');
    const run = world.begin();
    await world.clock.pass(19_000);
    for (const of of all) world.terrakube.remove(of);
    await world.clock.until(run);
    expect(stopped(world)).toBe(0);
  });

  test('one whose job goes while a run watches is stopped', async () => {
    const world = twentyJobs(0, 'gone');
    const run = world.begin();
    await world.clock.pass(19_000);
    world.terrakube.remove(idsOf(3));
    await world.clock.until(run);
    expect(stopped(world)).toBe(1);
  });

  test('six are not stopped that Terrakube has with other steps than theirs', async () => {
    const world = twentyJobs(0, 'gone');
    for (const of of all.slice(0, 6)) world.terrakube.put(of, told(idsOf(70), 'queue'));
    await world.run();
    expect([stopped(world), world.metric('StopsHeldBack')]).toEqual([0, 6]);
  });
});

describe('the brake', () => {
  const actions = fc.constantFrom('gone', 'superseded', 'cancelled', 'running', 'leave', 'told');
  const planned = (kind: string, at: number): PlannedAction => {
    const verdict = {
      action: kind === 'superseded' ? 'quiet' : 'cancel',
      cause: 'x',
      title: 'x',
      evidence: '',
      advice: '',
    };
    const base = { target: { kind: 'step', ids: idsOf(at) }, row: 1, why: 'x', isOver: false } as const;
    if (kind === 'leave' || kind === 'told') {
      const action = kind === 'told' ? ({ kind: 'tell', scope: 'job', reason: undefined } as const) : undefined;
      return { ...base, action: action ?? { kind: 'leave', why: 'x' }, invariant: undefined };
    }
    const invariants = { gone: 'OrphanJob', superseded: 'Superseded', cancelled: 'CancelledButAlive' } as const;
    const invariant = kind === 'gone' || kind === 'superseded' || kind === 'cancelled' ? invariants[kind] : undefined;
    return { ...base, action: { kind: 'stop', verdict, deletePod: false }, invariant };
  };

  test('leaves out all stops that rest on absence or none of them, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(actions, { maxLength: 60 }), fc.nat({ max: 200 }), (kinds, more) => {
        const plan = kinds.map(planned);
        const isAbsence = (kind: string | undefined) => kind === 'gone' || kind === 'superseded';
        const absent = kinds.filter(isAbsence).length;
        const unfinished = kinds.length + more;
        const isHeld = absent > 5 && absent > unfinished * 0.2;
        expect(brake(plan, unfinished)).toEqual({
          plan: isHeld ? plan.filter((_, at) => !isAbsence(kinds[at])) : plan,
          heldBack: isHeld ? absent : 0,
        });
      }),
    );
  });
});
