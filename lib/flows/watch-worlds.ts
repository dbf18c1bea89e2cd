// Keeps a mirror of the cluster up to date: watches of Jobs and pods that are opened again when they end, and new lists when
// the server has forgotten from where on. No failure ends it: the next run lists everything anew.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { DispatcherError } from '../domain/errors.ts';
import { type DurationMs, durationMs, type EpochMs, elapsedMs, type Seconds, seconds } from '../domain/time.ts';
import type { Clock, Log, LogFields, OpenWatch, ReconciledCluster, Snapshot, WatchRequest } from '../ports.ts';
import type { Mirror, Ring } from './mirror.ts';

/** What watching needs. */
export interface WatchDeps {
  readonly cluster: ReconciledCluster;
  readonly clock: Clock;
  readonly log: Log;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
}

/** What is watched, and until when. */
export interface WatchPlan {
  readonly mirror: Mirror;
  readonly labelSelector: string;
  readonly jobsVersion: string;
  /** Undefined where pods may not be read. */
  readonly podsVersion: string | undefined;
  readonly until: EpochMs;
  /** Called for each Job that may look different now. */
  readonly ring: (ring: Ring) => void;
}

/** The watches of a run. */
export interface Watching {
  /** Closes them. */
  stop(): void;
}

/** A connection may be dead without a word: a stream is never trusted for longer. */
const STREAM_LASTS: Seconds = seconds(20);
/** After a watch that could not be opened. */
const AGAIN_AFTER: DurationMs = durationMs(1000);
/** A pod leaves the watch when it has ended; the kubelet removes one that was deleted a moment later. */
const POD_IS_GONE_AFTER: readonly DurationMs[] = [2000, 10_000].map(durationMs);

/** Starts to watch. It ends by itself at `until`. */
export function watchWorlds(deps: WatchDeps, plan: WatchPlan): Watching {
  const { cluster, clock } = deps;
  const { mirror, labelSelector, ring } = plan;
  const ringOne = (one: Ring | undefined): void => {
    if (one?.isEarly) for (const pause of POD_IS_GONE_AFTER) void clock.sleep(pause).then(() => ring(one));
    else if (one) ring(one);
  };
  const jobs = follow<V1Job>(deps, plan, {
    version: plan.jobsVersion,
    open: (request) => cluster.watchJobs(request),
    list: () => cluster.snapshotJobs(labelSelector),
    take: (kind, job) => ringOne(mirror.takeJob(kind, job)),
    replace: (items) => mirror.replaceJobs(items).forEach(ringOne),
  });
  if (plan.podsVersion === undefined) return jobs;
  const pods = follow<V1Pod>(deps, plan, {
    version: plan.podsVersion,
    open: (request) => cluster.watchPods(request),
    list: () => cluster.snapshotPods(labelSelector),
    take: (kind, pod) => ringOne(mirror.takePod(kind, pod)),
    replace: (items) => mirror.replacePods(items).forEach(ringOne),
  });
  return {
    stop() {
      jobs.stop();
      pods.stop();
    },
  };
}

/** How one kind of object is followed. */
interface Followed<T> {
  readonly version: string;
  open(request: WatchRequest<T>): OpenWatch;
  list(): Promise<Snapshot<T> | 'forbidden'>;
  take(kind: 'changed' | 'deleted', object: T): void;
  replace(items: readonly T[]): void;
}

function follow<T>({ clock, log, errorFields }: WatchDeps, plan: WatchPlan, followed: Followed<T>): Watching {
  const { labelSelector, until } = plan;
  let isStopped = false;
  let open: OpenWatch | undefined;
  const isOver = (): boolean => isStopped || clock.now() >= until;
  const once = async (version: string): Promise<string> => {
    const left = Math.ceil(elapsedMs(clock.now(), until) / 1000);
    const timeout = seconds(Math.max(1, Math.min(STREAM_LASTS, left)));
    open = followed.open({
      labelSelector,
      resourceVersion: version,
      timeout,
      onChange: ({ kind, object }) => followed.take(kind, object),
    });
    const end = await open.ended;
    if (end.kind === 'closed') return end.resourceVersion;
    const listed = await followed.list();
    if (listed === 'forbidden') throw new DispatcherError('clusterRefused', 'What was watched may not be listed now.');
    followed.replace(listed.items);
    return listed.resourceVersion;
  };
  const run = async (): Promise<void> => {
    let version = followed.version;
    let said: string | undefined;
    while (!isOver()) {
      const openedAt = clock.now();
      try {
        version = await once(version);
        said = undefined;
        // A server that closes each stream at once is not asked in a circle.
        if (!isOver() && elapsedMs(openedAt, clock.now()) < AGAIN_AFTER) await clock.sleep(AGAIN_AFTER);
      } catch (error) {
        if (!(error instanceof DispatcherError)) throw error;
        if (isStopped) return;
        // Where watching is forbidden, each second would say so.
        if (said !== error.message) log.warn('watch interrupted', errorFields(error));
        said = error.message;
        await clock.sleep(AGAIN_AFTER);
      }
    }
  };
  void run().catch((error: unknown) => log.error('watch failed', errorFields(error)));
  return {
    stop() {
      isStopped = true;
      open?.close();
    },
  };
}
