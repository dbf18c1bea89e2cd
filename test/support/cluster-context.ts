/** What the tests of the cluster suite share: paths, builders, waiting, and the part of the kubelet. */

import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { isEqual, type Json, type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import type { ClusterAddress, ClusterAnswer, ClusterClient } from './cluster-client.ts';

/** A cluster under test. `namespace` exists, and the token may do everything in it. */
export interface ClusterUnderTest extends ClusterAddress {
  readonly namespace: string;
  close(): Promise<void>;
}

/** What the tests of the suite share. */
export interface Context {
  readonly client: ClusterClient;
  readonly namespace: string;
  readonly jobs: string;
  readonly pods: string;
  readonly secrets: string;
  create(path: string, body: JsonObject): Promise<JsonObject>;
  /** The Job's only pod, as soon as it exists. */
  podOf(job: string): Promise<JsonObject>;
  /** What a kubelet would report. */
  report(pod: JsonObject, status: JsonObject): Promise<void>;
  /** Reads until the object looks as wanted. */
  eventually(path: string, wanted: (answer: ClusterAnswer) => boolean): Promise<ClusterAnswer>;
}

/** A real job controller gathers changes for a second, and a busy machine takes its time. */
const patienceMs = 25_000;

/** The context of a running cluster. */
export function contextOf(cluster: ClusterUnderTest, client: ClusterClient): Context {
  const { namespace } = cluster;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const eventually: Context['eventually'] = async (path, wanted) => {
    const endMs = Date.now() + patienceMs;
    while (Date.now() < endMs) {
      const answer = await client.send('GET', path);
      if (wanted(answer)) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${path} never came to look as wanted.`);
  };
  return {
    client,
    namespace,
    jobs: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    pods,
    secrets: `/api/v1/namespaces/${namespace}/secrets`,
    eventually,
    create: async (path, body) => {
      const { status, body: created } = await client.send('POST', path, { body });
      expect({ status, created }).toMatchObject({ status: 201 });
      return objectAt(created);
    },
    podOf: async (job) => {
      const path = `${pods}?labelSelector=job-name%3D${job}`;
      const { body } = await eventually(path, (answer) => listAt(answer.body, 'items').length === 1);
      return objectAt(listAt(body, 'items')[0]);
    },
    report: async (pod, status) => {
      const path = `${pods}/${textAt(pod, 'metadata', 'name')}/status`;
      const answer = await client.send('PATCH', path, { body: { status }, contentType: mergePatchType });
      expect(answer.status).toBe(200);
    },
  };
}

/** The only kind of patch that this project sends. */
export const mergePatchType: string = 'application/merge-patch+json';

/** A name that no earlier run has used. */
export function fresh(prefix = 'job'): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`;
}

/** A Job that would run one container once. */
export function aJob(name: string, spec: JsonObject = {}, labels: JsonObject = {}): JsonObject {
  const container = { name: 'executor', image: 'localhost/executor:1' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      ...spec,
      template: { spec: { restartPolicy: 'Never', containers: [container] } },
    },
  };
}

/** A Secret, empty unless fields say otherwise. */
export function aSecret(name: string, fields: JsonObject = {}, metadata: JsonObject = {}): JsonObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, ...metadata }, ...fields };
}

/** Metadata that makes a Job the owner. */
export function ownedBy(job: JsonObject): JsonObject {
  const name = textAt(job, 'metadata', 'name') ?? '';
  const uid = textAt(job, 'metadata', 'uid') ?? '';
  return { ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }] };
}

/** An object without what differs each time (uids, versions, times), and without who set which field. */
export function lasting(object: Json): Json {
  const volatile = [
    'uid',
    'resourceVersion',
    'creationTimestamp',
    'batch.kubernetes.io/controller-uid',
    'controller-uid',
  ];
  const text = JSON.stringify(object, (key, value: unknown) => {
    if (key === 'managedFields') return undefined;
    return volatile.includes(key) ? '<volatile>' : value;
  });
  const parsed: Json = JSON.parse(text);
  return parsed;
}

/** The Job's conditions as `type/reason`, in their order. */
export function conditionsOf(job: Json): readonly string[] {
  return listAt(job, 'status', 'conditions').map((one) => `${textAt(one, 'type')}/${textAt(one, 'reason')}`);
}

/** A refusal that names each cause once. Servers before 1.37 repeat some. */
export function withoutRepeats(status: Json): Json {
  const causes = listAt(status, 'details', 'causes');
  if (causes.length === 0) return status;
  const different = causes.filter((cause, i) => causes.findIndex((other) => isEqual(other, cause)) === i);
  return { ...objectAt(status), details: { ...objectAt(status, 'details'), causes: different } };
}

/** What a scheduler sends. */
export function aBinding(pod: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: pod },
    target: { apiVersion: 'v1', kind: 'Node', name: 'node-1' },
  };
}
