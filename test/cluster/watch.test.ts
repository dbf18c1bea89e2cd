// The reconciler's watch on a real API server, while things happen to it that happen to watches: after each, a change of a Job's
// status is seen within the stated time.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { jobName } from '../../lib/domain/job-name.ts';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { type ControlPlane, startControlPlane } from '../../local/control-plane/control-plane.ts';
import type { JsonObject } from '../../local/json.ts';
import { INSTALLATION, ids, kubernetesJob } from '../support/builders.ts';
import { type ClusterClient, createClusterClient } from '../support/cluster-client.ts';
import { mergePatchType } from '../support/cluster-context.ts';
import { until } from '../support/running-stack.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { startWatching, type Watch, type Watched } from '../support/watching.ts';

/** A busy machine takes its time; what is not seen by itself is seen when the stream ends, after 20 s. */
const AT_ONCE_MS = 10_000;
/** A stream is not trusted for longer than 20 s, and its end is waited for 3 s more. */
const STREAM_LASTS_MS = 23_000;
const FROZEN_MS = Number(process.env['FROZEN_MS'] ?? 8000);

const namespace = 'terrakube';
const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
const NAME = jobName(ids(), INSTALLATION, 1);

let controlPlane: ControlPlane;
let client: ClusterClient;
beforeAll(async () => {
  // What is older than a few seconds is forgotten.
  const flags = ['--etcd-compaction-interval=2s'];
  controlPlane = await startControlPlane({ programs: await buildControlPlane(), flags });
  const { url, caPem, tokens } = controlPlane;
  client = createClusterClient({ url, caPem, token: tokens.admin });
  const job: JsonObject = JSON.parse(JSON.stringify(kubernetesJob()));
  const { name, labels, annotations } = JSON.parse(JSON.stringify(job['metadata']));
  const spec = { ...JSON.parse(JSON.stringify(job['spec'])), managedBy: 'tests.example.com/nobody' };
  await done('POST', jobs, { ...job, metadata: { name, labels, annotations }, spec });
  await setReady(0);
}, 120_000);
afterAll(async () => {
  client?.close();
  await controlPlane?.stop();
});

async function done(method: string, path: string, body: JsonObject): Promise<void> {
  const contentType = method === 'PATCH' ? mergePatchType : 'application/json';
  const answer = await client.send(method, path, { body, contentType });
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}
const startTime = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
const setReady = (ready: number) =>
  done('PATCH', `${jobs}/${NAME}/status`, { status: { startTime, active: 1, ready } });

interface Seen {
  readonly url: string;
  readonly rings: number[];
}

async function toggle(): Promise<void> {
  const { body } = await client.send('GET', `${jobs}/${NAME}`);
  await setReady(JSON.stringify(body).includes('"ready":1') ? 0 : 1);
}

/** Changes the status, and says after how many milliseconds that was seen. */
async function seenAfter({ rings }: Pick<Seen, 'rings'>, limitMs: number): Promise<number> {
  const before = rings.length;
  await toggle();
  const changedAt = performance.now();
  await until('the change to be seen', () => rings.length > before, limitMs);
  return Math.round(performance.now() - changedAt);
}

describe('a watch', { timeout: 120_000 }, () => {
  let proxy: TcpProxy;
  const watched = (url: string): Watched => ({
    url,
    caPem: controlPlane.caPem,
    token: controlPlane.tokens.admin,
    namespace,
  });
  beforeEach(async () => {
    proxy = await startTcpProxy(controlPlane.url);
    return () => proxy.close();
  });
  /** Watches through the proxy during a test. */
  async function watching(test: (rings: number[], watch: Watch) => Promise<void>): Promise<void> {
    const rings: number[] = [];
    const watch = await startWatching(watched(proxy.url), (name) => name === NAME && rings.push(performance.now()));
    try {
      expect(await seenAfter({ rings }, AT_ONCE_MS)).toBeLessThan(AT_ONCE_MS);
      await test(rings, watch);
    } finally {
      watch.stop();
    }
  }

  test('sees a change at once after its connection was broken', () =>
    watching(async (rings) => {
      proxy.cut();
      await pause(1500);
      proxy.mend();
      report('after a broken connection', await seenAfter({ rings }, AT_ONCE_MS));
    }));

  test('sees what has changed while it could not', () =>
    watching(async (rings) => {
      proxy.cut();
      await pause(200);
      const seen = seenAfter({ rings }, AT_ONCE_MS + 2000);
      await pause(2000);
      proxy.mend();
      report('in spite of 2 s without connections', await seen);
    }));

  test('sees a change within 23 s when its connection is dead without a word', () =>
    watching(async (rings) => {
      proxy.silence();
      report('over a dead connection', await seenAfter({ rings }, STREAM_LASTS_MS + AT_ONCE_MS));
    }));

  test('sees a change after a restart of the API server', () =>
    watching(async (rings) => {
      await controlPlane.restart();
      report('after a restart', await seenAfter({ rings }, AT_ONCE_MS));
    }));

  test('lists anew when the API server has forgotten from where on', () =>
    watching(async (rings, watch) => {
      proxy.cut();
      await toggle();
      // Other changes move the version on; etcd forgets the old ones, and the restart empties the API server's memory.
      for (let i = 0; i < 20; i += 1) {
        await done('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
          ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'other-' } },
        });
      }
      await pause(6000);
      await controlPlane.restart();
      const before = rings.length;
      expect(watch.lists()).toBe(1);
      const mendedAt = performance.now();
      proxy.mend();
      await until('the change to be seen', () => rings.length > before, AT_ONCE_MS);
      report('after 410 Gone', Math.round(performance.now() - mendedAt));
      expect(watch.lists()).toBe(2);
      expect(await seenAfter({ rings }, AT_ONCE_MS)).toBeLessThan(AT_ONCE_MS);
    }));

  test(`sees a change at once after its process was frozen for ${FROZEN_MS} ms`, {
    timeout: FROZEN_MS + 60_000,
  }, async () => {
    const rings: number[] = [];
    const child = await startProcess(watched(controlPlane.url), rings);
    try {
      await seenAfter({ rings }, AT_ONCE_MS);
      child.kill('SIGSTOP');
      await pause(FROZEN_MS);
      const before = rings.length;
      const seen = seenAfter({ rings }, AT_ONCE_MS + 5000);
      await pause(500);
      expect(rings.length).toBe(before);
      const thawedAt = performance.now();
      child.kill('SIGCONT');
      await seen;
      report('after the thaw', Math.round((rings.at(-1) ?? 0) - thawedAt));
      expect((rings.at(-1) ?? 0) - thawedAt).toBeLessThan(AT_ONCE_MS);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

async function startProcess(watched: Watched, rings: number[]): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('../support/watching-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(watched)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const started = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'watching') started.resolve();
    else if (line === NAME) rings.push(performance.now());
  });
  child.once('exit', () => started.reject(new Error('The watching process has ended.')));
  await started.promise;
  return child;
}

function report(when: string, ms: number): void {
  console.info(`seen ${when}: ${ms} ms`);
}
