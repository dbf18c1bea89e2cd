// Ten dispatches meet a fault that lasts for a while: each of them still ends as exactly one Job, and its run completes.
import { describe, expect, test } from 'vitest';
import { type Deed, type MeddlingProxy, startMeddlingProxy } from '../support/meddling-proxy.ts';
import { type RunningStack, startRunningStack, until } from '../support/running-stack.ts';

/** How long a fault lasts. */
const FAULT_MS = 20_000;
const DISPATCHES = 10;

const status = (code: number, reason: string, message: string): Deed => ({
  kind: 'answer',
  status: code,
  body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code }),
});
const quotaFull = status(
  403,
  'Forbidden',
  'jobs.batch "x" is forbidden: exceeded quota: executors, requested: count/jobs.batch=1, used: count/jobs.batch=20, limited: count/jobs.batch=20',
);
const throttled: Deed = {
  kind: 'answer',
  status: 429,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1' },
  body: 'Too many requests, please try again later.',
};

interface Fault {
  readonly name: string;
  readonly server: 'cluster' | 'terrakube';
  /** What happens to a request while the fault lasts. */
  readonly deed: (call: { method: string; path: string; authorization: string }) => Deed | undefined;
  readonly renewsTokens?: boolean;
  /** What users read in the run's log meanwhile. */
  readonly line?: string;
}

const faults: readonly Fault[] = [
  {
    name: 'a quota that is full, then free',
    server: 'cluster',
    deed: ({ method, path }) => (method === 'POST' && path.endsWith('/jobs') ? quotaFull : undefined),
    line: 'terrakube-dispatcher: waiting: quota executors of namespace terrakube is used up (used count/jobs.batch=20, limit count/jobs.batch=20)',
  },
  { name: 'an API server that throttles', server: 'cluster', deed: () => throttled },
  { name: 'an API server that is down', server: 'cluster', deed: () => ({ kind: 'reset' }) },
  {
    name: 'a token that the cluster does not know, until it is renewed',
    server: 'cluster',
    renewsTokens: true,
    deed: () => status(401, 'Unauthorized', 'Unauthorized'),
  },
  { name: 'a Terrakube that is down', server: 'terrakube', deed: () => ({ kind: 'reset' }) },
];

describe.concurrent('ten dispatches', () => {
  test.each(faults)('outlast $name', { timeout: 180_000 }, async (fault) => {
    const proxies: Record<'cluster' | 'terrakube', MeddlingProxy> = Object.create(null);
    const told: string[] = [];
    const running = await startRunningStack({
      proxies: async ({ cluster, terrakube }) => {
        proxies.cluster = await startMeddlingProxy(cluster.url, cluster.caPem);
        proxies.terrakube = await startMeddlingProxy(terrakube.url);
        return proxies;
      },
      terrakube: {
        onEvent: ({ kind, text }) => {
          if (kind === 'log' && text?.startsWith('terrakube-dispatcher')) told.push(text);
        },
      },
    });
    try {
      const until = Date.now() + FAULT_MS;
      proxies[fault.server].meddle({ before: (call) => (Date.now() < until ? fault.deed(call) : undefined) });

      const jobs = await completeAll(running);

      expect(jobs).toEqual(
        Array.from({ length: DISPATCHES }, () => ({ jobs: 1, secrets: 1, pods: 1, status: 'completed' })),
      );
      expect(new Set(told)).toEqual(new Set(fault.line === undefined ? [] : [fault.line]));
      expect(told.length).toBeLessThanOrEqual(DISPATCHES);
      const tokens = new Set(proxies.cluster.calls.map(({ authorization }) => authorization));
      expect(tokens.size).toBeGreaterThan(fault.renewsTokens ? 2 : 0);
    } finally {
      await running.stack.close();
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
    }
  });
});

async function completeAll({ stack, kubernetes, startedPods }: RunningStack) {
  const ids = Array.from(
    { length: DISPATCHES },
    () => stack.terrakube.createJob({ steps: [{ type: 'terraformPlan' }] }).jobId,
  );
  await until('all jobs to complete', () => ids.every((id) => stack.terrakube.job(id).status === 'completed'), 150_000);
  return Promise.all(
    ids.map(async (id) => {
      const wanted = { namespace: 'terrakube', labelSelector: `terrakube.io/job=${id}` };
      return {
        jobs: (await kubernetes.batch.listNamespacedJob(wanted)).items.length,
        secrets: (await kubernetes.core.listNamespacedSecret(wanted)).items.length,
        pods: startedPods(id),
        status: stack.terrakube.job(id).status,
      };
    }),
  );
}
