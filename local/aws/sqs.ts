/**
 * SQS on this machine: fauxqs inside this process, with the queues of template.yaml. It keeps what SQS keeps (limits,
 * visibility, receive counts, dead letters); it has no fair queues, so `MessageGroupId` is taken and forgotten.
 */
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import type { QueueSpec } from '../lambda/read-template.ts';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from './credentials.ts';

/** A queue that exists. */
export interface LocalQueue {
  readonly url: string;
  readonly arn: string;
  readonly name: string;
}

/** SQS with its queues. */
export interface LocalQueues {
  /** For `AWS_ENDPOINT_URL_SQS`. */
  readonly endpoint: string;
  /** The queues by logical id. */
  readonly queues: Readonly<Record<string, LocalQueue>>;
  /** A client for tests and for the poller. */
  readonly client: SQSClient;
  /** What the queues answer to `Ref` and `Fn::GetAtt`, for the reader of the template. */
  readonly attributes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  close(): Promise<void>;
}

/** Starts SQS on 127.0.0.1 and creates the queues; 0 (the default) takes a free port. */
export async function startQueues(specs: readonly QueueSpec[], port = 0): Promise<LocalQueues> {
  // Not fauxqs' own start function: that one listens on every network interface.
  const app = buildApp({ logger: false, defaultRegion: LOCAL_REGION });
  const endpoint = await app.listen({ port, host: '127.0.0.1' });
  const client = new SQSClient({ endpoint, region: LOCAL_REGION, credentials: LOCAL_CREDENTIALS });
  const close = async () => {
    client.destroy();
    await app.close();
  };
  try {
    const queues = await createQueues(client, endpoint, specs);
    const attributes = Object.entries(queues).map(([logicalId, { url, arn, name }]) => [
      logicalId,
      { Ref: url, Arn: arn, QueueName: name, QueueUrl: url },
    ]);
    return { endpoint, queues, client, attributes: Object.fromEntries(attributes), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function createQueues(
  client: SQSClient,
  endpoint: string,
  specs: readonly QueueSpec[],
): Promise<Record<string, LocalQueue>> {
  const queues: Record<string, LocalQueue> = {};
  // Dead-letter queues first: the others name their ARN.
  for (const spec of specs.toSorted(
    (a, b) => Number(a.deadLetters !== undefined) - Number(b.deadLetters !== undefined),
  )) {
    const created = await client.send(
      new CreateQueueCommand({ QueueName: spec.name, Attributes: attributesOf(spec, queues) }),
    );
    // fauxqs names a host of its own, sqs.<region>.…, which does not resolve everywhere.
    const url = `${endpoint}${new URL(created.QueueUrl ?? endpoint).pathname}`;
    const read = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
    queues[spec.logicalId] = { url, arn: read.Attributes?.['QueueArn'] ?? '', name: spec.name };
  }
  return queues;
}

function attributesOf(spec: QueueSpec, queues: Readonly<Record<string, LocalQueue>>): Record<string, string> {
  const { deadLetters } = spec;
  const deadLetterTargetArn = deadLetters && queues[deadLetters.queue]?.arn;
  return {
    VisibilityTimeout: String(spec.visibilityTimeoutSeconds),
    MaximumMessageSize: String(spec.maximumMessageBytes),
    MessageRetentionPeriod: String(spec.retentionSeconds),
    ...(deadLetters && {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: deadLetters.maxReceiveCount }),
    }),
  };
}
