// Job event → Kubernetes Job. Messages of the job queue are settled side by side; the ones that must come again are named
// in a partial batch answer.
import type { SQSBatchResponse } from 'aws-lambda';
import { createEksSignIn } from '../lib/clients/eks-sign-in.ts';
import { createMessageHandling } from '../lib/clients/job-queue.ts';
import { createKubernetesJobs } from '../lib/clients/kubernetes-jobs.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakubeApi } from '../lib/clients/terrakube-api.ts';
import { loadDispatchConfig } from '../lib/config.ts';
import { createDoor, errorFields, type Handle, type Handler } from '../lib/door.ts';
import { settleMessage } from '../lib/flows/settle-message.ts';
import { createMetrics } from '../lib/metrics.ts';
import { parseDispatchMessage, parseQueueEvent } from '../lib/schemas/queue-record.ts';

const config = loadDispatchConfig(process.env);
const { aws, executor, terrakubeApiUrl: apiUrl } = config;
const clock = createSystemClock();
const { now } = clock;
const credentials = () => Promise.resolve(aws.credentials);
// The SDK is in a file of its own: most batches neither wait nor move a message aside.
const loadSqs = async () => (await import('../lib/clients/aws/sqs.ts')).createSqs({ region: aws.region, credentials });
const deps = {
  ...config,
  clock,
  errorFields,
  metrics: createMetrics({ installation: process.env['MetricsInstallation'], clock }),
  random: Math.random,
  jobs: createKubernetesJobs({ ...createEksSignIn(config), namespace: executor.namespace, now }),
  terrakube: createTerrakubeApi({ apiUrl, secret: createSecret(config.internalSecret, aws), now }),
  messages: createMessageHandling(loadSqs, config),
};
const warnings =
  executor.transport === 'env' ? ['payloads stand in the audit log of the cluster: PayloadTransport is env'] : [];

/** Settles the messages of a batch side by side; only the ones that must come again are named. */
const handle: Handle<SQSBatchResponse> = async (event, log) => {
  const settled = await Promise.all(
    parseQueueEvent(event).map(async (record) => {
      const result = await settleMessage({ ...deps, log }, { ...record, read: () => parseDispatchMessage(record) });
      return result === 'again' ? [{ itemIdentifier: record.messageId }] : [];
    }),
  );
  return { batchItemFailures: settled.flat() };
};

/** The handler that template.yaml names. */
export const handler: Handler<SQSBatchResponse> = createDoor('dispatch', handle, warnings);
