// The event source mappings of the template: a poller for each queue that invokes a function.
import type { LocalQueues } from '../aws/sqs.ts';
import { type QueuePoller, startQueuePoller } from './queue-poller.ts';
import type { FunctionSpec } from './read-template.ts';
import type { LambdaRuntime } from './runtime.ts';

/** Starts the pollers of all functions. @throws Error when the template names a queue that it does not have. */
export function startPollers(
  functions: readonly FunctionSpec[],
  queues: LocalQueues,
  lambda: LambdaRuntime,
): readonly QueuePoller[] {
  return functions.flatMap(({ name, events }) =>
    events.flatMap((event) => {
      if (event.kind !== 'sqs') return [];
      const queue = queues.queues[event.queue];
      if (!queue) throw new Error(`template.yaml has no queue ${event.queue}`);
      return [
        startQueuePoller({
          client: queues.client,
          queueUrl: queue.url,
          queueArn: queue.arn,
          invoke: (batch) => lambda.invoke(name, batch),
          batchSize: event.batchSize,
          maximumConcurrency: event.maximumConcurrency ?? 2,
          reportBatchItemFailures: event.reportBatchItemFailures,
        }),
      ];
    }),
  );
}
