// Worlds that need exactly one action of the reconciler each, on a real API server and a stand-in Terrakube. The Jobs are
// managed by nobody but the test, so that what a controller would make of them does not race with what is looked for.
import { randomBytes } from 'node:crypto';
import { type DispatchIds, dispatchIds } from '../../lib/domain/dispatch-request.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobName, stepLabels } from '../../lib/domain/job-name.ts';
import { type RecordedVerdict, verdictText } from '../../lib/domain/recorded-verdict.ts';
import { epochMs, isoTime } from '../../lib/domain/time.ts';
import type { Terrakube } from '../../lib/ports.ts';
import { type JsonObject, textAt } from '../../local/json.ts';
import type { StandInTerrakube } from '../../local/terrakube/terrakube.ts';
import { executorSettings, payload, reason, recordedVerdict, request, step } from './builders.ts';
import type { ClusterClient } from './cluster-client.ts';
import { mergePatchType } from './cluster-context.ts';
import type { Letters } from './fault-world.ts';
import { until } from './running-stack.ts';

/** Where a scene is set. */
export interface Stage {
  readonly client: ClusterClient;
  readonly namespace: string;
  readonly terrakube: StandInTerrakube;
  readonly api: Terrakube;
  dispatchesOf(jobId: string): number;
}

/** A scene: what a Job and its Terrakube job look like before the action. */
export interface FaultScene {
  /** The action. */
  readonly name: string;
  readonly job?: JobWanted;
  /** What has become of Terrakube's side since the dispatch. */
  terrakube?(stage: Stage, ids: DispatchIds): Promise<void>;
  /** Whether the message was given up instead of having become a Job. */
  readonly isDeadLetter?: boolean;
  /** How many passes after the one that is disturbed it takes; default is 1. */
  readonly passes?: number;
  /** How it ends: the status of the job and of the step. */
  readonly ends: readonly [string, string];
}

interface JobWanted {
  readonly start?: number;
  readonly verdict?: Partial<RecordedVerdict>;
  readonly ended?: 'Complete' | 'Failed';
  readonly isSuspended?: boolean;
  /** A pod that its node has refused. */
  readonly hasRefusedPod?: boolean;
  readonly hasSecret?: boolean;
  /** Whether its payload is older than it may be. */
  readonly isOld?: boolean;
}

const say = (status: string, output: string | null = null) => ({ status, output: output ?? `https://log/${status}` });
const runs = async ({ api }: Stage, ids: DispatchIds): Promise<void> => {
  await api.patchJob(ids, { status: 'running' });
  await api.patchStep(ids, say('running'));
};
const isToldHalf = async ({ api }: Stage, ids: DispatchIds): Promise<void> => {
  const { stepName: name, stepOutput: output } = failureTexts(reason(), { ...step(), name: 'Step' });
  await api.patchStep(ids, { status: 'failed', name, output });
};

/** The scenes. */
export const FAULT_SCENES: readonly FaultScene[] = [
  {
    name: 'stop for a cancel',
    job: {},
    terrakube: ({ terrakube }, { jobId }) => terrakube.cancel(jobId),
    ends: ['cancelled', 'cancelled'],
  },
  { name: 'stop to fail', job: { start: 3, isOld: true }, ends: ['queue', 'pending'] },
  {
    name: 'record a restart, and carry it out',
    job: { ended: 'Failed', hasRefusedPod: true },
    passes: 2,
    ends: ['queue', 'pending'],
  },
  {
    name: 'carry a restart out',
    job: { ended: 'Failed', verdict: { action: 'restart', cause: 'unschedulable', title: 'no node fits' } },
    ends: ['queue', 'pending'],
  },
  { name: 'tell a failure', job: { ended: 'Failed' }, terrakube: runs, ends: ['failed', 'failed'] },
  { name: 'tell the other half', job: { ended: 'Failed' }, terrakube: isToldHalf, ends: ['failed', 'failed'] },
  {
    name: 'cancel a revived job again',
    job: { ended: 'Failed', verdict: { action: 'cancel', cause: 'cancelled', title: 'cancelled in Terrakube' } },
    terrakube: runs,
    ends: ['cancelled', 'cancelled'],
  },
  {
    name: 'end a step under an ended job',
    job: { ended: 'Failed' },
    terrakube: async (stage, ids) => {
      await stage.terrakube.cancel(ids.jobId);
      await stage.api.patchStep(ids, say('running'));
    },
    ends: ['cancelled', 'cancelled'],
  },
  {
    name: 'annotate a step',
    job: { ended: 'Failed' },
    terrakube: async (stage, ids) => {
      await stage.api.patchStep(ids, say('failed'));
      await stage.api.patchJob(ids, { status: 'failed' });
    },
    ends: ['failed', 'failed'],
  },
  {
    name: 'delete a suspended Job',
    job: { isSuspended: true, verdict: {} },
    terrakube: async (stage, ids) => {
      await isToldHalf(stage, ids);
      await stage.api.patchJob(ids, { status: 'failed' });
    },
    ends: ['failed', 'failed'],
  },
  {
    name: 'delete a payload',
    job: { ended: 'Complete', hasSecret: true },
    terrakube: async (stage, ids) => {
      await runs(stage, ids);
      await stage.api.patchStep(ids, say('completed'));
      await stage.api.patchJob(ids, { status: 'completed' });
    },
    ends: ['completed', 'completed'],
  },
  { name: 'answer a dead letter', isDeadLetter: true, ends: ['failed', 'failed'] },
];

/** A scene that is set. */
export interface SetScene {
  readonly installation: string;
  readonly ids: DispatchIds;
  readonly letters: Letters;
}

/** Sets a scene, with an installation of its own: nothing of any other is seen by it. */
export async function setScene(stage: Stage, scene: FaultScene): Promise<SetScene> {
  const installation = randomBytes(6).toString('hex');
  const { jobId, organizationId, workspaceId } = stage.terrakube.createJob({
    steps: [{ type: 'terraformPlan', name: 'Step' }],
  });
  await until('the job to be dispatched', () => stage.terrakube.job(jobId).status === 'queue');
  const [first] = stage.terrakube.job(jobId).steps;
  const ids = dispatchIds({ organizationId, workspaceId, jobId, stepId: first?.stepId ?? '', type: 'terraformPlan' });
  const left = new Map();
  if (scene.isDeadLetter) {
    const sentAt = epochMs(Date.now() - 3_600_000);
    const body = Buffer.from(payload(ids)).toString('utf8');
    left.set('r1', { messageId: 'm1', receiptHandle: 'r1', body, attributes: { acceptedAt: isoTime(sentAt) }, sentAt });
  }
  if (scene.job) await putJob(stage, scene.job, { ids, installation });
  await scene.terrakube?.(stage, ids);
  return { installation, ids, letters: { left } };
}

type Whose = Pick<SetScene, 'ids' | 'installation'>;

async function putJob({ client, namespace }: Stage, wanted: JobWanted, { ids, installation }: Whose): Promise<void> {
  const { start = 1, verdict, ended, isSuspended = false } = wanted;
  const acceptedAt = epochMs(Date.now() - (wanted.isOld ? 3_600_000 : 60_000));
  const job = buildJob({
    request: request({ ids, acceptedAt }),
    settings: executorSettings({ namespace, secrets: [] }),
    installation,
    start,
    now: acceptedAt,
  });
  const name = jobName(ids, installation, start);
  const text = verdict && verdictText(recordedVerdict(verdict));
  const annotations = { ...job.metadata?.annotations, ...(text === undefined ? {} : { 'terrakube.io/verdict': text }) };
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const created = await done(client, 'POST', jobs, {
    ...plain(job),
    metadata: plain({ ...job.metadata, name, annotations }),
    spec: { ...plain(job.spec ?? {}), managedBy: 'tests.example.com/nobody', suspend: isSuspended },
  });
  const uid = textAt(created, 'metadata', 'uid') ?? '';
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true };
  if (wanted.hasRefusedPod) await putRefusedPod({ client, namespace }, owner, stepLabels(ids, installation));
  if (wanted.hasSecret) {
    const metadata = { name, ownerReferences: [owner], labels: { ...stepLabels(ids, installation) } };
    await done(client, 'POST', `/api/v1/namespaces/${namespace}/secrets`, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
    });
  }
  if (ended) await done(client, 'PATCH', `${jobs}/${name}/status`, { status: statusOf(ended) });
}

async function putRefusedPod(
  { client, namespace }: Pick<Stage, 'client' | 'namespace'>,
  owner: { readonly name: string; readonly uid: string },
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const name = `${owner.name}-x7k2p`;
  await done(client, 'POST', pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ownerReferences: [{ ...owner }],
      labels: { ...labels, 'batch.kubernetes.io/job-name': owner.name },
    },
    spec: { restartPolicy: 'Never', containers: [{ name: 'executor', image: 'localhost/executor:1' }] },
  });
  const status = { phase: 'Failed', reason: 'OutOfcpu', message: 'Node did not have enough resource: cpu' };
  await done(client, 'PATCH', `${pods}/${name}/status`, { status });
}

function statusOf(ended: 'Complete' | 'Failed'): JsonObject {
  const at = new Date(Date.now() - 30_000).toISOString();
  const startTime = new Date(Date.now() - 45_000).toISOString();
  const condition = (type: string, why: string) => ({
    ...{ type, status: 'True', reason: why, message: why, lastProbeTime: at, lastTransitionTime: at },
  });
  return ended === 'Complete'
    ? {
        ...{ startTime, completionTime: at, succeeded: 1 },
        conditions: [
          condition('SuccessCriteriaMet', 'CompletionsReached'),
          condition('Complete', 'CompletionsReached'),
        ],
      }
    : {
        ...{ startTime, failed: 1 },
        conditions: [condition('FailureTarget', 'BackoffLimitExceeded'), condition('Failed', 'BackoffLimitExceeded')],
      };
}

const plain = (value: object): JsonObject => JSON.parse(JSON.stringify(value));

async function done(client: ClusterClient, method: string, path: string, body: JsonObject): Promise<JsonObject> {
  const contentType = method === 'PATCH' ? mergePatchType : 'application/json';
  const answer = await client.send(method, path, { body, contentType });
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${textAt(answer.body, 'message')}`);
  return JSON.parse(JSON.stringify(answer.body));
}
