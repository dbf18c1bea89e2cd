// What the plan makes of odd worlds; its laws are in test/property.
import { expect, test } from 'vitest';
import type { Worlds } from '../../lib/domain/plan-types.ts';
import { planReconcile } from '../../lib/domain/reconcile-plan.ts';
import type { ListedTerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import { sinceOf } from '../../lib/flows/read-worlds.ts';
import { createReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import { INSTALLATION, ids, NOON, recordedVerdict, terrakubeJob } from '../support/builders.ts';
import { endedJob } from '../support/observe-world.ts';
import { createReconcileWorld } from '../support/reconcile-world.ts';
import { verdictSettings } from '../support/verdict-builders.ts';

const about = { installation: INSTALLATION, maxStarts: 3, settings: verdictSettings({ ownsAllSteps: true }) };

const listed = (changes: Partial<ListedTerrakubeJob> = {}): ListedTerrakubeJob => ({
  ...terrakubeJob(),
  id: ids().jobId,
  organizationId: ids().organizationId,
  workspaceId: ids().workspaceId,
  updatedAt: undefined,
  ...changes,
});

const worlds = (changes: Partial<Worlds> = {}): Worlds => ({
  jobs: [],
  pods: [],
  events: [],
  terrakube: new Map([[ids().jobId, listed()]]),
  unchangedSince: new Map([[ids().jobId, epochMs(NOON - 3_600_000)]]),
  now: NOON,
  ...changes,
});

test('a step whose ids could not stand in a label is not planned for', () => {
  const odd = new Map([[ids().jobId, listed({ organizationId: 'an organization/of ours' })]]);
  expect(planReconcile(worlds(), about).map(({ action }) => action.kind)).toEqual(['fail']);
  expect(planReconcile(worlds({ terrakube: odd }), about)).toEqual([]);
});

test.each([
  ['ten seconds ago is left to that run', 10, ['leave']],
  ['a minute ago is taken over', 60, ['restart']],
])('a restart that another run has claimed %s', (_, seconds, expected) => {
  const verdict = recordedVerdict({ action: 'restart', cause: 'unschedulable', title: 'no node fits' });
  const job = endedJob({ ended: 'Failed', verdict }, 5000);
  const claim = new Date(NOON - seconds * 1000).toISOString();
  const annotations = {
    ...job.metadata?.annotations,
    'terrakube.io/claim': claim,
    'terrakube.io/payload-deleted-at': claim,
  };
  const plan = planReconcile(worlds({ jobs: [{ ...job, metadata: { ...job.metadata, annotations } }] }), about);
  expect(plan.map(({ action }) => action.kind)).toEqual(expected);
});

test("what this machine's clock has seen counts by the API server's", () => {
  const { deps, clock } = createReconcileWorld();
  const memory = createReconcileMemory();
  const cluster = { ...deps.cluster, serverNow: () => epochMs(clock.now() + 300_000) };
  const terrakube = new Map([['17', listed()]]);
  sinceOf({ memory, clock, cluster }, terrakube);
  clock.advance(durationMs(60_000));
  const since = sinceOf({ memory, clock, cluster }, terrakube).get('17');
  expect(cluster.serverNow() - Number(since)).toBe(60_000);
});
