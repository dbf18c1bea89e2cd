// What happens around a reconciler under test: in memory, and in a cluster that is reached over HTTPS.
import type { V1Job } from '@kubernetes/client-node';
import { ANNOTATION } from '../../lib/domain/job-manifest.ts';
import type { JsonObject } from '../../local/json.ts';
import { textAt } from '../../local/json.ts';
import type { ClusterClient } from './cluster-client.ts';
import { aJob, aSecret, mergePatchType } from './cluster-context.ts';
import type { InMemoryClock } from './in-memory-clock.ts';
import type { InMemoryJobStore } from './in-memory-job-store.ts';
import type { InMemoryReconciler } from './in-memory-reconciler.ts';
import type { ReconciledWorld } from './reconciler-suite.ts';

const executor = { name: 'executor', image: 'localhost/executor:1' };
const jobOf = (name: string, labels: Readonly<Record<string, string>>): JsonObject => {
  const job = aJob(name, { suspend: true }, { ...labels });
  const env = [{ name: 'TOKEN', value: 'not to be read' }];
  const template = { spec: { restartPolicy: 'Never', containers: [{ ...executor, env }] } };
  return { ...job, spec: { backoffLimit: 0, suspend: true, template } };
};
const podOf = (name: string, labels: Readonly<Record<string, string>>): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { ...labels } },
  spec: { containers: [executor], restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
});

/** The world of an in-memory reconciler. */
export function createInMemoryWorld(
  store: InMemoryJobStore,
  clock: InMemoryClock,
  cluster: InMemoryReconciler,
): ReconciledWorld {
  const change = async (name: string, metadata: V1Job['metadata']): Promise<void> => {
    const job = await store.getJob(name);
    if (job !== 'notFound') store.put({ ...job, metadata: { ...job.metadata, ...metadata } });
  };
  const plain = <T>(object: JsonObject): T => JSON.parse(JSON.stringify(object));
  return {
    async createJob(name, labels) {
      const answer = await store.createJob(plain(jobOf(name, labels)));
      return answer.kind === 'ok' ? (answer.object.metadata?.uid ?? '') : '';
    },
    touchJob: (name, touched) => change(name, { annotations: { [ANNOTATION.said]: touched } }),
    relabelJob: (name, labels) => change(name, { labels }),
    deleteJob: async (name) => store.remove(name),
    createPod: async (name, labels) => cluster.putPod(plain(podOf(name, labels))),
    async endPod(name, phase) {
      const pod = cluster.allPods().find(({ metadata }) => metadata?.name === name);
      if (pod) cluster.putPod({ ...pod, status: { phase } });
    },
    createSecret: async (name, ownerUid) => store.putSecret(plain(aSecret(name, {}, ownerMetadata(name, ownerUid)))),
    hasSecret: async (name) => store.allSecrets().some(({ metadata }) => metadata?.name === name),
    createEvent: async (name, type) => cluster.putEvent(plain(eventOf(name, type, 'terrakube'))),
    pass: async (amount) => clock.advance(amount * 1000),
  };
}

/** The world of a cluster. The client may do everything in the namespace. */
export function createClusterWorld(client: ClusterClient, namespace: string): ReconciledWorld {
  const core = `/api/v1/namespaces/${namespace}`;
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const done = async (method: string, path: string, body?: JsonObject): Promise<string> => {
    const contentType = method === 'PATCH' ? mergePatchType : 'application/json';
    const answer = await client.send(method, path, { body, contentType });
    if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${textAt(answer.body, 'message')}`);
    return textAt(answer.body, 'metadata', 'uid') ?? '';
  };
  return {
    createJob: (name, labels) => done('POST', jobs, jobOf(name, labels)),
    touchJob: async (name, touched) =>
      void (await done('PATCH', `${jobs}/${name}`, { metadata: { annotations: { [ANNOTATION.said]: touched } } })),
    relabelJob: async (name, labels) =>
      void (await done('PATCH', `${jobs}/${name}`, { metadata: { labels: { ...labels } } })),
    deleteJob: async (name) => void (await done('DELETE', `${jobs}/${name}`, { propagationPolicy: 'Background' })),
    createPod: async (name, labels) => void (await done('POST', `${core}/pods`, podOf(name, labels))),
    endPod: async (name, phase) => void (await done('PATCH', `${core}/pods/${name}/status`, { status: { phase } })),
    createSecret: async (name, ownerUid) =>
      void (await done('POST', `${core}/secrets`, aSecret(name, {}, ownerMetadata(name, ownerUid)))),
    hasSecret: async (name) => (await client.send('GET', `${core}/secrets/${name}`)).status === 200,
    createEvent: async (name, type) => void (await done('POST', `${core}/events`, eventOf(name, type, namespace))),
    pass: (amount) => new Promise((resolve) => setTimeout(resolve, amount * 1000)),
  };
}

const ownerMetadata = (name: string, uid: string): JsonObject => ({
  ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
});

const eventOf = (name: string, type: string, namespace: string): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name, namespace },
  involvedObject: { apiVersion: 'batch/v1', kind: 'Job', namespace, name },
  reason: 'Test',
  message: name,
  type,
});
