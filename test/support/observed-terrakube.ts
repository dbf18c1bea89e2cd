// A Job in memory and a Terrakube behind the real client: a server that gives recorded answers, remembers what is written
// to it, and goes wrong at the calls that a test names.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { errorFields } from '../../lib/door.ts';
import { observeAll } from '../../lib/flows/observe-all.ts';
import type { SecretSource } from '../../lib/ports.ts';
import { ids, PAYLOAD_SECRETS } from './builders.ts';
import { createInMemoryLog, type InMemoryLog } from './in-memory-log.ts';
import { createInMemoryMetrics } from './in-memory-metrics.ts';
import { createObserveWorld, endedJob, type ObserveWorld, podOf, terminated } from './observe-world.ts';
import { type Reply, type SeenCall, startScriptedServer } from './scripted-server.ts';
import { INTERNAL_SECRET } from './terrakube-bench.ts';
import { readRecording } from './terrakube-recordings.ts';

/** The job of the recordings, and its first step. */
export const OF: DispatchIds = ids({ jobId: '946281', stepId: '1b8b9e47-4424-43d8-8e3e-3e265fbbaabb' });
export const OTHER_SECRET: string = Buffer.alloc(32, 'rotated').toString('base64url');
/** Longer than a busy machine takes for an answer, and short enough to wait for. */
const TIMEOUT_MS = 1500;

/** A recorded answer; the job that it speaks of is the one of the test. */
export function replyOf(name: string): Reply {
  const { status, headers, body } = readRecording(name).response;
  const type = headers['content-type'];
  const text = typeof body === 'string' ? body : JSON.stringify(body).replaceAll('999999999', OF.jobId);
  return { status, headers: type === undefined ? {} : { 'content-type': type }, body: text };
}

/** Attributes that were written, by the id of job or step. */
type Written = Map<string, Record<string, unknown>>;

/** The recorded job as it reads after what was written. */
function jobReply(written: Written): Reply {
  const { response } = readRecording('get_job_sparse');
  const document = JSON.parse(JSON.stringify(response.body));
  for (const one of [document.data, ...document.included]) Object.assign(one.attributes, written.get(one.id));
  return { status: 200, headers: { 'content-type': 'application/vnd.api+json' }, body: JSON.stringify(document) };
}

/** What one call gets in place of its answer: once, before or after it has taken effect. */
export interface Fault {
  readonly call: RegExp;
  readonly reply: Reply;
  readonly isDone?: boolean;
  readonly times?: number;
}

/** A world in memory whose Terrakube is a server. */
export interface ObservedTerrakube {
  readonly world: ObserveWorld;
  readonly log: InMemoryLog;
  /** What was thrown. */
  readonly errors: readonly unknown[];
  readonly written: Written;
  /** `POST /logs`, `PATCH step` or `PATCH job` for each write that took effect. */
  readonly writes: readonly string[];
  readonly seen: readonly SeenCall[];
  /** Observes by way of {@link observeAll}. @returns how many failed. */
  look(final?: V1Job): Promise<number>;
  close(): Promise<void>;
}

/** How it begins. */
export interface ObservedTerrakubeOptions {
  readonly job?: V1Job | null;
  readonly pods?: readonly V1Pod[];
  readonly faults?: readonly Fault[];
  readonly secret?: SecretSource;
  /** How the recorded job reads at first. */
  readonly reads?: Readonly<Record<string, Record<string, unknown>>>;
}

const kindOf = ({ method, path }: SeenCall): string =>
  path === '/logs' ? 'POST /logs' : `${method} ${path.includes('/step/') ? 'step' : 'job'}`;

/** A Job whose manifest holds what must never be seen. */
export const withSecrets = (job: V1Job): V1Job => ({
  ...job,
  metadata: { ...job.metadata, annotations: { ...job.metadata?.annotations, note: PAYLOAD_SECRETS.join(' ') } },
  spec: {
    ...job.spec,
    template: {
      spec: { containers: [{ name: 'executor', env: PAYLOAD_SECRETS.map((value, n) => ({ name: `X${n}`, value })) }] },
    },
  },
});

const oom = [podOf({ of: OF, status: terminated('OOMKilled', 137) })];
const failedJob = () => endedJob({ of: OF, ended: 'Failed' });

/** Starts server, client and world. */
export async function startObservedTerrakube({
  job = failedJob(),
  pods = oom,
  faults = [],
  secret,
  reads = {},
}: ObservedTerrakubeOptions = {}): Promise<ObservedTerrakube> {
  const written: Written = new Map(Object.entries(reads));
  const writes: string[] = [];
  const left = faults.flatMap((fault) => Array.from({ length: fault.times ?? 1 }, () => fault));
  const answer = (call: SeenCall): Reply => {
    if (call.method === 'GET') return jobReply(written);
    writes.push(kindOf(call));
    if (call.path === '/logs') return replyOf('post_logs');
    const { id, attributes } = JSON.parse(call.body).data;
    written.set(id, { ...written.get(id), ...attributes });
    return replyOf(call.path.includes('/step/') ? 'patch_step_failed' : 'patch_job_failed');
  };
  const server = await startScriptedServer((call) => {
    const found = left.findIndex(({ call: of }) => of.test(kindOf(call)));
    const [fault] = found < 0 ? [] : left.splice(found, 1);
    const answered = !fault || fault.isDone ? answer(call) : undefined;
    return fault?.reply ?? answered ?? 'silence';
  });
  const world = createObserveWorld({ ids: OF, job: job && withSecrets(job), pods, terrakube: null });
  world.clock.advance(61_000);
  const terrakube = createTerrakubeApi({
    apiUrl: server.url,
    secret: secret ?? createFixedSecret(INTERNAL_SECRET),
    now: world.clock.now,
    timeoutMs: TIMEOUT_MS,
  });
  const log = createInMemoryLog();
  const errors: unknown[] = [];
  const noting = (error: unknown) => {
    errors.push(error);
    return errorFields(error);
  };
  const jobName = job?.metadata?.name ?? failedJob().metadata?.name ?? '';
  const look = (final?: V1Job) =>
    observeAll({ ...world.deps, terrakube, log, metrics: createInMemoryMetrics(), errorFields: noting }, [
      { jobName, ...(final ? { final } : {}) },
    ]);
  return { world, log, errors, written, writes, seen: server.seen, look, close: server.close };
}
