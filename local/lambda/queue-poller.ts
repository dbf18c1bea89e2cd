/**
 * Lambda's event source mapping for SQS: long polls, hands batches to the function, and deletes what it did not report
 * as failed. A failed message is left alone: it comes back when its visibility timeout ends (which the function may
 * have changed).
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { LOCAL_REGION } from '../aws/credentials.ts';
import type { InvokeResult } from './sandbox.ts';

/** How the mapping is set up; the names are those of the event in template.yaml. */
export interface QueuePollerOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly queueArn: string;
  /** Invokes the function. */
  readonly invoke: (event: unknown) => Promise<InvokeResult>;
  /** 1 to 10. */
  readonly batchSize: number;
  /** How many batches may be worked on at the same time. */
  readonly maximumConcurrency: number;
  readonly reportBatchItemFailures: boolean;
  /** Length of one long poll. Default is 20 (20 s), the longest there is. */
  readonly waitTimeSeconds?: number;
  /** Told when the queue cannot be reached; polling goes on. Default is to say nothing. */
  readonly onError?: (error: unknown) => void;
}

/** A mapping that is polling. */
export interface QueuePoller {
  /** Stops polling and waits for the batches that are being worked on. */
  close(): Promise<void>;
}

const PAUSE_AFTER_ERROR_MS = 200;

/** Starts to poll. */
export function startQueuePoller(options: QueuePollerOptions): QueuePoller {
  const stop = new AbortController();
  const workers = Array.from({ length: options.maximumConcurrency }, () => poll(options, stop.signal));
  return {
    close: async () => {
      stop.abort();
      await Promise.all(workers);
    },
  };
}

async function poll(options: QueuePollerOptions, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      const messages = await receive(options, stop);
      if (messages.length > 0) {
        await work(options, messages);
      }
    } catch (error) {
      if (!stop.aborted) {
        options.onError?.(error);
        await sleep(PAUSE_AFTER_ERROR_MS);
      }
    }
  }
}

async function receive(options: QueuePollerOptions, stop: AbortSignal): Promise<readonly Message[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: options.queueUrl,
    MaxNumberOfMessages: options.batchSize,
    WaitTimeSeconds: options.waitTimeSeconds ?? 20,
    MessageSystemAttributeNames: ['All'],
    MessageAttributeNames: ['All'],
  });
  const { Messages: messages } = await options.client.send(command, { abortSignal: stop });
  return messages ?? [];
}

async function work(options: QueuePollerOptions, messages: readonly Message[]): Promise<void> {
  const result = await options.invoke({ Records: messages.map((message) => sqsRecord(message, options.queueArn)) });
  const failed = failedIds(result, messages, options.reportBatchItemFailures);
  const done = messages.filter(({ MessageId: id }) => id !== undefined && !failed.has(id));
  if (done.length > 0) {
    const entries = done.map(({ ReceiptHandle: handle }, index) => ({ Id: String(index), ReceiptHandle: handle }));
    await options.client.send(new DeleteMessageBatchCommand({ QueueUrl: options.queueUrl, Entries: entries }));
  }
}

/** An absent list, an absent answer and an empty list all mean success. */
const BatchAnswer = v.nullish(
  v.object({ batchItemFailures: v.nullish(v.array(v.object({ itemIdentifier: v.pipe(v.string(), v.minLength(1)) }))) }),
);

/** Which messages failed. An answer that cannot be read, or an identifier that is not in the batch: all of them. */
function failedIds(result: InvokeResult, messages: readonly Message[], reports: boolean): ReadonlySet<string> {
  const all = new Set(messages.flatMap(({ MessageId: id }) => id ?? []));
  if (result.status !== 200 || result.functionError !== undefined) {
    return all;
  }
  if (!reports) {
    return new Set();
  }
  const answer = v.safeParse(v.pipe(v.string(), v.parseJson(), BatchAnswer), result.payload);
  if (!answer.success) {
    return all;
  }
  const failed = new Set(answer.output?.batchItemFailures?.map(({ itemIdentifier }) => itemIdentifier));
  return [...failed].every((id) => all.has(id)) ? failed : all;
}

function sqsRecord(message: Message, queueArn: string): object {
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, attribute]) => [
    name,
    {
      ...(attribute.StringValue !== undefined && { stringValue: attribute.StringValue }),
      ...(attribute.BinaryValue && { binaryValue: Buffer.from(attribute.BinaryValue).toString('base64') }),
      stringListValues: [],
      binaryListValues: [],
      dataType: attribute.DataType,
    },
  ]);
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(attributes),
    ...(message.MD5OfMessageAttributes !== undefined && { md5OfMessageAttributes: message.MD5OfMessageAttributes }),
    md5OfBody: message.MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: queueArn.split(':')[3] ?? LOCAL_REGION,
  };
}
