// How far the product goes: known ceilings with their sources, and what follows from them for three rates of steps. Part of
// docs/performance.md.
import { PROCESSOR_SHARE } from '../bench/cost/model.ts';
import type { ReconcileResult, Results } from '../bench/results.ts';

/** What bounds an installation from outside, and where that is written. */
export const CEILINGS = `## Known ceilings

| What | Bound | Source |
| --- | --- | --- |
| Terrakube 2.33 and newer | one job at a time is dispatched, oldest first, over all organizations and agents: while one POST is under way, no other is sent | \`JobRepository.java\`, \`ScheduleJob.java\` of Terrakube's API |
| Lambda polling SQS | begins with 5 batches at a time, grows by up to 300 a minute, to at most 1,000; \`MaximumConcurrency\` of the deployment bounds it further | [Lambda, scaling of SQS event sources](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html) |
| Lambda in an account | the concurrency of all functions of a region together; a new account begins low, ask for more | [Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) |
| SQS, standard queue | nearly unlimited calls; about 120,000 messages received and not yet deleted | [SQS quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html) |
| Job controller | 5 Jobs at a time, and 20 API calls a second (30 in a burst) as kube-controller-manager comes; EKS sets its own values and does not publish them | [kube-controller-manager](https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/): \`--concurrent-job-syncs\`, \`--kube-api-qps\`, \`--kube-api-burst\` |
| API priority and fairness | 400 reads and 200 writes at once are shared out among all clients of an API server as it comes; more are queued, then answered 429, which dispatch heeds | [API priority and fairness](https://kubernetes.io/docs/concepts/cluster-administration/flow-control/), [kube-apiserver](https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/): \`--max-requests-inflight\`, \`--max-mutating-requests-inflight\` |
| A cluster | 5,000 nodes, 150,000 pods, 110 pods a node | [Considerations for large clusters](https://kubernetes.io/docs/setup/best-practices/cluster-large/) |
`;

const STEPS_A_MINUTE = [1, 100, 10_000];
/** To the cluster: one list, two creates. */
const CLUSTER_CALLS = 3;
/** The Job controller creates the pod, takes its finalizer off, and writes the status of the end; at least. */
const CONTROLLER_WRITES = 3;
const CONTROLLER_CALLS_A_SECOND = 20;
/** As long as an ended Job is kept by default. */
const TTL_MINUTES = 120;

/** What a function of 512 MB has for a pass, with room to spare for the watches and the runtime client. */
const PASS_MB = 340;

/** What three rates of steps need. It is arithmetic on what was measured, and says so. */
export function scaleTable(results: Results): string {
  const batch = results['warm-dispatch']?.result.batches.find(({ thinkMs }) => thinkMs > 0);
  const largest = results.reconcile?.result.measured.filter((one) => peakOf(one) <= PASS_MB).at(-1);
  const answer = results['intake-rate']?.result.rates.find(({ senders }) => senders === 1);
  if (!batch || !largest || !answer) return '';
  const controllerAMinute = Math.floor((CONTROLLER_CALLS_A_SECOND / CONTROLLER_WRITES) * 60);
  const rows = STEPS_A_MINUTE.map((rate) => {
    const kept = rate * TTL_MINUTES;
    const clusters = Math.max(Math.ceil(rate / controllerAMinute), Math.ceil(kept / largest.size));
    const sandboxes = Math.max(1, Math.ceil((rate / 60) * (batch.oneMs.median / 1000)));
    const cells = [rate, 60_000 / rate, sandboxes, (rate * CLUSTER_CALLS) / 60, kept, clusters];
    return `| ${cells.map((cell) => Number(cell.toPrecision(3)).toLocaleString('en')).join(' | ')} |`;
  });
  const serialAMinute = Number((60_000 / answer.p50Ms).toPrecision(2));
  const keptAMinute = Math.floor(largest.size / TTL_MINUTES);
  return `## 1, 100 and 10,000 steps a minute

| steps a minute | ms that Terrakube has for each | sandboxes of dispatch at work | calls of the API server a second | Jobs kept (${TTL_MINUTES} minutes) | clusters |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

How these are reckoned, and what to do:

- **Terrakube comes first.** It sends one POST after the other. Intake answers in ${Number(answer.p50Ms.toPrecision(3))} ms here, so that no more than
  ${serialAMinute.toLocaleString('en')} steps a minute can leave one Terrakube even if it took no time itself and there was no network; on AWS it is fewer.
  Above that, only another Terrakube installation helps, with a deployment of its own.
- **Sandboxes**: steps a second times ${Math.round(batch.oneMs.median)} ms, for servers that take ${batch.thinkMs} ms for each answer and batches of one. Batches of ten take
  ${Number(batch.tenOverOne.median.toPrecision(2))} times as long for ten times the steps.
- **Add a cluster above ${controllerAMinute} steps a minute**, unless its Job controller was shown to do more: ${CONTROLLER_CALLS_A_SECOND} calls a second at
  ${CONTROLLER_WRITES} writes for each Job, at least. Its queue shows as Jobs without pods; nothing fails.
- **Or above ${keptAMinute} steps a minute with the default of \`ExecutorEphemeralTtlSecondsAfterFinished\`**: an ended Job is kept for ${TTL_MINUTES} minutes,
  and ${largest.size.toLocaleString('en')} Jobs are the largest measured world of which reconcile makes a pass within ${PASS_MB} MB (${Math.round(peakOf(largest))} MB at most, ${(largest.first.cpuMs / 1000).toFixed(1)} s of CPU
  for a first pass, which take ${Math.round(largest.first.cpuMs / 1000 / PROCESSOR_SHARE)} s with the ${PROCESSOR_SHARE.toFixed(2)} of a processor
  that a function of 512 MB has; it needs room for the next run, which overlaps in a sandbox of its own).
  A shorter time keeps fewer: half of it allows twice the rate.
- One deployment serves one cluster. Several clusters are several deployments; Terrakube's agents say which workspace goes where.
`;
}

const peakOf = ({ first, later }: ReconcileResult['measured'][number]): number => Math.max(first.peakMb, later.peakMb);
