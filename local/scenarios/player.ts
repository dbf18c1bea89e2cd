// Plays a recording in the place of the job controller and of the kubelet: for each Job that is created it writes, step by
// step, the Pods, Events and statuses that a real cluster was recorded to show. So it stays, also beyond the TTL of
// the Job, until somebody stops or deletes the Job: then the job controller gets it, and the player is only the kubelet
// that ends its pods.
//
// What the recorded Job asked for (its time limit, its containers' images, limits and node) takes the place of what the
// Job asks for. No container runs, so nobody reports to Terrakube.
import { setTimeout as sleep } from 'node:timers/promises';
import { startJobController } from '../cluster/job-controller.ts';
import { finishedAtMs } from '../cluster/job-status.ts';
import { type ClusterObject, isBeingDeleted, jobs, ownersOf, placeOf, pods } from '../cluster/objects.ts';
import type { Operations } from '../cluster/operations.ts';
import { hasEnded } from '../cluster/pod-tracking.ts';
import type { Change, Store } from '../cluster/store.ts';
import { isObject, type JsonObject, listAt, numberAt, objectAt, textAt } from '../json.ts';
import { createGate } from './gate.ts';
import { podCount } from './recording.ts';
import type { Scenario } from './scenario.ts';
import { type Cluster, createScribe, type Scribe } from './scribe.ts';

/** How a scenario is played. */
export interface PlayerOptions {
  /** What this Job comes to. */
  scenarioOf(job: ClusterObject): Scenario;
  /** Between two steps; long enough for somebody to look at each. Default is one second. */
  readonly stepMs?: number;
  /** Told what the player does that no cluster does. */
  onNote?(text: string): void;
}

const STEP_MS = 1000;
/** Longer than anything is waited for that the recordings wait for and that is failed for it: 120 s, for an image. */
const SET_BACK_SECONDS = 125;

/** Creates what a cluster starts in the place of its job controller; the answer of the start stops it. */
export function createPlayer(options: PlayerOptions): (store: Store, operations: Operations) => () => void {
  return (store, operations) => {
    const gate = createGate(store);
    const stopController = startJobController(gate.store, operations);
    const ending = new AbortController();
    const playing = new Map<string, number>();
    let isWriting = false;

    function seeJob(job: ClusterObject): void {
      const { uid } = job.metadata;
      const generation = numberAt(job, 'metadata', 'generation') ?? 1;
      const known = playing.get(uid);
      // What the recording does to the Job's spec is no stop.
      if (known !== undefined && isWriting && !isBeingDeleted(job)) playing.set(uid, generation);
      // Somebody stops the Job.
      else if (known !== undefined && (generation > known || isBeingDeleted(job))) gate.admit(job);
      if (known !== undefined || objectAt(job, 'spec')['suspend'] === true) return;
      playing.set(uid, generation);
      play(job).catch((error: unknown) => {
        if (!ending.signal.aborted) options.onNote?.(`The scenario broke off: ${String(error)}`);
      });
    }

    async function play(job: ClusterObject): Promise<void> {
      const { uid } = job.metadata;
      for (const step of stepsOf(options, job, { store, operations })) {
        const { afterMs = 0, write } = typeof step === 'function' ? { write: step } : step;
        await sleep(Math.max(afterMs, options.stepMs ?? STEP_MS), undefined, { signal: ending.signal });
        if (!store.hasUid(uid) || gate.isAdmitted(uid)) return;
        isWriting = true;
        try {
          write();
        } finally {
          isWriting = false;
        }
      }
    }

    const unsubscribe = store.subscribe(({ type, resource, object }: Change) => {
      // The pods of a Job that is gone are the job controller's, which lets them go.
      if (type === 'DELETED' && resource === jobs && playing.has(object.metadata.uid)) gate.admit(object);
      if (type === 'DELETED') return;
      if (resource === jobs) seeJob(object);
      const owner = ownersOf(object)[0]?.uid ?? '';
      const isLeftToEnd = resource === pods && isBeingDeleted(object) && !hasEnded(object);
      if (isLeftToEnd && (gate.isAdmitted(owner) || !store.hasUid(owner))) endPod({ store, operations }, object);
    });
    return () => {
      unsubscribe();
      ending.abort();
      stopController();
    };
  };
}

/** What is written next; some of it not before a while. */
type Step = (() => void) | { readonly afterMs?: number; readonly write: () => void };

function stepsOf({ scenarioOf, onNote }: PlayerOptions, job: ClusterObject, cluster: Cluster): readonly Step[] {
  const { recording, ends } = scenarioOf(job);
  const scribe: Scribe = createScribe(recording, job, cluster);
  const finish = (): void => scribe.finish(Date.now());
  const run = hasRun(recording) ? [scribe.run, ...following(recording, scribe)] : [];
  if (objectAt(recording, 'job')['status'] === undefined) return [scribe.begin, ...run, scribe.remove];
  if (recording['deletion'] !== undefined) return [scribe.begin, ...run, ...expiry(recording, scribe)];
  const isOver = finishedAtMs(objectAt(recording, 'job')) !== undefined;
  if (isOver || ends === 'waiting') return [scribe.begin, ...run, finish];
  const setBack = (): void => {
    onNote?.(`${SET_BACK_SECONDS} s are skipped: the times of Job and pod are set back`);
    scribe.finish(Date.now() - SET_BACK_SECONDS * 1000);
  };
  return [scribe.begin, finish, setBack];
}

/** A Job is deleted after its TTL: as late as it was, so that whoever is told of its end has been told of its start. */
function expiry(recording: JsonObject, scribe: Scribe): readonly Step[] {
  const ttlMs = (numberAt(recording, 'job', 'spec', 'ttlSecondsAfterFinished') ?? 0) * 1000;
  const endMs = finishedAtMs(objectAt(recording, 'job')) ?? 0;
  const lastedMs = endMs - Date.parse(textAt(recording, 'job', 'status', 'startTime') ?? '');
  const finish = (): void => {
    scribe.finish(Date.now());
    if (ttlMs === 0) scribe.remove();
  };
  return [{ afterMs: lastedMs, write: finish }, ...(ttlMs === 0 ? [] : [{ afterMs: ttlMs, write: scribe.remove }])];
}

/** The pods behind the first one, each of which was created when the one before it had ended or was deleted. */
function following(recording: JsonObject, scribe: Scribe): readonly (() => void)[] {
  const isResumed = listAt(recording, 'job', 'status', 'conditions')
    .filter(isObject)
    .some(({ type }) => type === 'Suspended');
  const follow = Array.from(
    { length: Math.max(0, podCount(recording) - 1) },
    (_, index) => () => scribe.follow(index + 1),
  );
  return isResumed ? [scribe.suspend, ...follow] : follow;
}

/** A container of the recorded Job's pods was started, in whatever way it ended. */
function hasRun(recording: JsonObject): boolean {
  return listAt(recording, 'pods')
    .flatMap((pod) => listAt(pod, 'status', 'containerStatuses'))
    .filter(isObject)
    .some((status) => textAt(status, 'state', 'terminated', 'startedAt')?.startsWith('1970') === false);
}

/** What a kubelet does with a pod that is told to end. */
function endPod({ store, operations }: Cluster, pod: ClusterObject): void {
  const target = { resource: pods, ...placeOf(pod) };
  setImmediate(() => {
    if (store.get(pods, target.namespace, target.name)?.metadata.uid !== pod.metadata.uid) return;
    const change = (current: ClusterObject): JsonObject => ({
      ...current,
      status: { ...objectAt(current, 'status'), phase: 'Failed' },
    });
    operations.update(target, { part: 'status', change });
    operations.remove(target, { gracePeriodSeconds: 0 });
  });
}
