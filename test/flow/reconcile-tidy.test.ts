// What a run does besides stopping and telling: it reports, deletes payloads, forgets what is over, and says nothing secret.
import type { V1Job } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import {
  INSTALLATION,
  ids,
  kubernetesJob,
  laterStep,
  PAYLOAD_SECRETS,
  recordedVerdict,
  step,
  terrakubeJob,
} from '../support/builders.ts';
import { leaksIn } from '../support/leaks.ts';
import { endedJob, running, terminated } from '../support/observe-world.ts';
import { withSecrets } from '../support/observed-terrakube.ts';
import { podFor } from '../support/reconcile-model.ts';
import { createReconcileWorld, type ReconcileOptions, type ReconcileWorld } from '../support/reconcile-world.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const COMPLETED = terrakubeJob({ status: 'completed', steps: [step({ status: 'completed', output: 'https://log' })] });
const SECRET = {
  metadata: {
    name: NAME,
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: NAME, uid: 'uid-of-start-1' }],
  },
};
const completedJob = endedJob({ ended: 'Complete' });

/** A Job that has ended well, with its payload. */
function ended(options: ReconcileOptions = {}, secret: Parameters<ReconcileWorld['store']['putSecret']>[0] = SECRET) {
  const world = createReconcileWorld({ jobs: [completedJob], terrakube: [[ids(), COMPLETED]], ...options });
  world.store.putSecret(secret);
  world.clock.advance(70_000);
  return world;
}
const markOf = ({ store }: ReconcileWorld) =>
  store.allJobs()[0]?.metadata?.annotations?.['terrakube.io/payload-deleted-at'];

describe('a payload', () => {
  test('of another owner stays, and is not asked for again', async () => {
    const world = ended(
      {},
      {
        metadata: { name: NAME, ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: NAME, uid: 'other' }] },
      },
    );
    await world.run();
    await world.run();
    expect(world.store.allSecrets()).toHaveLength(1);
    expect(world.writes).toEqual(['deletePayload', 'annotateJob']);
  });

  test('that we may not delete is said to be so once, and is not tried again', async () => {
    const world = ended({
      around: (method, call) => (method === 'deletePayload' ? Promise.resolve('forbidden') : call()),
    });
    await world.run();
    await world.run();
    expect(world.log.lines.filter(({ level }) => level !== 'info')).toEqual([
      { level: 'warn', message: 'payload Secrets may not be deleted: the role lacks get or delete on secrets' },
    ]);
    expect(markOf(world)).toBeUndefined();
  });

  test('whose Job was changed meanwhile is written down by the next look', async () => {
    let conflicts = 0;
    const world = ended({
      around: async (method, call) => {
        if (method !== 'annotateJob' || conflicts > 0) return call();
        conflicts += 1;
        return 'conflict';
      },
    });
    const run = world.begin();
    await world.clock.pass(4000);
    expect([world.store.allSecrets(), markOf(world)]).toEqual([[], undefined]);
    await world.clock.until(run);
    expect(markOf(world)).toBe('2026-11-24T20:42:52.504Z');
  });
});

describe('a Job that is over', () => {
  /** Calls of a run, each once. */
  async function callsOf(world: ReconcileWorld, calls: string[]): Promise<readonly string[]> {
    calls.length = 0;
    await world.run();
    return [...new Set(calls)];
  }

  test('is not asked for again, by this run or the next', async () => {
    const calls: string[] = [];
    const world = ended({
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    await world.run();
    expect(await callsOf(world, calls)).toEqual(['listLiveJobs', 'snapshotJobs', 'snapshotPods']);
  });

  test('is looked at all the same where another memory has never seen it', async () => {
    const world = ended();
    await world.run();
    const calls: string[] = [];
    const around = (method: string, call: () => Promise<unknown>) => {
      calls.push(method);
      return call();
    };
    await world.run(world.sandbox(around));
    expect(calls).toContain('listJobs');
  });

  test('is asked for as long as its Terrakube job is live', async () => {
    const calls: string[] = [];
    const world = ended({
      terrakube: [[ids(), { ...COMPLETED, status: 'pending' }]],
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    await world.run();
    expect(await callsOf(world, calls)).toContain('listJobs');
  });
});

test('a Job is not over because a list does not show its live job', async () => {
  const world = createReconcileWorld({
    jobs: [endedJob({ ended: 'Failed' })],
    terrakube: [
      [ids(), terrakubeJob({ status: 'running', steps: [step({ status: 'running', output: 'https://log' })] })],
    ],
  });
  world.clock.advance(70_000);
  const nothing = async () => new Map<string, never>();
  await world.run({ terrakubeJobs: { listLiveJobs: nothing, listJobs: nothing } });
  await world.run();
  expect(world.terrakube.job(ids())?.status).toBe('failed');
});

describe('an installation in which nothing runs', () => {
  test('is watched for 90 s, and not at all where it need not be', async () => {
    const world = ended();
    const [before, watched] = [world.clock.now(), await world.run()];
    const after = world.clock.now();
    expect(watched).toEqual({ failed: 0 });
    await world.run({ watchesWhenIdle: false });
    expect([after - before, world.clock.now() - after]).toEqual([90_000, 0]);
  });

  test('but one Job is watched wherever that is', async () => {
    const world = createReconcileWorld({ jobs: [kubernetesJob()], terrakube: [[ids(), terrakubeJob()]] });
    const startedAt = world.clock.now();
    await world.run({ watchesWhenIdle: false });
    expect(world.clock.now() - startedAt).toBe(90_000);
  });
});

/** Something of everything: a step to be told, a Job to be stopped, a payload to be deleted. */
function muchToDo(more: (job: V1Job) => V1Job = (job) => job): ReconcileWorld {
  const of = { failed: ids(), cancelled: ids({ jobId: '18' }), gone: ids({ jobId: '19' }) };
  const other = (job: V1Job, uid: string) => more({ ...job, metadata: { ...job.metadata, uid } });
  const world = createReconcileWorld({
    jobs: [
      more(endedJob({ ended: 'Failed' })),
      other(kubernetesJob({ of: of.cancelled }), 'uid-18'),
      other(kubernetesJob({ of: of.gone, verdict: recordedVerdict({ action: 'restart' }), ended: 'Failed' }), 'uid-19'),
    ],
    pods: [podFor({ status: terminated('OOMKilled', 137) }), podFor({ of: of.cancelled, status: running() }, 'uid-18')],
    terrakube: [
      [of.failed, terrakubeJob({ status: 'running', steps: [step({ status: 'running', output: 'https://log' })] })],
      [of.cancelled, terrakubeJob({ status: 'cancelled', steps: [step({ status: 'cancelled' })] })],
      [of.gone, terrakubeJob()],
    ],
  });
  world.store.putSecret(SECRET);
  world.clock.advance(70_000);
  return world;
}

describe('a run that only reports', () => {
  test('plans as one that acts, reads what that says, and writes nothing', async () => {
    const [reporting, acting] = [muchToDo(), muchToDo()];
    const planned = ({ log }: ReconcileWorld) => log.lines.filter(({ message }) => message === 'planned');
    const startedAt = reporting.clock.now();
    expect(await reporting.run({ isReportOnly: true })).toEqual({ failed: 0 });
    await acting.run();
    expect(reporting.clock.now()).toBe(startedAt);
    expect(reporting.writes).toEqual([]);
    expect(acting.writes.length).toBeGreaterThan(5);
    const kinds = planned(reporting).map(({ outcome }) => outcome);
    expect(kinds.toSorted()).toEqual(['deletePayload', 'deletePayload', 'fail', 'restart', 'stop']);
    expect(
      planned(acting)
        .map(({ outcome }) => outcome)
        .toSorted(),
    ).toEqual(kinds.toSorted());
    expect(reporting.metric('InvariantCancelledButAlive')).toBe(1);
  });

  test('does not read the pod of each Job whose payload it would delete', async () => {
    const calls: string[] = [];
    const world = ended({
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    await world.run({ isReportOnly: true });
    expect(world.log.lines.filter(({ outcome }) => outcome === 'deletePayload')).toHaveLength(1);
    expect(calls).not.toContain('listPods');
  });
});

describe('a step that Terrakube has left pending under a failed job, as in a locked workspace', () => {
  test('is failed, and says that it was not run', async () => {
    const world = createReconcileWorld({
      jobs: [endedJob({ ended: 'Failed' })],
      terrakube: [
        [
          ids(),
          terrakubeJob({ status: 'failed', steps: [step({ status: 'failed', output: 'https://log' }), laterStep()] }),
        ],
      ],
    });
    world.clock.advance(70_000);
    await world.run();
    expect(world.terrakube.job(ids())?.steps[1]).toMatchObject({
      status: 'failed',
      name: expect.stringMatching(/Terraform Apply: .+/),
    });
    expect(world.terrakube.job(ids())?.status).toBe('failed');
  });
});

test('no line of the log holds anything of a payload, a manifest or a message of a fault', async () => {
  const world = muchToDo(withSecrets);
  let calls = 0;
  const sandbox = world.sandbox(async (_, call) => {
    calls += 1;
    if (calls % 7 === 0) throw new Error(PAYLOAD_SECRETS.join(' '));
    return call();
  });
  await world.run(sandbox).catch(() => undefined);
  await world.run();
  expect(world.log.lines.filter(({ level }) => level === 'error')).not.toEqual([]);
  expect(leaksIn(world.log.lines, PAYLOAD_SECRETS)).toEqual([]);
  expect(leaksIn(world.terrakube.everyLine, PAYLOAD_SECRETS)).toEqual([]);
});
