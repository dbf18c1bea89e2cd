// The SQS calls of this project, over the AWS SDK. Intake has this file in its main bundle, since it sends with every
// invocation; dispatch loads it only for a message that has to wait.
import {
  ChangeMessageVisibilityCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
  SQSServiceException,
} from '@aws-sdk/client-sqs';
import type { SendAnswer } from '../../ports.ts';
import type { AwsCredentials } from '../aws-credentials.ts';
import { CALL_LIMITS } from './call-limits.ts';

/** The calls, on one connection pool. Both throw the SDK's errors. */
export interface Sqs {
  /** IAM: `sqs:SendMessage`; with a KMS key also `kms:GenerateDataKey` and `kms:Decrypt`. */
  send(input: SendMessageCommandInput): Promise<SendAnswer>;
  /** IAM: `sqs:ChangeMessageVisibility`. */
  changeVisibility(queueUrl: string, receiptHandle: string, seconds: number): Promise<void>;
}

/** Options of {@link createSqs}. */
export interface SqsOptions {
  readonly region: string;
  /** Called for each request; its answer is the role's current keys. */
  readonly credentials: () => Promise<AwsCredentials>;
}

/** Refusals that are about this message's content. Some of SQS' names have a prefix, `AWS.SimpleQueueService.`. */
const CONTENT_REFUSED = /(^|\.)(InvalidMessageContents|InvalidParameterValue|InvalidAttributeValue)$/;
/** The name for a message that is too long is InvalidParameterValue; only its text tells. */
const TOO_LARGE = /must be shorter than|too long|maximum message size/i;

/** Creates the SQS calls. */
export function createSqs({ region, credentials }: SqsOptions): Sqs {
  const client = new SQSClient({ region, credentials, ...CALL_LIMITS });
  return {
    async send(input) {
      try {
        await client.send(new SendMessageCommand(input));
        return 'sent';
      } catch (error) {
        if (error instanceof SQSServiceException && CONTENT_REFUSED.test(error.name)) {
          return TOO_LARGE.test(error.message) ? 'tooLarge' : 'contentRefused';
        }
        throw error;
      }
    },
    async changeVisibility(QueueUrl, ReceiptHandle, VisibilityTimeout) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));
    },
  };
}
