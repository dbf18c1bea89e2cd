// What every ReconciledCluster does, as tests: the reconciler relies on it, whatever fills the port.
import type { V1Job } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ANNOTATION } from '../../lib/domain/job-manifest.ts';
import { LABEL } from '../../lib/domain/job-name.ts';
import { seconds } from '../../lib/domain/time.ts';
import type { OpenWatch, ReconciledCluster, WatchEnd, WatchRequest } from '../../lib/ports.ts';
import { fresh } from './cluster-context.ts';

/** What happens in a cluster beside the port. */
export interface ReconciledWorld {
  /** Creates a suspended Job. @returns its uid. */
  createJob(name: string, labels: Labels): Promise<string>;
  /** Sets one of our annotations. */
  touchJob(name: string, value: string): Promise<void>;
  relabelJob(name: string, labels: Labels): Promise<void>;
  deleteJob(name: string): Promise<void>;
  createPod(name: string, labels: Labels): Promise<void>;
  endPod(name: string, phase: 'Succeeded' | 'Failed'): Promise<void>;
  createSecret(name: string, ownerUid: string): Promise<void>;
  hasSecret(name: string): Promise<boolean>;
  createEvent(name: string, type: 'Warning' | 'Normal'): Promise<void>;
  /** Lets more time pass than this. */
  pass(seconds: number): Promise<void>;
}

type Labels = Readonly<Record<string, string>>;

/** A cluster to be tested. It may hold other objects. */
export interface ReconcilerBench {
  readonly cluster: ReconciledCluster;
  readonly world: ReconciledWorld;
  close?(): Promise<void>;
}

/** Declares the suite for one kind of cluster. */
export function describeReconciledCluster(name: string, createBench: () => Promise<ReconcilerBench>): void {
  describe(name, () => {
    const running: { bench?: ReconcilerBench } = {};
    beforeAll(async () => {
      running.bench = await createBench();
    });
    afterAll(() => running.bench?.close?.());
    const withSubject: WithSubject = (run) => async () => {
      if (!running.bench) throw new Error('the bench did not start');
      await run({ ...running.bench, ...freshGroup() });
    };
    describe('snapshots', () => snapshotTests(withSubject));
    describe('a watch of Jobs', () => watchTests(withSubject));
    describe('a watch of pods', () => podTests(withSubject));
    describe('a payload', () => payloadTests(withSubject));
  });
}

/** Labels that no other test has, of those that lists keep. */
function freshGroup() {
  const group = fresh('group');
  return {
    labels: { [LABEL.step]: group },
    selector: `${LABEL.step}=${group}`,
    named: (part: string) => `${group}-${part}`,
  };
}

type Subject = ReconcilerBench & ReturnType<typeof freshGroup>;
type WithSubject = (run: (subject: Subject) => Promise<void>) => () => Promise<void>;

/** Waits until it holds; a real cluster takes its time. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const nameOf = ({ metadata }: Pick<V1Job, 'metadata'>): string => metadata?.name ?? '';
const versionOf = ({ metadata }: Pick<V1Job, 'metadata'>): string => metadata?.resourceVersion ?? '';
const namesOf = (objects: readonly Pick<V1Job, 'metadata'>[]): readonly string[] => objects.map(nameOf).toSorted();

function snapshotTests(withSubject: WithSubject): void {
  test(
    'show the Jobs with the labels, and of each what an outcome needs',
    withSubject(async ({ cluster, world, labels, selector, named }) => {
      const uid = await world.createJob(named('a'), labels);
      await world.createJob(named('b'), { [LABEL.step]: 'another' });
      await world.touchJob(named('a'), 'x');
      const { items, resourceVersion } = await cluster.snapshotJobs(selector);
      expect(items.map(({ metadata, spec }) => ({ metadata, spec }))).toEqual([
        {
          metadata: expect.objectContaining({ name: named('a'), uid, labels, annotations: { [ANNOTATION.said]: 'x' } }),
          spec: {
            suspend: true,
            template: { spec: expect.objectContaining({ containers: [{ env: [] }] }) },
          },
        },
      ]);
      expect(items[0]?.metadata).not.toHaveProperty('managedFields');
      expect(Number(resourceVersion)).toBeGreaterThanOrEqual(Number(items[0]?.metadata?.resourceVersion));
    }),
  );

  test(
    'show the pods with the labels that have not ended',
    withSubject(async ({ cluster, world, labels, selector, named }) => {
      for (const part of ['live', 'done', 'broken']) await world.createPod(named(part), labels);
      await world.endPod(named('done'), 'Succeeded');
      await world.endPod(named('broken'), 'Failed');
      const snapshot = await cluster.snapshotPods(selector);
      expect(snapshot === 'forbidden' ? snapshot : namesOf(snapshot.items)).toEqual([named('live')]);
    }),
  );

  test(
    'of Events show the warnings',
    withSubject(async ({ cluster, world, named }) => {
      await world.createEvent(named('normal'), 'Normal');
      await world.createEvent(named('warning'), 'Warning');
      const warnings = await cluster.listWarnings();
      const ours = warnings === 'forbidden' ? [] : warnings.filter(({ message }) => message?.startsWith(named('')));
      expect(ours.map(({ message, involvedObject }) => ({ message, about: involvedObject.name }))).toEqual([
        { message: named('warning'), about: named('warning') },
      ]);
    }),
  );
}

/** A watch with what it has brought. */
function watched(cluster: ReconciledCluster, request: Omit<WatchRequest<V1Job>, 'onChange' | 'timeout'>) {
  const changes: { readonly kind: 'changed' | 'deleted'; readonly object: V1Job }[] = [];
  const open = (resourceVersion: string): OpenWatch =>
    cluster.watchJobs({
      ...request,
      resourceVersion,
      timeout: seconds(30),
      onChange: (change) => void changes.push(change),
    });
  return { changes, open, watch: open(request.resourceVersion) };
}

const versionAt = (end: WatchEnd): string => (end.kind === 'closed' ? end.resourceVersion : 'expired');

function watchTests(withSubject: WithSubject): void {
  test(
    'from a snapshot misses nothing and repeats nothing while 50 Jobs are changed and the watch is opened again',
    withSubject(async ({ cluster, world, labels, selector, named }) => {
      const names = Array.from({ length: 50 }, (_, index) => named(String(index)));
      for (const name of names) await world.createJob(name, labels);
      const first = await cluster.snapshotJobs(selector);
      for (const name of names.slice(0, 10)) await world.touchJob(name, 'before the watch');
      const { changes, open, watch } = watched(cluster, { labelSelector: selector, ...first });
      for (const name of names.slice(10, 30)) await world.touchJob(name, 'during the watch');
      await until('the first changes', () => changes.length > 5);
      watch.close();
      const version = versionAt(await watch.ended);
      const seen = changes.length;
      for (const name of names.slice(30, 40)) await world.touchJob(name, 'while no watch was open');
      await world.createJob(named('new'), labels);
      expect(changes.length).toBe(seen);
      const again = open(version);
      for (const name of names.slice(40)) await world.deleteJob(name);
      await until('the deletions', () => changes.filter(({ kind }) => kind === 'deleted').length === 10);
      again.close();

      const versions = changes.map(({ object }) => Number(versionOf(object)));
      expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
      const mirror = new Map(first.items.map((job) => [nameOf(job), versionOf(job)]));
      for (const { kind, object } of changes)
        if (kind === 'deleted') mirror.delete(nameOf(object));
        else mirror.set(nameOf(object), versionOf(object));
      const last = await cluster.snapshotJobs(selector);
      expect([...mirror].toSorted()).toEqual(last.items.map((job) => [nameOf(job), versionOf(job)]).toSorted());
      expect(last.items.length).toBe(41);
    }),
  );

  test(
    'brings a deleted Job as it was, and one that loses its labels as well',
    withSubject(async ({ cluster, world, labels, selector, named }) => {
      for (const part of ['deleted', 'relabelled']) {
        await world.createJob(named(part), labels);
        await world.touchJob(named(part), 'last words');
      }
      const { changes, watch } = watched(cluster, {
        labelSelector: selector,
        resourceVersion: (await cluster.snapshotJobs(selector)).resourceVersion,
      });
      await world.deleteJob(named('deleted'));
      await world.relabelJob(named('relabelled'), { [LABEL.step]: 'another' });
      const gone = () => changes.filter(({ kind }) => kind === 'deleted');
      await until('both to be gone', () => gone().length === 2);
      watch.close();
      expect(gone().map(({ object }) => object.metadata)).toEqual(
        ['deleted', 'relabelled'].map((part) =>
          expect.objectContaining({ name: named(part), labels, annotations: { [ANNOTATION.said]: 'last words' } }),
        ),
      );
    }),
  );

  test(
    'that is closed ends at its last version, at once, and brings nothing more',
    withSubject(async ({ cluster, world, labels, selector, named }) => {
      const { resourceVersion } = await cluster.snapshotJobs(selector);
      const { changes, watch } = watched(cluster, { labelSelector: selector, resourceVersion });
      watch.close();
      expect(await watch.ended).toEqual({ kind: 'closed', resourceVersion });
      await world.createJob(named('a'), labels);
      await cluster.snapshotJobs(selector);
      watch.close();
      expect(changes).toEqual([]);
    }),
  );

  test(
    'ends after its time',
    withSubject(async ({ cluster, world, selector }) => {
      const { resourceVersion } = await cluster.snapshotJobs(selector);
      const onChange = () => undefined;
      const { ended } = cluster.watchJobs({ labelSelector: selector, resourceVersion, timeout: seconds(1), onChange });
      await world.pass(1);
      expect(await ended).toMatchObject({ kind: 'closed' });
    }),
  );
}

function podTests(withSubject: WithSubject): void {
  test(
    'brings new ones, and says of one that has ended that it is gone',
    withSubject(async ({ cluster, world, labels, selector, named }) => {
      await world.createPod(named('old'), labels);
      const snapshot = await cluster.snapshotPods(selector);
      if (snapshot === 'forbidden') throw new Error('may not list pods');
      const changes: string[] = [];
      const { resourceVersion } = snapshot;
      const watch = cluster.watchPods({
        labelSelector: selector,
        resourceVersion,
        timeout: seconds(30),
        onChange: ({ kind, object }) => void changes.push(`${kind} ${nameOf(object)}`),
      });
      await world.createPod(named('new'), labels);
      await world.endPod(named('old'), 'Succeeded');
      await world.endPod(named('new'), 'Failed');
      await until('both to be gone', () => changes.filter((change) => change.startsWith('deleted')).length === 2);
      watch.close();
      expect([changes[0], ...changes.filter((change) => change.startsWith('deleted'))]).toEqual([
        `changed ${named('new')}`,
        `deleted ${named('old')}`,
        `deleted ${named('new')}`,
      ]);
    }),
  );
}

function payloadTests(withSubject: WithSubject): void {
  test(
    'is deleted for the Job that owns it, and for no other',
    withSubject(async ({ cluster, world, labels, named }) => {
      const uid = await world.createJob(named('a'), labels);
      await world.createSecret(named('a'), uid);
      expect(await cluster.deletePayload(named('a'), 'another-uid')).toBe('notOurs');
      expect(await world.hasSecret(named('a'))).toBe(true);
      expect(await cluster.deletePayload(named('a'), uid)).toBe('deleted');
      expect(await world.hasSecret(named('a'))).toBe(false);
      expect(await cluster.deletePayload(named('a'), uid)).toBe('deleted');
    }),
  );
}
