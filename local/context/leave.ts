// What a run takes away from a cluster at its end: whatever would mean nothing, or something else, to the next one.
import { EXECUTOR_SECRET } from '../executor-secret.ts';
import { listAt, textAt } from '../json.ts';
import type { ClusterApi } from '../kubelet/api.ts';
import { describeNode } from '../kubelet/node.ts';
import { type ContextRun, jobsPath, type PreparedCluster, podsPath } from './prepare.ts';

/**
 * Takes away the node of the local kubelet; after a demo also the Secret, which names the stand-in Terrakube, and Jobs that have
 * not ended. Jobs that have ended stay to be looked at, until their TTL.
 *
 * @throws Error when the cluster does not answer.
 */
export async function leave(api: ClusterApi, run: ContextRun, { hasNodes, known }: PreparedCluster): Promise<void> {
  if (!hasNodes) await api.delete(`/api/v1/nodes/${describeNode().name}`, {});
  if (run.terrakube !== undefined) return;
  for (const name of await unendedJobs(api, run, known)) {
    const { status } = await api.delete(`${jobsPath(run)}/${name}`, { propagationPolicy: 'Background' });
    // The next run's kubelet would start it, and its executor report to another Terrakube, about a job of the same number.
    if (status === 200) run.report(`Deleted Job ${name}: it has not ended, and nobody waits for it any more`);
  }
  const { status } = await api.delete(`/api/v1/namespaces/${run.namespace}/secrets/${EXECUTOR_SECRET}`, {});
  if (status === 200) run.report(`Deleted Secret ${EXECUTOR_SECRET} again: it named the stand-in Terrakube`);
}

/** The Jobs of this run without a pod that has ended. Their own status lags behind their pods'. */
async function unendedJobs(api: ClusterApi, run: ContextRun, known: ReadonlySet<string>): Promise<readonly string[]> {
  const selector = '?labelSelector=terrakube.io%2Fjob';
  const jobs = listAt((await api.get(jobsPath(run) + selector)).body, 'items');
  const pods = listAt((await api.get(podsPath(run) + selector)).body, 'items');
  const ended = new Set(
    pods
      .filter((pod) => ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase') ?? ''))
      .map((pod) => textAt(pod, 'metadata', 'labels', 'batch.kubernetes.io/job-name')),
  );
  return jobs.flatMap((job) => {
    const name = textAt(job, 'metadata', 'name');
    const isOwn = !known.has(textAt(job, 'metadata', 'uid') ?? '');
    return name !== undefined && isOwn && !ended.has(name) ? [name] : [];
  });
}
