// Laws of observing a Job, for any Job, pods and Terrakube job, and for ports that refuse, conflict and fail at any call.
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { isOpenStep } from '../../lib/domain/terrakube-job.ts';
import { observeJob } from '../../lib/flows/observe-job.ts';
import {
  INSTALLATION,
  ids,
  kubernetesJob,
  laterStep,
  recordedVerdict,
  step,
  terrakubeJob,
} from '../support/builders.ts';
import { anyDocuments } from '../support/kubernetes-arbitraries.ts';
import { EVICTED, told, waitingFor } from '../support/observe-scenes.ts';
import {
  createObserveWorld,
  endedJob,
  type ObserveWorld,
  podOf,
  running,
  terminated,
} from '../support/observe-world.ts';

const FOREIGN = 'ffffffff';
const types = fc.constantFrom('terraformPlan', 'terraformApply', 'customScripts', 'approval');
/** The first value is drawn more often than any of the others. */
const mostly = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: usual }, { weight: 1, arbitrary: rare });
const rarely = mostly(fc.constant(false), fc.constant(true));
const stepStatuses = mostly(
  fc.constantFrom('pending', 'running'),
  fc.constantFrom('completed', 'failed', 'cancelled', 'notExecuted', 'new'),
);
const jobStatuses = mostly(
  fc.constantFrom('queue', 'queue', 'running', 'pending', 'approved'),
  fc.constantFrom('cancelled', 'rejected', 'failed', 'completed', 'noChanges', 'new'),
);
const outputs = fc.constantFrom(null, '', 'https://log', told('running').steps[0]?.output ?? null);
const verdicts = mostly(
  fc.constant(undefined),
  fc.oneof(
    fc.constantFrom('cancel', 'quiet', 'fail', 'restart', 'other').map((action) => recordedVerdict({ action })),
    fc.constantFrom('', '1', 'nonsense'),
  ),
);

const terrakubeJobs = fc
  .record({
    status: jobStatuses,
    ours: stepStatuses,
    output: outputs,
    later: fc.option(stepStatuses),
    has: fc.boolean(),
  })
  .map(({ status, ours, output, later, has }) =>
    terrakubeJob({
      status,
      steps: [
        ...(has || later === null ? [step({ status: ours, output })] : []),
        ...(later === null ? [] : [laterStep({ status: later })]),
      ],
    }),
  );

const pulling = waitingFor('ImagePullBackOff', 'unauthorized');

/** Our own metadata on what Kubernetes may show. */
const jobs = fc
  .record({
    type: types,
    start: fc.constantFrom(1, 1, 2, 3),
    verdict: verdicts,
    isBeingDeleted: rarely,
    installation: fc.oneof(
      { weight: 9, arbitrary: fc.constant(INSTALLATION) },
      { weight: 1, arbitrary: fc.constant(FOREIGN) },
    ),
    shape: fc.constantFrom('documents', 'complete', 'failed', 'suspended', 'started'),
    documents: anyDocuments,
  })
  .map(({ type, shape, documents, verdict, ...look }) => {
    const of = ids({ type });
    const whole = { ...look, of, ...(verdict === undefined ? {} : { verdict }) };
    const job = kubernetesJob(whole);
    const uid = job.metadata?.uid ?? '';
    const shapes: Readonly<Record<typeof shape, V1Job>> = {
      documents: {
        ...job,
        spec: { template: {}, ...job.spec, ...documents.job?.spec },
        status: documents.job?.status ?? {},
      },
      complete: endedJob({ ...whole, ended: 'Complete' }),
      failed: endedJob({ ...whole, ended: 'Failed' }),
      suspended: { ...job, spec: { template: {}, ...job.spec, suspend: true }, status: {} },
      started: { ...job, status: { active: 1, ready: 1 } },
    };
    const labels = { 'batch.kubernetes.io/job-name': job.metadata?.name ?? '' };
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: job.metadata?.name ?? '', uid }];
    const pods: readonly V1Pod[] = documents.pods.map((pod) => ({
      ...pod,
      metadata: { ...pod.metadata, labels, ownerReferences },
    }));
    return { of, job: shapes[shape], pods, ...look };
  });

/** What a port does instead of answering. */
const faults = fc.array(
  fc.constantFrom(...Array.from({ length: 30 }, () => 'none'), 'fault', 'conflict', 'forbidden', 'notFound'),
  {
    maxLength: 40,
  },
);

const worlds = fc.record({
  subject: jobs,
  isGone: rarely,
  hasFinal: fc.boolean(),
  others: fc.oneof(fc.array(jobs, { maxLength: 0 }), fc.array(jobs, { maxLength: 3 })),
  pod: fc.constantFrom(
    undefined,
    undefined,
    running(),
    EVICTED,
    pulling,
    terminated('OOMKilled', 137),
    terminated('Error', 1),
  ),
  terrakube: fc.option(terrakubeJobs, { freq: 9 }),
  faults,
  afterMs: fc.constantFrom(0, 5000, 61_000, 130_000, 1_000_000, 1_600_000, 30_000_000),
  maxStarts: fc.constantFrom(1, 3),
  settings: fc.record({
    ownsAllSteps: fc.boolean(),
    cancelRunningApply: fc.boolean(),
    keepAlive: fc.boolean(),
    isDispatchPaused: fc.boolean(),
  }),
});
type AnyWorld = typeof worlds extends fc.Arbitrary<infer World> ? World : never;

type Answer = (method: string, args: readonly unknown[], call: () => unknown) => unknown;

/** A port whose calls are seen with their arguments. */
const seeing = <Port extends object>(port: Port, answer: Answer): Port =>
  new Proxy(port, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== 'function' || key === 'serverNow') return member;
      return async (...args: readonly unknown[]) =>
        answer(String(key), args, () => Reflect.apply(member, target, [...args]));
    },
  });

/** Answers as the port does, except where the list of faults says otherwise; a read is never in conflict. */
function faulty(list: readonly string[]): Answer {
  const left = [...list];
  const possible: Readonly<Record<string, RegExp>> = {
    conflict: /^(stop|annotate)Job$/,
    forbidden: /^(stopJob|annotateJob|listPods|listEvents)$/,
    notFound: /^(stopJob|annotateJob|getJob)$/,
  };
  return (method, _, call) => {
    const fault = left.shift() ?? 'none';
    if (fault === 'fault') throw new DispatcherError('terrakubeUnavailable', 'no answer');
    return possible[fault]?.test(method) ? fault : call();
  };
}

/** Which laws a call breaks. */
function broken(
  world: ObserveWorld,
  { subject }: AnyWorld,
  method: string,
  args: readonly unknown[],
): readonly string[] {
  const [first, second, third] = args;
  const job = world.terrakube.job(subject.of);
  const laws: string[] = [];
  if (/^patch/.test(method) && job?.status === 'rejected') laws.push('a rejected job is not patched');
  if (method === 'patchStep' && typeof second === 'object' && second !== null) {
    const current = job?.steps.find(({ id }) => id === subject.of.stepId);
    const rewrites = 'status' in second || 'output' in second;
    if (rewrites && current && !isOpenStep(current)) laws.push('a step that has ended keeps status and output');
  }
  if (method === 'deleteJob' || method === 'deletePod') {
    const uids = [...world.store.allJobs(), ...subject.pods].map(({ metadata }) => metadata?.uid);
    if (second === '' || !uids.includes(String(second))) laws.push('a delete names the uid');
  }
  if (method === 'stopJob' || method === 'annotateJob') {
    if (typeof second !== 'string' || second === '') laws.push('a patch names the resourceVersion');
  }
  if (/^(stop|annotate|delete)Job$/.test(method)) {
    const target = world.store.allJobs().find(({ metadata }) => metadata?.name === first);
    if (target && target.metadata?.labels?.['terrakube.io/installation'] !== INSTALLATION) laws.push('foreign');
  }
  if (method === 'deletePod' && third !== 1) laws.push('a pod is given one second');
  return laws;
}

/** Observes twice, and says what was broken. */
async function observed(any: AnyWorld): Promise<readonly unknown[]> {
  const { subject, isGone, hasFinal, others, terrakube, pod } = any;
  const pods = [...subject.pods, ...(pod ? [podOf({ ...subject, status: pod })] : [])];
  const job = isGone ? null : subject.job;
  const world = createObserveWorld({ ids: subject.of, job, pods, terrakube, settings: any.settings });
  const name = jobName(subject.of, subject.installation, subject.start);
  for (const other of others) if (other.job.metadata?.name !== name) world.store.put(other.job);
  world.clock.advance(any.afterMs);
  const found: unknown[] = [];
  const faultyAnswer = faulty(any.faults);
  const watch: Answer = (method, args, call) => {
    found.push(...broken(world, { ...any, subject: { ...subject, pods } }, method, args));
    return faultyAnswer(method, args, call);
  };
  const { cluster } = world.deps;
  const deps = {
    ...world.deps,
    maxStarts: any.maxStarts,
    cluster: seeing(cluster, watch),
    terrakube: seeing(world.deps.terrakube, watch),
  };
  const foreign = () =>
    JSON.stringify(
      world.store.allJobs().filter(({ metadata }) => metadata?.labels?.['terrakube.io/installation'] === FOREIGN),
    );
  const before = foreign();
  for (let look = 0; look < 2; look += 1) {
    await observeJob(deps, name, hasFinal ? subject.job : undefined).catch((error: unknown) => {
      if (!(error instanceof DispatcherError)) found.push(error);
    });
  }
  if (foreign() !== before) found.push('a Job of another installation was changed');
  return found;
}

test('observing breaks no law, whatever there is to see and whatever fails', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (any) => {
      expect(await observed(any)).toEqual([]);
    }),
    { numRuns: 1000 },
  );
});
