// Jobs and Secrets in memory, with the answers of a real API server. No controller runs: a test ends a Job itself.
import type { V1Job, V1Pod, V1Secret } from '@kubernetes/client-node';
import { verdictText } from '../../lib/domain/recorded-verdict.ts';
import type { ApiAnswer, JobStore } from '../../lib/ports.ts';

/** A store for tests. */
export interface InMemoryJobStore extends JobStore {
  /** All Jobs, in the order of their creation. */
  allJobs(): readonly V1Job[];
  allSecrets(): readonly V1Secret[];
  /** Every Job that was ever created, also deleted ones. */
  createdNames(): readonly string[];
  /** Puts a Job there as it is, over one of its name. */
  put(job: V1Job): void;
  /** Ends a Job as the job controller does. */
  end(name: string, condition: 'Complete' | 'Failed'): void;
  /** Deletes a Job and, like the garbage collector, what belongs to it. */
  remove(name: string): void;
  putSecret(secret: V1Secret): void;
  removeSecret(name: string): void;
  /** From now on at most so many objects are taken. Like a real quota, it refuses before the name is looked at. */
  limit(quota: Quota): void;
  /** The version of the newest change. */
  version(): string;
  /** Counts a change of something else that is kept beside the store. */
  nextVersion(): string;
  /** Tells of each change of a Job, at once. */
  onJob(listener: (change: StoreChange<V1Job>) => void): void;
}

/** One change. */
export interface StoreChange<T> {
  readonly version: string;
  /** Undefined for a new object. */
  readonly before: T | undefined;
  /** Undefined for a deleted object. */
  readonly after: T | undefined;
}

/** How many objects a namespace may hold. */
export interface Quota {
  readonly jobs?: number;
  readonly secrets?: number;
}

/** Creates an empty store. */
export function createInMemoryJobStore(): InMemoryJobStore {
  const jobs = new Map<string, V1Job>();
  const secrets = new Map<string, V1Secret>();
  const created: string[] = [];
  const listeners: ((change: StoreChange<V1Job>) => void)[] = [];
  let version = 0;
  let quota: Quota = {};
  const nextVersion = (): string => {
    version += 1;
    return String(version);
  };
  const stored = <T extends V1Job | V1Secret>(object: T): T => {
    const resourceVersion = nextVersion();
    const metadata = { ...object.metadata, uid: object.metadata?.uid ?? `uid-${resourceVersion}`, resourceVersion };
    return structuredClone({ ...object, metadata });
  };
  const saveJob = (job: V1Job): V1Job => {
    const name = job.metadata?.name ?? '';
    const [before, after] = [jobs.get(name), stored(job)];
    jobs.set(name, after);
    for (const tell of listeners) tell({ version: String(version), before, after });
    return after;
  };
  const create = <T extends V1Job | V1Secret>(
    objects: Map<string, T>,
    kind: 'jobs.batch' | 'secrets',
    { object, save }: { readonly object: T; readonly save: (object: T) => T },
  ): ApiAnswer<T> => {
    const name = object.metadata?.name ?? '';
    const most = kind === 'secrets' ? quota.secrets : quota.jobs;
    if (most !== undefined && objects.size >= most) return exceeded(kind, name, objects.size, most);
    const found = objects.get(name);
    if (found) return alreadyExists(kind, name, found.metadata?.deletionTimestamp !== undefined);
    return { kind: 'ok', object: structuredClone(save(object)) };
  };
  const saveSecret = (secret: V1Secret): V1Secret => {
    const saved = stored(secret);
    secrets.set(secret.metadata?.name ?? '', saved);
    return saved;
  };
  return {
    allJobs: () => structuredClone([...jobs.values()]),
    allSecrets: () => structuredClone([...secrets.values()]),
    createdNames: () => created,
    version: () => String(version),
    nextVersion,
    onJob: (listener) => void listeners.push(listener),
    put: (job) => void saveJob(job),
    removeSecret: (name) => void secrets.delete(name),
    limit(changed) {
      quota = changed;
    },
    putSecret: (secret) => void saveSecret(secret),
    end(name, condition) {
      const job = jobs.get(name);
      if (job) saveJob({ ...job, status: { conditions: [{ type: condition, status: 'True' }] } });
    },
    remove(name) {
      const before = jobs.get(name);
      const uid = before?.metadata?.uid;
      if (jobs.delete(name)) {
        const deletion = { version: nextVersion(), before, after: undefined };
        for (const tell of listeners) tell(deletion);
      }
      for (const [secretName, secret] of secrets) {
        if (secret.metadata?.ownerReferences?.some((owner) => owner.uid === uid)) secrets.delete(secretName);
      }
    },
    listJobs: async (labelSelector) =>
      structuredClone([...jobs.values()].filter((job) => hasLabels(job, labelSelector))),
    getJob: async (name) => structuredClone(jobs.get(name) ?? ('notFound' as const)),
    async createJob(job) {
      const answer = create(jobs, 'jobs.batch', { object: job, save: saveJob });
      if (answer.kind === 'ok') created.push(job.metadata?.name ?? '');
      return answer;
    },
    createSecret: async (secret) => create(secrets, 'secrets', { object: secret, save: saveSecret }),
    async getSecretOwners(name) {
      const secret = secrets.get(name);
      return secret ? (secret.metadata?.ownerReferences ?? []).map(({ uid }) => uid) : 'notFound';
    },
    async resumeJob(name, resourceVersion) {
      const job = jobs.get(name);
      if (!job) return 'notFound';
      if (job.metadata?.resourceVersion !== resourceVersion) return 'conflict';
      saveJob({ ...respecified(job), spec: { ...(job.spec ?? { template: {} }), suspend: false } });
      return 'patched';
    },
    async stopJob(name, resourceVersion, verdict) {
      const job = jobs.get(name);
      if (!job) return 'notFound';
      if (job.metadata?.resourceVersion !== resourceVersion) return 'conflict';
      const annotations = { ...job.metadata.annotations, 'terrakube.io/verdict': verdictText(verdict) };
      const spec = { ...(job.spec ?? { template: {} }), activeDeadlineSeconds: 1 };
      saveJob({ ...job, metadata: { ...respecified(job).metadata, annotations }, spec });
      return 'patched';
    },
  };
}

/** The API server counts the changes of a spec. */
const respecified = (job: V1Job): V1Job => ({
  ...job,
  metadata: { ...job.metadata, generation: (job.metadata?.generation ?? 1) + 1 },
});

function exceeded(kind: string, name: string, used: number, most: number): ApiAnswer<never> {
  const counted = `count/${kind}`;
  return {
    kind: 'refused',
    refusal: {
      status: 403,
      reason: 'Forbidden',
      message:
        `${kind} "${name}" is forbidden: exceeded quota: executors, requested: ${counted}=1, ` +
        `used: ${counted}=${used}, limited: ${counted}=${most}`,
      kind: kind.split('.')[0] ?? kind,
      causes: [],
    },
  };
}

function alreadyExists(kind: string, name: string, isBeingDeleted: boolean): ApiAnswer<never> {
  const says = `${kind} "${name}" already exists`;
  return {
    kind: 'refused',
    refusal: {
      status: 409,
      reason: 'AlreadyExists',
      message: isBeingDeleted ? `object is being deleted: ${says}` : says,
      kind: kind.split('.')[0] ?? kind,
      causes: [],
    },
  };
}

/** Whether a label selector selects an object. Selectors of this project are equalities only. */
export const hasLabels = ({ metadata }: V1Job | V1Pod, selector: string): boolean =>
  selector.split(',').every((term) => {
    const [key = '', value] = term.split('=');
    return metadata?.labels?.[key] === value;
  });
