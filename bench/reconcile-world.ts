// A world for bench/reconcile.ts: as many Jobs as it is told, as an API server lists them, and Terrakube's side of them.
// One Job in five is unfinished, with a running pod and a live Terrakube job; the others ended within their TTL, two to
// a Terrakube job that has ended too.
import { createHash } from 'node:crypto';
import { type DispatchIds, dispatchIds } from '../lib/domain/dispatch-request.ts';
import { buildJob } from '../lib/domain/job-manifest.ts';
import { type EpochMs, epochMs, isoTime } from '../lib/domain/time.ts';
import { executorSettings, INSTALLATION, payload } from '../test/support/builders.ts';

/** What is listed, each as JSON text. */
export interface BenchWorld {
  readonly jobs: readonly string[];
  readonly pods: readonly string[];
  readonly events: readonly string[];
  readonly terrakube: readonly BenchTerrakubeJob[];
}

/** A Terrakube job as JSON texts. */
export interface BenchTerrakubeJob {
  readonly id: string;
  readonly isLive: boolean;
  readonly job: string;
  /** By step id: Terrakube's lists are sorted by it. */
  readonly steps: readonly (readonly [id: string, text: string])[];
}

/** Makes a world of so many Jobs, at least ten. */
export function makeWorld(size: number, now: EpochMs): BenchWorld {
  const running = Array.from({ length: size / 5 }, (_, index) => liveFamily(index, now));
  const ended = Array.from({ length: (size * 2) / 5 }, (_, index) => endedFamily(size + index, index, now));
  const families = [...running, ...ended];
  return {
    // The API server lists by name, and so mixes old and new ones.
    jobs: families.flatMap(({ jobs }) => jobs.map((job) => JSON.stringify(job))).sort(),
    pods: running.flatMap(({ pods }) => pods.map((pod) => JSON.stringify(pod))),
    events: running.flatMap(({ pods: [pod] }, index) =>
      pod && index % 10 === 0 ? [JSON.stringify(warning(pod))] : [],
    ),
    terrakube: families.map(({ terrakube }) => terrakube),
  };
}

const MINUTE = 60_000;
const ORGANIZATION = uuid('organization');

interface Family {
  readonly jobs: readonly object[];
  readonly pods: readonly Pod[];
  readonly terrakube: BenchTerrakubeJob;
}

function liveFamily(number: number, now: EpochMs): Family {
  const at = epochMs(now - 5 * MINUTE);
  const ids = idsOf(number, 'a', 'terraformPlan');
  const { job, name, uid } = jobOf(ids, at, runningStatus(at));
  const steps = [
    stepRow(ids, 100, 'running'),
    stepRow(idsOf(number, 'b', 'approval'), 200, 'pending'),
    stepRow(idsOf(number, 'c', 'terraformApply'), 300, 'pending'),
  ];
  return { jobs: [job], pods: [podOf({ name, uid, job, at })], terrakube: terrakubeOf(ids, 'running', steps, at) };
}

function endedFamily(number: number, index: number, now: EpochMs): Family {
  const at = epochMs(now - (10 + (index % 45)) * MINUTE);
  const hasFailed = index % 10 === 0;
  const plan = idsOf(number, 'a', 'terraformPlan');
  const apply = idsOf(number, 'c', 'terraformApply');
  const steps = [
    stepRow(plan, 100, 'completed'),
    stepRow(idsOf(number, 'b', 'approval'), 200, 'completed'),
    stepRow(apply, 300, hasFailed ? 'failed' : 'completed'),
  ];
  const jobs = [jobOf(plan, at, endedStatus(at, false)).job, jobOf(apply, at, endedStatus(at, hasFailed)).job];
  return { jobs, pods: [], terrakube: terrakubeOf(plan, hasFailed ? 'failed' : 'completed', steps, at) };
}

const idsOf = (number: number, step: string, type: string): DispatchIds =>
  dispatchIds({
    organizationId: ORGANIZATION,
    workspaceId: uuid(`workspace ${number % 500}`),
    jobId: String(100_000 + number),
    stepId: uuid(`step ${number} ${step}`),
    type,
  });

function jobOf(ids: DispatchIds, at: EpochMs, status: object) {
  const request = { ids, payload: payload(ids), acceptedAt: at };
  const settings = executorSettings({ transport: 'file' });
  const made = buildJob({ request, settings, installation: INSTALLATION, start: 1, now: at });
  const name = made.metadata?.name ?? '';
  const uid = uuid(name);
  const owner = { 'batch.kubernetes.io/controller-uid': uid, 'batch.kubernetes.io/job-name': name };
  const isOver = !('active' in status);
  const template = made.spec?.template;
  const annotations = {
    ...made.metadata?.annotations,
    ...(isOver ? { 'terrakube.io/payload-deleted-at': isoTime(epochMs(at + 3 * MINUTE)) } : {}),
  };
  const spec = {
    parallelism: 1,
    completions: 1,
    ...made.spec,
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
    manualSelector: false,
    completionMode: 'NonIndexed',
    suspend: false,
    template: {
      metadata: { ...template?.metadata, labels: { ...template?.metadata?.labels, ...owner } },
      spec: { ...template?.spec, dnsPolicy: 'ClusterFirst', schedulerName: 'default-scheduler' },
    },
  };
  const job = {
    metadata: {
      ...made.metadata,
      uid,
      resourceVersion: '123456',
      generation: 1,
      creationTimestamp: second(at),
      annotations,
      managedFields: [
        manager('node-fetch', at, { metadata: made.metadata, spec: made.spec }),
        { ...manager('kube-controller-manager', at, { status }), subresource: 'status' },
      ],
    },
    spec,
    status,
  };
  return { job, name, uid };
}

const second = (at: EpochMs): string => isoTime(at).replace(/\.[0-9]+Z$/, 'Z');

/** Whoever wrote an object has its fields noted in it, each as a key. */
const manager = (name: string, at: EpochMs, fields: object): object => ({
  manager: name,
  operation: 'Update',
  apiVersion: 'batch/v1',
  time: second(at),
  fieldsType: 'FieldsV1',
  fieldsV1: noted(JSON.parse(JSON.stringify(fields))),
});

function noted(value: unknown): object {
  if (Array.isArray(value)) {
    return Object.fromEntries(
      value.map((item) => [`k:${JSON.stringify({ name: item.name ?? item.type })}`, noted(item)]),
    );
  }
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [`f:${key}`, noted(field)]));
}

const runningStatus = (at: EpochMs): object => ({
  startTime: second(at),
  active: 1,
  terminating: 0,
  uncountedTerminatedPods: {},
  ready: 1,
});

function endedStatus(at: EpochMs, hasFailed: boolean): object {
  const end = second(epochMs(at + 2 * MINUTE));
  const dates = { lastProbeTime: end, lastTransitionTime: end };
  const [reason, message] = hasFailed
    ? ['BackoffLimitExceeded', 'Job has reached the specified backoff limit']
    : ['CompletionsReached', 'Reached expected number of succeeded pods'];
  const types = hasFailed ? ['FailureTarget', 'Failed'] : ['SuccessCriteriaMet', 'Complete'];
  return {
    conditions: types.map((type) => ({ type, status: 'True', ...dates, reason, message })),
    startTime: second(at),
    ...(hasFailed ? { failed: 1 } : { completionTime: end, succeeded: 1 }),
    terminating: 0,
    uncountedTerminatedPods: {},
    ready: 0,
  };
}

type Pod = ReturnType<typeof podOf>;

interface PodInput {
  readonly name: string;
  readonly uid: string;
  readonly job: ReturnType<typeof jobOf>['job'];
  readonly at: EpochMs;
}

function podOf({ name, uid, job, at }: PodInput) {
  const { metadata, spec } = job.spec.template;
  const podName = `${name}-${createHash('sha256').update(name).digest('hex').slice(0, 5)}`;
  const conditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];
  const status = {
    phase: 'Running',
    conditions: conditions.map((type) => ({
      type,
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: second(at),
    })),
    hostIP: '10.88.0.1',
    podIP: '10.88.0.54',
    startTime: second(at),
    containerStatuses: [
      {
        name: 'executor',
        state: { running: { startedAt: second(at) } },
        lastState: {},
        ready: true,
        restartCount: 0,
        image: executorSettings().image,
        imageID: `sha256:${'b2'.repeat(32)}`,
        containerID: `containerd://${'1b'.repeat(32)}`,
        started: true,
      },
    ],
    qosClass: 'BestEffort',
  };
  const tolerations = ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 300,
  }));
  return {
    metadata: {
      ...metadata,
      name: podName,
      generateName: `${name}-`,
      namespace: job.metadata.namespace,
      uid: uuid(podName),
      resourceVersion: '123457',
      creationTimestamp: second(at),
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true }],
      managedFields: [
        manager('kube-controller-manager', at, { metadata, spec }),
        { ...manager('kubelet', at, { status }), subresource: 'status' },
      ],
    },
    spec: {
      ...spec,
      nodeName: 'node1',
      serviceAccountName: 'default',
      tolerations,
      enableServiceLinks: true,
    },
    status,
  };
}

const warning = ({ metadata }: Pod): object => ({
  metadata: { name: `${metadata.name}.18`, namespace: metadata.namespace, uid: uuid(`event ${metadata.name}`) },
  involvedObject: { kind: 'Pod', name: metadata.name, namespace: metadata.namespace, uid: metadata.uid },
  reason: 'FailedMount',
  message:
    'MountVolume.SetUp failed for volume "payload": failed to sync secret cache: timed out waiting for the condition',
  type: 'Warning',
  lastTimestamp: metadata.creationTimestamp,
  count: 1,
});

const toOne = (type: string, id: string): object => ({ data: { type, id } });

function stepRow({ jobId, stepId }: DispatchIds, stepNumber: number, status: string): readonly [string, string] {
  const isOver = status === 'completed' || status === 'failed';
  const path = `tfoutput/v1/organization/${ORGANIZATION}/job/${jobId}/step/${stepId}`;
  const output = isOver ? `https://terrakube-api.example.com/${path}` : null;
  const attributes = { name: `Step ${stepNumber}`, output, status, stepNumber };
  return [
    stepId,
    JSON.stringify({ type: 'step', id: stepId, attributes, relationships: { job: toOne('job', jobId) } }),
  ];
}

function terrakubeOf(
  { jobId, workspaceId }: DispatchIds,
  status: string,
  steps: BenchTerrakubeJob['steps'],
  at: EpochMs,
): BenchTerrakubeJob {
  const attributes = {
    comments: null,
    status,
    updatedDate: isoTime(epochMs(at + 2 * MINUTE)).replace(/:[0-9.]+Z$/, 'Z'),
  };
  const relationships = {
    organization: toOne('organization', ORGANIZATION),
    workspace: toOne('workspace', workspaceId),
  };
  const isLive = status === 'running';
  return { id: jobId, isLive, job: JSON.stringify({ type: 'job', id: jobId, attributes, relationships }), steps };
}

/** The same for the same name. */
function uuid(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
