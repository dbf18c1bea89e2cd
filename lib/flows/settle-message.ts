// One message of the job queue, from its reading to its acknowledgement. A message that is not acknowledged comes again
// after a delay, which is set as the very last act: whatever else fails meanwhile, SQS brings it back by itself.
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { retryDelay } from '../domain/retry-delay.ts';
import { elapsedMs, type Seconds } from '../domain/time.ts';
import type { Log, LogFields, MessageHandling } from '../ports.ts';
import { type DispatchDeps, type DispatchResult, dispatchJob } from './dispatch-job.ts';

/** A message as it was received. */
export interface ReceivedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly receiveCount: number;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** What the message asks for, or why nobody can read it. */
  readonly request: DispatchRequest | OversizedRequest | { readonly problem: string };
}

/** What settling needs. */
export interface SettleDeps extends DispatchDeps {
  readonly messages: MessageHandling;
  readonly log: Log;
  /** Gives numbers from 0 up to 1: spreads messages that failed together. */
  readonly random: () => number;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
}

/** Settles one message. It never throws: a failure is an `again`. */
export async function settleMessage(deps: SettleDeps, message: ReceivedMessage): Promise<'done' | 'again'> {
  const { request, messageId } = message;
  try {
    if ('problem' in request) {
      await deps.messages.sendDeadLetter(message);
      deps.log.error('message moved to the dead-letter queue', { messageId, reason: request.problem });
      return 'done';
    }
    const startedAt = deps.clock.now();
    const result = await dispatchJob(deps, request);
    const durationMs = elapsedMs(startedAt, deps.clock.now());
    const delaySeconds = delayOf(deps, message, result);
    const fields = { ...fieldsOf(message), ...resultFields(result), durationMs };
    if (delaySeconds === undefined) {
      deps.log.info('dispatch settled', fields);
      return 'done';
    }
    deps.log.info('dispatch settled', { ...fields, delaySeconds });
    return await again(deps, message, delaySeconds);
  } catch (error) {
    const atLeast = error instanceof DispatcherError ? error.retryAfterSeconds : undefined;
    const delaySeconds = growingDelay(deps, message, atLeast === undefined ? {} : { atLeast });
    deps.log.warn('dispatch settled', {
      ...fieldsOf(message),
      outcome: 'retried',
      ...deps.errorFields(error),
      delaySeconds,
    });
    return again(deps, message, delaySeconds);
  }
}

async function again(deps: SettleDeps, message: ReceivedMessage, delay: Seconds): Promise<'again'> {
  try {
    await deps.messages.setDelay(message.receiptHandle, delay);
  } catch (error) {
    // The message is invisible for a while all the same: it comes again when its visibility time-out ends.
    deps.log.warn('delay not set', { messageId: message.messageId, ...deps.errorFields(error) });
  }
  return 'again';
}

function delayOf(deps: SettleDeps, message: ReceivedMessage, result: DispatchResult): Seconds | undefined {
  if (result.outcome !== 'waiting' && result.outcome !== 'retried') return undefined;
  return result.wait.exactly ?? growingDelay(deps, message, result.wait);
}

const growingDelay = (
  { random }: SettleDeps,
  { receiveCount }: ReceivedMessage,
  bounds: { readonly atLeast?: Seconds; readonly atMost?: Seconds },
): Seconds => retryDelay({ receiveCount, jitter: random(), ...bounds });

function fieldsOf({ messageId, request }: ReceivedMessage): LogFields {
  if ('problem' in request) return { messageId };
  return { messageId, terrakubeJobId: request.ids.jobId, stepId: request.ids.stepId };
}

const resultFields = (result: DispatchResult): LogFields =>
  'jobName' in result
    ? { outcome: result.outcome, jobName: result.jobName }
    : { outcome: result.outcome, reason: result.reason };
