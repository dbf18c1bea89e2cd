import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSqs } from '../../lib/clients/aws/sqs.ts';
import { createEksCluster } from '../../lib/clients/eks-cluster.ts';
import { createJobQueue } from '../../lib/clients/job-queue.ts';
import { createSecretsManagerSecret } from '../../lib/clients/secrets.ts';
import { LOCAL_CREDENTIALS } from '../../local/aws/credentials.ts';
import { NOON } from '../support/builders.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const SERVICES = ['AWS_ENDPOINT_URL_SQS', 'AWS_ENDPOINT_URL_EKS', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'];
let server: ScriptedServer;
beforeAll(async () => {
  const asked = new Set<string>();
  // Silent when it is asked for the first time, then quick to refuse: one time-out is enough to wait for.
  server = await startScriptedServer(({ path, headers }) => {
    const operation = `${path} ${headers['x-amz-target']}`;
    if (asked.has(operation)) return { status: 403, headers: { 'x-amzn-errortype': 'AccessDenied' }, body: {} };
    asked.add(operation);
    return 'silence';
  });
  for (const name of SERVICES) process.env[name] = server.url;
});
afterAll(async () => {
  for (const name of SERVICES) delete process.env[name];
  await server.close();
});

const aws = { region: 'eu-central-1', credentials: async () => LOCAL_CREDENTIALS };
const message = { body: 'x', attributes: {}, groupId: 'org-1' };

describe.concurrent('an AWS API that does not answer', () => {
  test.each<[string, string, string, () => Promise<unknown>]>([
    [
      'SQS',
      'queueUnavailable',
      'SQS does not take the message (AccessDenied).',
      () => createJobQueue(createSqs(aws), `${server.url}/123456789012/jobs`).send(message),
    ],
    [
      'Secrets Manager',
      'secretUnavailable',
      'Secret x cannot be read (AccessDenied).',
      () => createSecretsManagerSecret({ ...aws, secretId: 'x' }).get(NOON),
    ],
    [
      'EKS',
      'clusterUnknown',
      'Cluster apps cannot be described (AccessDenied).',
      () => createEksCluster({ ...aws, clusterName: 'apps' }).get(NOON),
    ],
  ])('is asked once more after four seconds (%s)', async (_, code, text, call) => {
    const startedAt = performance.now();
    expect(await refusedWith(call())).toEqual({ code, message: text });
    const elapsedMs = performance.now() - startedAt;
    expect(elapsedMs).toBeGreaterThan(3900);
    expect(elapsedMs).toBeLessThan(8000);
  });
});

// Bundles hold that folder twice or in a second file: an error of ours made there would not be an instance of ours here.
test('no file of lib/clients/aws makes an error of ours', () => {
  const folder = new URL('../../lib/clients/aws/', import.meta.url);
  const texts = readdirSync(folder).map((file) => [file, readFileSync(new URL(file, folder), 'utf8')] as const);
  expect(texts.length).toBeGreaterThanOrEqual(3);
  expect(texts.filter(([, text]) => /DispatcherError|domain\/errors/.test(text)).map(([file]) => file)).toEqual([]);
});
