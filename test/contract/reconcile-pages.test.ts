// What a pass asks for: each page once, the Terrakube jobs of all Jobs at first, and of the settled ones never again.
import type { V1Job } from '@kubernetes/client-node';
import { afterEach, expect, test } from 'vitest';
import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakubeCall } from '../../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../../lib/clients/terrakube-jobs.ts';
import { jobName, stepLabels } from '../../lib/domain/job-name.ts';
import { hasEnded } from '../../lib/domain/next-start.ts';
import { readWorlds } from '../../lib/flows/read-worlds.ts';
import { createReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import { type Certificates, makeCertificates } from '../../local/cluster/certificates.ts';
import { INSTALLATION, ids, NOON } from '../support/builders.ts';
import { createInMemoryClock } from '../support/in-memory-clock.ts';
import { createCountedToken } from '../support/kubernetes-bench.ts';
import { type Reply, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';
import { INTERNAL_SECRET } from '../support/terrakube-bench.ts';
import { jobOf, page, stepOf } from '../support/terrakube-lists.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const PAGE = 500;
const ENDED = 1100;
const UNFINISHED = 10;

function kubernetesJobOf(number: number): V1Job {
  const of = ids({ jobId: String(number) });
  const name = jobName(of, INSTALLATION, 1);
  const complete = { type: 'Complete', status: 'True' };
  return {
    metadata: { name, uid: `uid of ${name}`, labels: { ...stepLabels(of, INSTALLATION) } },
    status: number <= ENDED ? { conditions: [complete] } : { active: 1 },
  };
}

/** A cluster with 1,100 ended Jobs and 10 unfinished ones, each of its own Terrakube job. */
function startCluster(certificates: Certificates): Promise<ScriptedServer> {
  const jobs = Array.from({ length: ENDED + UNFINISHED }, (_, index) => kubernetesJobOf(index + 1));
  const list = (kind: string, items: readonly object[], rest = ''): Reply => ({
    status: 200,
    body: { kind, metadata: { resourceVersion: '7', continue: rest }, items },
  });
  return startScriptedServer(({ path }) => {
    const { pathname, searchParams } = new URL(path, 'https://cluster');
    if (pathname.endsWith('/pods')) return list('PodList', []);
    if (pathname.endsWith('/events')) return list('EventList', []);
    const from = Number(searchParams.get('continue') ?? 0);
    const until = from + Number(searchParams.get('limit'));
    return list('JobList', jobs.slice(from, until), until < jobs.length ? String(until) : '');
  }, certificates);
}

const filterOf = (path: string): string => new URL(path, 'http://terrakube').searchParams.get('filter[step]') ?? '';
const idsOf = (path: string): readonly string[] => /^job\.id=in=\((.+)\)$/.exec(filterOf(path))?.[1]?.split(',') ?? [];

async function start() {
  const certificates = await makeCertificates();
  const cluster = await startCluster(certificates);
  const terrakube = await startScriptedServer(({ path }) => {
    const asked = idsOf(path);
    return page(
      asked.flatMap((id) => [stepOf(`100-${id}`, { status: 'completed' }), jobOf(id, { status: 'completed' })]),
    );
  });
  closing.push(cluster.close, terrakube.close);
  const address = { endpoint: cluster.url, caPem: certificates.caPem };
  const clock = createInMemoryClock();
  const memory = createReconcileMemory();
  const client = createKubernetesReconciler({
    cluster: { get: async () => address, forget: () => false },
    token: createCountedToken(),
    namespace: 'terrakube',
    now: () => NOON,
  });
  const secret = createFixedSecret(INTERNAL_SECRET);
  const call = createTerrakubeCall({ apiUrl: terrakube.url, secret, now: () => NOON });
  const deps = { cluster: client, terrakubeJobs: createTerrakubeJobs(call), clock, memory, installation: INSTALLATION };
  return { deps, cluster, terrakube };
}

/** How often each list was asked for after so many calls, and of Terrakube how many jobs by their ids. */
function asked({ cluster, terrakube }: Awaited<ReturnType<typeof start>>, before = { cluster: 0, terrakube: 0 }) {
  const kinds = cluster.seen.slice(before.cluster).map(({ path }) => /\/([a-z]+)\?/.exec(path)?.[1]);
  const calls = terrakube.seen.slice(before.terrakube).map(({ path }) => idsOf(path));
  const count = (kind: string): number => kinds.filter((one) => one === kind).length;
  return {
    jobs: count('jobs'),
    pods: count('pods'),
    events: count('events'),
    live: calls.filter((of) => of.length === 0).length,
    byIds: calls.filter((of) => of.length > 0).length,
    distinctIds: new Set(calls.flat()).size,
  };
}

test('a first pass asks once for each page, and for the Terrakube jobs of all Jobs', async () => {
  const world = await start();
  const { jobs, terrakube } = await readWorlds(world.deps);
  expect({ jobs: jobs.length, terrakube: terrakube.size }).toEqual({ jobs: 1110, terrakube: 1110 });
  expect(asked(world)).toEqual({
    jobs: Math.ceil((ENDED + UNFINISHED) / PAGE),
    pods: 1,
    events: 1,
    live: 1,
    byIds: 8,
    distinctIds: 1110,
  });
});

test('a later pass does not ask for the Terrakube jobs of Jobs that are settled', async () => {
  const world = await start();
  const { jobs } = await readWorlds(world.deps);
  for (const job of jobs.filter(hasEnded)) world.deps.memory.settle(job);
  const before = { cluster: world.cluster.seen.length, terrakube: world.terrakube.seen.length };
  const later = await readWorlds(world.deps);
  expect({ jobs: later.jobs.length, terrakube: later.terrakube.size }).toEqual({ jobs: 10, terrakube: 10 });
  expect(asked(world, before)).toEqual({ jobs: 3, pods: 1, events: 1, live: 1, byIds: 1, distinctIds: 10 });
});

test('all calls of a pass go over a few connections', async () => {
  const world = await start();
  await readWorlds(world.deps);
  expect(world.cluster.connections).toBeLessThanOrEqual(4);
  expect(world.terrakube.connections).toBeLessThanOrEqual(8);
});
