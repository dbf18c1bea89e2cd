// Dispatch and job-status around a real API server: Terrakube's stand-in sends its POSTs to dispatch, a kubelet runs what
// comes of them, and job-status hears of it from the audit log only, through the subscription's filter. Flows and clients
// are the real ones, and each signs in under its own role.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import * as v from 'valibot';
import { unpackLogs } from '../../lib/clients/cloudwatch-logs.ts';
import type { KubernetesApiOptions } from '../../lib/clients/kubernetes-api.ts';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { createKubernetesObserver } from '../../lib/clients/kubernetes-observer.ts';
import { createSystemClock } from '../../lib/clients/system.ts';
import { createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import { type DispatchIds, dispatchIds } from '../../lib/domain/dispatch-request.ts';
import type { ExecutorSettings } from '../../lib/domain/executor-settings.ts';
import { toldText } from '../../lib/domain/failure-text.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { type ObserveAllDeps, observeAll } from '../../lib/flows/observe-all.ts';
import { settleMessage } from '../../lib/flows/settle-message.ts';
import type { Terrakube, TerrakubeChange } from '../../lib/ports.ts';
import { readJobStatusEvent } from '../../lib/schemas/job-status-event.ts';
import { startAuditTail } from '../../local/audit-tail.ts';
import type { Tokens } from '../../local/control-plane/identities.ts';
import { applyManifests, readManifests } from '../../local/control-plane/manifests.ts';
import type { JsonObject } from '../../local/json.ts';
import { createClusterApi } from '../../local/kubelet/api.ts';
import { startKubelet } from '../../local/kubelet/kubelet.ts';
import { listen } from '../../local/lambda/listen.ts';
import { type StandInTerrakube, startTerrakube } from '../../local/terrakube/terrakube.ts';
import type { TerrakubeEvent } from '../../local/terrakube/world.ts';
import { executorSettings, INSTALLATION } from './builders.ts';
import { type ClusterClient, createClusterClient } from './cluster-client.ts';
import { createDispatchWorld, messageOf } from './dispatch-world.ts';
import { filterPattern } from './filter-pattern.ts';
import { createInMemoryLog, type InMemoryLog } from './in-memory-log.ts';
import { createInMemoryMetrics } from './in-memory-metrics.ts';
import { verdictSettings } from './observe-world.ts';
import { createSecretDouble } from './secret-double.ts';
import { subscriptionPattern } from './subscription.ts';

/** Where the world stands. */
export interface AuditedCluster {
  readonly url: string;
  readonly caPem: string;
  readonly tokens: Tokens;
  readonly namespace: string;
  /** The file of the API server's audit log. */
  readonly auditLog: string;
}

/** How the world begins. */
export interface AuditedOptions {
  /** The bearer token of job-status; by default that of its role. */
  readonly observer?: string;
  /** Between two looks at the audit log. Infinity looks at each {@link AuditedWorld.flush} only. Default as of the tail. */
  readonly everyMs?: number;
  onTerrakube?(event: TerrakubeEvent): void;
}

/** A step that is to run. */
export interface AuditedStep {
  /** JavaScript that the executor runs; by default it waits for an hour. */
  readonly script?: string;
  readonly type?: string;
  readonly executor?: Partial<ExecutorSettings>;
}

/** A step that was dispatched. */
export interface DispatchedStep {
  readonly ids: DispatchIds;
  readonly jobName: string;
  /** What an executor, or anybody, writes to Terrakube. */
  report(change: TerrakubeChange): Promise<void>;
  /** What Terrakube shows of the step and its job; `text` is what we told, empty as long as we have not. */
  shown(): Shown;
}

/** What a user of Terrakube sees. */
export interface Shown {
  readonly job: string;
  readonly step: string;
  readonly name: string;
  readonly text: string;
}

/** A running world. */
export interface AuditedWorld {
  readonly terrakube: StandInTerrakube;
  /** May do everything. */
  readonly client: ClusterClient;
  readonly namespace: string;
  /** What job-status has logged. */
  readonly log: InMemoryLog;
  /** Creates a Terrakube job with one step, and waits until dispatch has made the Job. */
  dispatch(step?: AuditedStep): Promise<DispatchedStep>;
  /** Hands everything on that the audit log has gathered, as one batch. */
  flush(): Promise<void>;
  /** Rings once, as the schedule does. @param laterMs how much later it is to be, by the API server's clock. */
  ring(jobName: string, laterMs: number): Promise<void>;
  close(): Promise<void>;
}

const INTERNAL_SECRET = Buffer.alloc(32, 'audited').toString('base64url');
const WAIT = 'setTimeout(() => {}, 3_600_000)';
const idsSchema = v.object({
  organizationId: v.string(),
  workspaceId: v.string(),
  jobId: v.string(),
  stepId: v.string(),
  type: v.string(),
});
const clock = createSystemClock();
const { now } = clock;

/** Starts the world: roles, kubelet, Terrakube, dispatch, and the tail of the audit log with job-status at its end. */
export async function startAuditedWorld(cluster: AuditedCluster, options: AuditedOptions = {}): Promise<AuditedWorld> {
  const { url, caPem, tokens, namespace } = cluster;
  await applyRoles(cluster);
  const closers: (() => Promise<unknown>)[] = [];
  const kubelet = await startKubelet({
    server: url,
    caPem,
    token: tokens.kubelet,
    namespace,
    executor: [process.execPath, '-e', 'eval(process.env.SCRIPT)'],
  });
  closers.push(kubelet.close);
  const door = await startDispatch(cluster);
  closers.push(door.close);
  const { onTerrakube: onEvent } = options;
  const terrakube = await startTerrakube({
    internalSecret: INTERNAL_SECRET,
    executorUrl: door.url,
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  closers.push(terrakube.close);
  door.setTerrakube(terrakube.url);
  const log = createInMemoryLog();
  const deps = jobStatusDeps(cluster, { terrakubeUrl: terrakube.url, log, observer: options.observer });
  const tail = await startAuditTail({
    file: cluster.auditLog,
    passes: filterPattern(await subscriptionPattern(namespace)),
    invoke: (batch) => jobStatus(deps, namespace, batch),
    ...(options.everyMs === undefined ? {} : { everyMs: options.everyMs }),
  });
  closers.push(tail.close);
  const client = createClusterClient({ url, caPem, token: tokens.admin });
  closers.push(async () => client.close());
  const api = terrakubeApi(terrakube.url);
  return {
    terrakube,
    client,
    namespace,
    log,
    async dispatch({ script = WAIT, type = 'terraformPlan', executor = {} } = {}) {
      const { jobId } = terrakube.createJob({ steps: [{ type, name: 'Step' }] });
      const env = [{ name: 'SCRIPT', value: script }];
      const ids = await door.dispatched(jobId, executorSettings({ namespace, secrets: [], env, ...executor }));
      return {
        ids,
        jobName: jobName(ids, INSTALLATION, 1),
        report: (change) => api.patchStep(ids, change),
        shown: () => shown(terrakube, ids),
      };
    },
    flush: tail.flush,
    ring: (name, laterMs) => {
      const { serverNow } = deps.cluster;
      const later = { ...deps.cluster, serverNow: () => epochMs(serverNow() + laterMs) };
      return jobStatus({ ...deps, cluster: later }, namespace, { namespace, name });
    },
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

/** What the function job-status does with an event, wired as there. */
async function jobStatus(deps: ObserveAllDeps, namespace: string, event: unknown): Promise<void> {
  const { doorbells } = readJobStatusEvent(unpackLogs(event), { namespace, installation: INSTALLATION });
  const failed = await observeAll(deps, doorbells);
  if (failed > 0) throw new Error(`${failed} Jobs could not be observed.`);
}

function jobStatusDeps(
  cluster: AuditedCluster,
  of: { readonly terrakubeUrl: string; readonly log: InMemoryLog; readonly observer: string | undefined },
): ObserveAllDeps {
  return {
    cluster: createKubernetesObserver(signIn(cluster, of.observer ?? cluster.tokens.observe)),
    terrakube: terrakubeApi(of.terrakubeUrl),
    clock,
    installation: INSTALLATION,
    settings: verdictSettings(),
    // What may be started again is the schedule's business, so that here every cause is told.
    maxStarts: 1,
    log: of.log,
    metrics: createInMemoryMetrics(),
    errorFields,
  };
}

const terrakubeApi = (apiUrl: string): Terrakube =>
  createTerrakubeApi({ apiUrl, secret: createSecretDouble(INTERNAL_SECRET), now });

function signIn({ url, caPem, namespace }: AuditedCluster, token: string): KubernetesApiOptions {
  const address = { endpoint: url, caPem };
  return {
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => token, forget: () => undefined },
    namespace,
    now,
  };
}

/** Applies deploy/kubernetes to the namespace of the world. */
export async function applyRoles({ url, caPem, tokens, namespace }: AuditedCluster): Promise<void> {
  const api = createClusterApi({ server: url, caPem, token: tokens.admin });
  const objects = (await readManifests()).filter(({ kind }) => kind !== 'Namespace');
  const moved: readonly JsonObject[] = JSON.parse(
    JSON.stringify(objects).replaceAll('"namespace":"terrakube"', `"namespace":"${namespace}"`),
  );
  try {
    await applyManifests(api, moved);
  } finally {
    api.close();
  }
}

/** Takes Terrakube's POSTs as intake does, and dispatches each until it is settled. */
async function startDispatch(cluster: AuditedCluster) {
  const jobs = createKubernetesJobs(signIn(cluster, cluster.tokens.dispatch));
  const settings = new Map<string, ExecutorSettings>();
  const settled = new Map<string, PromiseWithResolvers<DispatchIds>>();
  const settledOf = (jobId: string): PromiseWithResolvers<DispatchIds> => {
    const known = settled.get(jobId) ?? Promise.withResolvers<DispatchIds>();
    settled.set(jobId, known);
    return known;
  };
  const state = { terrakubeUrl: '', closed: false };
  const dispatch = async (body: unknown): Promise<void> => {
    const ids = dispatchIds(v.parse(idsSchema, body));
    const executor = settings.get(ids.jobId) ?? executorSettings({ namespace: cluster.namespace });
    const { deps } = createDispatchWorld({ ids });
    const real = { ...deps, jobs, terrakube: terrakubeApi(state.terrakubeUrl), clock, executor };
    const message = messageOf(ids, { payload: Buffer.from(JSON.stringify(body), 'utf8'), acceptedAt: now() });
    while (!state.closed && (await settleMessage(real, message)) === 'again') {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    settledOf(ids.jobId).resolve(ids);
  };
  const server = createServer(async (request, response) => {
    const body = await json(request);
    response.writeHead(202).end();
    await dispatch(body);
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/api/v1/terraform-rs`,
    setTerrakube: (url: string) => {
      state.terrakubeUrl = url;
    },
    dispatched: (jobId: string, executor: ExecutorSettings): Promise<DispatchIds> => {
      settings.set(jobId, executor);
      return settledOf(jobId).promise;
    },
    close: async () => {
      state.closed = true;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function shown(terrakube: StandInTerrakube, { jobId, stepId }: DispatchIds): Shown {
  const { status, steps } = terrakube.job(jobId);
  const step = steps.find((one) => one.stepId === stepId);
  if (!step) throw new Error(`Terrakube's job ${jobId} has no step ${stepId}.`);
  return { job: status, step: step.status, name: step.name, text: toldText({ ...step, id: stepId }) ?? '' };
}
