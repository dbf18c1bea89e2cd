// How many dead letters there are, without receiving them: whoever receives one hides it from the others.
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { CALL_LIMITS } from '../lib/clients/aws/call-limits.ts';
import { faultName } from '../lib/clients/aws-fault.ts';
import type { AwsSettings } from '../lib/config.ts';
import { DispatcherError } from '../lib/domain/errors.ts';

/**
 * Counts the dead letters, also those that somebody looks at just now. SQS counts approximately.
 *
 * IAM: `sqs:GetQueueAttributes` on the dead-letter queue.
 * @throws DispatcherError `queueUnavailable`
 */
export async function countDeadLetters({ region, credentials }: AwsSettings, queueUrl: string): Promise<number> {
  const client = new SQSClient({ region, credentials, ...CALL_LIMITS });
  try {
    const { Attributes: attributes = {} } = await client.send(
      new GetQueueAttributesCommand({
        QueueUrl: queueUrl,
        AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
      }),
    );
    const { ApproximateNumberOfMessages: visible, ApproximateNumberOfMessagesNotVisible: hidden } = attributes;
    return Number(visible ?? 0) + Number(hidden ?? 0);
  } catch (cause) {
    throw new DispatcherError('queueUnavailable', `SQS does not count the dead letters (${faultName(cause)}).`, {
      cause,
    });
  } finally {
    client.destroy();
  }
}
