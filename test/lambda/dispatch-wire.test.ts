// What the built dispatch sends for a message that neither waits nor tells: which requests, in which order, over how many
// connections, and that the SDK's file stays where it is. Every request and every handshake is time of each step.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { makeCertificates } from '../../local/cluster/certificates.ts';
import { ids, payload } from '../support/builders.ts';
import { queueEvent } from '../support/queue-event.ts';
import { type Script, type ScriptedServer, type SeenCall, startScriptedServer } from '../support/scripted-server.ts';

const BUNDLE = path.resolve(import.meta.dirname, '../../dist/dispatch/index.cjs');
const opened: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

/** Servers of a cluster and of a Terrakube, and what both were asked, in the order in which it came. */
async function startServers(): Promise<{
  readonly cluster: ScriptedServer;
  readonly terrakube: ScriptedServer;
  readonly caPem: string;
  readonly asked: readonly string[];
  /** How many requests were there when the first answer was given. */
  readonly askedBeforeAnAnswer: () => number | undefined;
}> {
  const certificates = await makeCertificates();
  const asked: string[] = [];
  let before: number | undefined;
  const noted =
    (answer: (call: SeenCall) => object): Script =>
    async (call) => {
      asked.push(`${call.method} ${call.path.split('?')[0]}`);
      // Whoever waits for one answer before the next question is seen to.
      if (before === undefined) await new Promise((resolve) => setTimeout(resolve, 100));
      before ??= asked.length;
      return { status: call.method === 'POST' ? 201 : 200, body: answer(call) };
    };
  const cluster = await startScriptedServer(noted(clusterAnswer), certificates);
  const terrakube = await startScriptedServer(noted(terrakubeAnswer));
  opened.push(cluster, terrakube);
  return { cluster, terrakube, caPem: certificates.caPem, asked, askedBeforeAnAnswer: () => before };
}

function clusterAnswer({ method, body }: SeenCall): object {
  if (method === 'GET') return { kind: 'JobList', apiVersion: 'batch/v1', metadata: {}, items: [] };
  const object: { metadata?: object } = JSON.parse(body);
  return { ...object, metadata: { ...object.metadata, uid: 'uid-of-the-job' } };
}

const terrakubeAnswer = (): object => ({
  data: { type: 'job', id: '17', attributes: { status: 'queue', comments: null } },
  included: [
    { type: 'step', id: ids().stepId, attributes: { status: 'pending', name: 'Plan', stepNumber: 100, output: null } },
  ],
});

interface Handled {
  readonly answers: readonly unknown[];
  readonly files: readonly string[];
}

/** Handles events one after the other in one process. @returns the answers, and the files of the bundle that were loaded. */
async function handle(
  { cluster, terrakube, caPem }: Awaited<ReturnType<typeof startServers>>,
  events: readonly unknown[],
): Promise<Handled> {
  const env = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'example',
    QueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
    DeadLetterQueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/dead',
    TerrakubeApiUrl: terrakube.url,
    InternalSecret: Buffer.from('a secret that is long enough for a key').toString('base64url'),
    EksClusterName: 'main',
    EksEndpoint: cluster.url,
    EksCertificateAuthority: Buffer.from(caPem).toString('base64'),
    ExecutorEphemeralNamespace: 'terrakube',
    ExecutorEphemeralImage: 'azbuilder/executor:2.33.0',
    ExecutorEphemeralSecret: 'terrakube-executor-secrets',
  };
  const script = `
    const { handler } = require(${JSON.stringify(BUNDLE)});
    (async () => {
      const answers = [];
      for (const event of ${JSON.stringify(events)}) answers.push(await handler(event, { awsRequestId: 'request-1' }));
      const files = Object.keys(require.cache).map((file) => require('node:path').basename(file));
      console.log(JSON.stringify({ answers, files }));
      process.exit();
    })();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { env });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

const messageOf = (jobId: string) => ({ body: Buffer.from(payload(ids({ jobId }))).toString('utf8') });
const DONE = { batchItemFailures: [] };
const JOBS = '/apis/batch/v1/namespaces/terrakube/jobs';
const SECRETS = '/api/v1/namespaces/terrakube/secrets';
const jobOf = (jobId: string): string => `/api/v1/organization/${ids().organizationId}/job/${jobId}`;

test('a dispatch asks both worlds side by side, then creates the Job, then its Secret, and the next one the same', async () => {
  const servers = await startServers();

  const { answers } = await handle(servers, [queueEvent(messageOf('17')), queueEvent(messageOf('18'))]);

  expect(answers).toEqual([DONE, DONE]);
  const [first, next] = [servers.asked.slice(0, 4), servers.asked.slice(4)];
  expect([first.slice(0, 2).sort(), first.slice(2)]).toEqual([
    [`GET ${jobOf('17')}`, `GET ${JOBS}`],
    [`POST ${JOBS}`, `POST ${SECRETS}`],
  ]);
  expect([next.slice(0, 2).sort(), next.slice(2)]).toEqual([
    [`GET ${jobOf('18')}`, `GET ${JOBS}`],
    [`POST ${JOBS}`, `POST ${SECRETS}`],
  ]);
  expect(servers.askedBeforeAnAnswer()).toBe(2);
});

test('a cold dispatch opens one connection to each host, and a warm one none', async () => {
  const servers = await startServers();

  await handle(servers, [queueEvent(messageOf('17'))]);
  expect([servers.cluster.connections, servers.terrakube.connections]).toEqual([1, 1]);

  await handle(servers, [queueEvent(messageOf('17')), queueEvent(messageOf('18')), queueEvent(messageOf('19'))]);
  expect([servers.cluster.connections, servers.terrakube.connections]).toEqual([2, 2]);
});

test('a batch of ten makes at most eight handshakes with the cluster, and four requests for each message', async () => {
  const servers = await startServers();
  const messages = Array.from({ length: 10 }, (_, index) => messageOf(String(100 + index)));

  const { answers } = await handle(servers, [queueEvent(...messages)]);

  expect(answers).toEqual([DONE]);
  expect(servers.asked.length).toBe(40);
  expect(servers.cluster.connections).toBeGreaterThan(1);
  expect(servers.cluster.connections).toBeLessThanOrEqual(8);
});

test('the file of the SDK is not loaded where address and secret are in the settings and nothing waits', async () => {
  const { files } = await handle(await startServers(), [queueEvent(messageOf('17'))]);

  expect(files).toEqual(['index.cjs']);
});
