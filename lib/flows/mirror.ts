// Both worlds as a run of the reconciler knows them: what was listed, and every change that was watched since.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { Installation } from '../domain/job-name.ts';
import { jobNameOfPod } from '../domain/job-name.ts';
import { isOurs } from '../domain/next-start.ts';
import type { Worlds } from '../domain/plan-types.ts';
import type { ListedTerrakubeJob } from '../domain/terrakube-job.ts';

/** A Job to be looked at; `final`: its last document, when it is gone. */
export interface Ring {
  readonly name: string;
  readonly final?: V1Job;
  /** A pod of the Job has left; it may still be there for a moment, and nothing is said before it is gone. */
  readonly isEarly?: boolean;
}

/** What is known. */
export interface Mirror {
  jobs(): readonly V1Job[];
  pods(): readonly V1Pod[] | 'forbidden';
  job(name: string): V1Job | undefined;
  /** Takes a change of a Job in. @returns whom to look at, if the change says anything. */
  takeJob(kind: 'changed' | 'deleted', job: V1Job): Ring | undefined;
  /** Takes a change of a pod in. */
  takePod(kind: 'changed' | 'deleted', pod: V1Pod): Ring | undefined;
  /** Takes a new list in, when changes were missed. */
  replaceJobs(jobs: readonly V1Job[]): readonly Ring[];
  replacePods(pods: readonly V1Pod[]): readonly Ring[];
  /** Terrakube's side by job id, and Events: as they were read last. */
  readonly terrakube: Map<string, ListedTerrakubeJob | 'notFound'>;
  events: readonly CoreV1Event[] | 'forbidden';
}

/** Creates a mirror of what was read. */
export function createMirror(worlds: Worlds, installation: Installation): Mirror {
  const jobs = new Map<string, V1Job>(worlds.jobs.map((job) => [nameOf(job), job]));
  const arePodsSeen = worlds.pods !== 'forbidden';
  const pods = new Map<string, V1Pod>(arePodsSeen ? worlds.pods.map((pod) => [nameOf(pod), pod]) : []);
  /** Jobs that were deleted, by their last documents: their pods may outlive them for their grace period. */
  const gone = new Map<string, V1Job>();
  const leave = (name: string, pod: V1Pod): Ring | undefined => {
    if (jobs.has(name)) return { name };
    // Of a Job that nobody here has seen its pod's labels say whose it was.
    const final = gone.get(name) ?? { metadata: { name, labels: pod.metadata?.labels ?? {} } };
    return isOurs(final, installation) ? { name, final, isEarly: true } : undefined;
  };
  const mirror: Mirror = {
    terrakube: new Map(worlds.terrakube),
    events: worlds.events,
    jobs: () => [...jobs.values()],
    pods: () => (arePodsSeen ? [...pods.values()] : 'forbidden'),
    job: (name) => jobs.get(name),
    takeJob(kind, job) {
      const name = nameOf(job);
      if (!isOurs(job, installation)) return undefined;
      const before = jobs.get(name);
      if (kind === 'deleted') {
        jobs.delete(name);
        gone.set(name, job);
        return { name, final: job };
      }
      gone.delete(name);
      jobs.set(name, job);
      return before !== undefined && wordsOf(before) === wordsOf(job) ? undefined : { name };
    },
    takePod(kind, pod) {
      const name = nameOf(pod);
      const before = pods.get(name);
      const jobName = jobNameOfPod(name);
      if (kind === 'deleted') {
        pods.delete(name);
        return jobName === undefined ? undefined : leave(jobName, pod);
      }
      pods.set(name, pod);
      const isNews = before === undefined || wordsOf(before) !== wordsOf(pod);
      return isNews && jobName !== undefined && jobs.has(jobName) ? { name: jobName } : undefined;
    },
    replaceJobs: (listed) => replace(jobs, listed, mirror.takeJob),
    replacePods: (listed) => replace(pods, listed, mirror.takePod),
  };
  return mirror;
}

function replace<T extends V1Job | V1Pod>(
  known: ReadonlyMap<string, T>,
  listed: readonly T[],
  take: (kind: 'changed' | 'deleted', object: T) => Ring | undefined,
): readonly Ring[] {
  const names = new Set(listed.map(nameOf));
  const gone = [...known].filter(([name]) => !names.has(name)).map(([, object]) => object);
  const rings = [...gone.map((object) => take('deleted', object)), ...listed.map((object) => take('changed', object))];
  return rings.filter((ring) => ring !== undefined);
}

const nameOf = ({ metadata }: V1Job | V1Pod): string => metadata?.name ?? '';

/** What a look could see differently. Our own annotations are none of it: each of them would ring its own writer. */
const wordsOf = ({ metadata, spec, status }: V1Job | V1Pod): string =>
  JSON.stringify([
    metadata?.uid,
    metadata?.deletionTimestamp,
    spec && 'suspend' in spec && spec.suspend,
    status,
    spec && 'nodeName' in spec && spec.nodeName,
  ]);
