// Arbitrary worlds for the reconciler: Terrakube jobs in all states, Jobs of their steps in all outcomes, and among them
// Jobs that are not ours.
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import fc from 'fast-check';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import type { Worlds } from '../../lib/domain/plan-types.ts';
import { recordedVerdict as readVerdict } from '../../lib/domain/recorded-verdict.ts';
import type { ListedTerrakubeJob, TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { type EpochMs, epochMs } from '../../lib/domain/time.ts';
import { INSTALLATION, ids, kubernetesJob, NOON, recordedVerdict, step, terrakubeJob } from './builders.ts';
import { anyDocuments } from './kubernetes-arbitraries.ts';
import { EVICTED, told, waitingFor } from './observe-scenes.ts';
import { endedJob, podOf, running, terminated } from './observe-world.ts';

/** A Job with what belongs to it. */
export interface AnyJob {
  readonly job: V1Job;
  readonly pods: readonly V1Pod[];
  readonly events: readonly CoreV1Event[];
}

/** A world. */
export interface AnyWorld {
  readonly ours: readonly AnyJob[];
  /** Of others, or with labels that somebody has changed. */
  readonly foreign: readonly V1Job[];
  /** `unasked`: nobody has asked Terrakube about it. */
  readonly terrakube: readonly (readonly [DispatchIds, TerrakubeJob | 'notFound' | 'unasked'])[];
  readonly unchangedForMs: number;
  readonly now: EpochMs;
}

const mostly = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: usual }, { weight: 1, arbitrary: rare });
const stepStatuses = mostly(
  fc.constantFrom('pending', 'running'),
  fc.constantFrom('completed', 'failed', 'cancelled', 'notExecuted', 'new'),
);
const jobStatuses = mostly(
  fc.constantFrom('queue', 'queue', 'running', 'pending', 'approved'),
  fc.constantFrom('cancelled', 'rejected', 'failed', 'completed', 'new'),
);
const outputs = fc.constantFrom(null, null, '', 'https://log', told('running').steps[0]?.output ?? null);
const types = fc.constantFrom('terraformPlan', 'terraformApply', 'customScripts', 'approval');
const verdicts = mostly(
  fc.constant(undefined),
  fc.oneof(
    fc.constantFrom('cancel', 'quiet', 'fail', 'restart', 'other').map((action) => recordedVerdict({ action })),
    fc.constantFrom('', 'nonsense'),
  ),
);
const shapes = fc.constantFrom('documents', 'complete', 'failed', 'suspended', 'waiting', 'started', 'deleted');
const podStatuses = fc.constantFrom(
  undefined,
  {},
  running(),
  EVICTED,
  waitingFor('ImagePullBackOff', 'unauthorized'),
  terminated('OOMKilled', 137),
  { phase: 'Failed', reason: 'OutOfcpu' },
);

/** What is drawn of one Job, before it is known whose it is. */
const looks = fc.record({
  shape: shapes,
  verdict: verdicts,
  pod: podStatuses,
  nodeName: fc.constantFrom('node', ''),
  documents: anyDocuments,
});
type JobDraw = typeof looks extends fc.Arbitrary<infer Draw> ? Draw : never;

const steps = fc.record({
  status: stepStatuses,
  output: outputs,
  type: types,
  starts: fc.array(looks, { minLength: 0, maxLength: 3, size: 'max' }),
});

const jobs = fc.record({
  status: jobStatuses,
  known: fc.constantFrom('known', 'known', 'known', 'known', 'notFound', 'unasked'),
  comments: fc.constantFrom(null, null, 'by a user', 'waiting: no node fits, 40 s'),
  steps: fc.array(steps, { minLength: 1, maxLength: 3, size: 'max' }),
});

const foreigns = fc.record({ kind: fc.constantFrom('unlabelled', 'installation', 'step', 'job', 'name'), look: looks });

/** Worlds with at most so many Terrakube jobs, up to nine Jobs in each. */
export const anyWorld = (most: number): fc.Arbitrary<AnyWorld> =>
  fc
    .record({
      jobs: fc.array(jobs, { maxLength: most, size: 'max' }),
      foreign: fc.array(foreigns, { maxLength: 4 }),
      afterMs: fc.constantFrom(0, 5000, 61_000, 130_000, 1_000_000, 1_600_000, 30_000_000),
      unchangedForMs: fc.constantFrom(0, 5000, 70_000, 2_000_000, 22_000_000),
    })
    .map(({ jobs: drawn, foreign, afterMs, unchangedForMs }) => ({
      ours: drawn.flatMap(({ steps: own }, at) =>
        own.flatMap(({ starts, type }, number) =>
          starts.map((draw, start) => anyJobOf(stepIds(at, number, type), start + 1, draw)),
        ),
      ),
      foreign: foreign.map(({ kind, look }, at) => foreignJob(kind, anyJobOf(stepIds(900 + at, 0), 1, look).job)),
      terrakube: drawn.map(({ status, comments, steps: own, known }, at) => [
        stepIds(at, 0),
        known === 'known'
          ? terrakubeJob({
              status,
              comments,
              steps: own.map((one, number) =>
                step({
                  id: stepIds(at, number).stepId,
                  stepNumber: 100 * (number + 1),
                  status: one.status,
                  output: one.output,
                }),
              ),
            })
          : known === 'notFound'
            ? known
            : 'unasked',
      ]),
      unchangedForMs,
      now: epochMs(NOON + afterMs),
    }));

const stepIds = (job: number, number: number, type = 'terraformPlan'): DispatchIds =>
  ids({
    jobId: String(100 + job),
    stepId: `00000000-0000-4000-8000-${String(job * 10 + number).padStart(12, '0')}`,
    type,
  });

function anyJobOf(of: DispatchIds, start: number, { shape, verdict, pod, nodeName, documents }: JobDraw): AnyJob {
  const look = { of, start, ...(verdict === undefined ? {} : { verdict }) };
  const name = jobName(of, INSTALLATION, start);
  const uid = `uid-of-${name}`;
  const made = kubernetesJob(look);
  const spec = made.spec ?? { template: {} };
  const forms: Readonly<Record<typeof shape, V1Job>> = {
    documents: { ...made, spec: { ...spec, ...documents.job?.spec }, status: documents.job?.status ?? {} },
    complete: endedJob({ ...look, ended: 'Complete' }),
    failed: endedJob({ ...look, ended: 'Failed' }),
    suspended: { ...made, spec: { ...spec, suspend: true }, status: {} },
    waiting: made,
    started: { ...made, status: { active: 1, ready: 1 } },
    deleted: kubernetesJob({ ...look, isBeingDeleted: true }),
  };
  const form = forms[shape];
  const isStopped = typeof readVerdict(made) === 'object';
  const job = {
    ...form,
    metadata: { ...form.metadata, uid, creationTimestamp: new Date(NOON) },
    spec: { ...(form.spec ?? { template: {} }), ...(isStopped ? { activeDeadlineSeconds: 1 } : {}) },
  };
  const own = pod === undefined ? [] : [podOf({ of, start, nodeName, status: pod })];
  const pods = [...(shape === 'documents' ? documents.pods : []), ...own].map((one, at) => ({
    ...one,
    metadata: {
      ...one.metadata,
      name: `${name}-aaaa${at}`,
      uid: `uid-of-${name}-aaaa${at}`,
      labels: { ...made.metadata?.labels, 'batch.kubernetes.io/job-name': name },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
    },
  }));
  const events = documents.events.map((event, at) => {
    const about = pods[at];
    return {
      ...event,
      involvedObject: {
        ...event.involvedObject,
        uid: about?.metadata.uid ?? uid,
        name: about?.metadata.name ?? name,
      },
    };
  });
  return { job, pods, events };
}

/** A Job that looks like one of ours and is none, or is none any more. */
function foreignJob(kind: string, job: V1Job): V1Job {
  const labels = job.metadata?.labels ?? {};
  const changed: Readonly<Record<string, V1Job['metadata']>> = {
    unlabelled: { labels: { app: 'other' } },
    installation: { labels: { ...labels, 'terrakube.io/installation': 'ffffffff' } },
    step: { labels: { ...labels, 'terrakube.io/step': 'none' } },
    job: { labels: { ...labels, 'terrakube.io/job': '100' } },
    name: { name: `${job.metadata?.name ?? ''}x` },
  };
  return { ...job, metadata: { ...job.metadata, ...changed[kind] } };
}

/** A world as it was read. @param isForeignRead whether the Jobs of others are in the list. */
export function worldsOf(any: AnyWorld, isForeignRead = true): Worlds {
  const terrakube = any.terrakube.flatMap(
    ([of, job]): readonly (readonly [string, ListedTerrakubeJob | 'notFound'])[] =>
      job === 'unasked' ? [] : [[of.jobId, job === 'notFound' ? job : listed(of, job)]],
  );
  return {
    jobs: [...any.ours.map(({ job }) => job), ...(isForeignRead ? any.foreign : [])],
    pods: any.ours.flatMap(({ pods }) => pods),
    events: any.ours.flatMap(({ events }) => events),
    terrakube: new Map(terrakube),
    unchangedSince: new Map(terrakube.map(([jobId]) => [jobId, epochMs(any.now - any.unchangedForMs)])),
    now: any.now,
  };
}

const listed = ({ jobId: id, organizationId, workspaceId }: DispatchIds, job: TerrakubeJob): ListedTerrakubeJob => ({
  ...job,
  ...{ id, organizationId, workspaceId, updatedAt: NOON },
});
