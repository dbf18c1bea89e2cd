// One message of the job queue, from its reading to its acknowledgement. A message that is not acknowledged comes again
// after a delay, which is set as the very last act: whatever else fails meanwhile, SQS brings it back by itself.

import { readFailure, type WaitCause } from '../domain/create-answer.ts';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { retryDelay } from '../domain/retry-delay.ts';
import { elapsedMs, type Seconds, seconds } from '../domain/time.ts';
import { waitingLine } from '../domain/waiting.ts';
import type { Log, LogFields, MessageHandling } from '../ports.ts';
import { type DispatchDeps, type DispatchResult, dispatchJob } from './dispatch-job.ts';
import { explainWait, keepAlive, type Waiting } from './keep-waiting.ts';

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
    const fields = { ...fieldsOf(message), ...resultFields(result), durationMs };
    if (result.outcome !== 'waiting' && result.outcome !== 'retried') {
      deps.log.info('dispatch settled', fields);
      return 'done';
    }
    const { cause, reason, wait } = result;
    if (cause !== undefined) await waitOn(deps, request, { cause, text: reason });
    return await again(deps, message, wait.exactly ?? growingDelay(deps, message, wait), fields);
  } catch (error) {
    const failure = error instanceof DispatcherError ? readFailure(error.code) : undefined;
    if (failure !== undefined && !('problem' in request)) await waitOn(deps, request, failure);
    const atLeast = error instanceof DispatcherError ? error.retryAfterSeconds : undefined;
    const delay = growingDelay(deps, message, atLeast === undefined ? {} : { atLeast });
    return again(deps, message, delay, { ...fieldsOf(message), outcome: 'retried', ...deps.errorFields(error) });
  }
}

/** Tells the user what is waited for, and Terrakube that somebody waits. When that fails, the message waits all the same. */
async function waitOn(
  deps: SettleDeps,
  { ids, acceptedAt }: Pick<DispatchRequest, 'ids' | 'acceptedAt'>,
  { cause, text }: { readonly cause: WaitCause; readonly text: string },
): Promise<void> {
  const age = elapsedMs(acceptedAt, deps.clock.now());
  const waiting: Waiting = { ids, text, line: waitingLine(cause, text, age), age };
  try {
    await explainWait(deps.terrakube, waiting);
    // A create without an answer may have been done: its executor may be about to speak.
    if (deps.patience.keepAlive && cause !== 'noAnswer') await keepAlive(deps.terrakube, waiting);
  } catch (error) {
    deps.log.warn('waiting not told', { terrakubeJobId: ids.jobId, ...deps.errorFields(error) });
  }
}

async function again(
  deps: SettleDeps,
  { messageId, receiptHandle }: ReceivedMessage,
  delay: Seconds,
  fields: LogFields,
): Promise<'again'> {
  deps.log.info('dispatch settled', { ...fields, delaySeconds: delay });
  try {
    await deps.messages.setDelay(receiptHandle, delay);
  } catch (error) {
    // The message is invisible for a while all the same: it comes again when its visibility time-out ends.
    deps.log.warn('delay not set', { messageId, ...deps.errorFields(error) });
  }
  return 'again';
}

/** A job that is kept alive has to be looked at every half minute; without that, five minutes are soon enough. */
const LONGEST_DELAY = { withKeepAlive: seconds(30), without: seconds(300) } as const;

function growingDelay(
  { random, patience }: SettleDeps,
  { receiveCount }: ReceivedMessage,
  bounds: { readonly atLeast?: Seconds; readonly atMost?: Seconds },
): Seconds {
  const atMost = patience.keepAlive ? LONGEST_DELAY.withKeepAlive : LONGEST_DELAY.without;
  return retryDelay({ receiveCount, jitter: random(), atMost, ...bounds });
}

function fieldsOf({ messageId, request }: ReceivedMessage): LogFields {
  if ('problem' in request) return { messageId };
  return { messageId, terrakubeJobId: request.ids.jobId, stepId: request.ids.stepId };
}

const resultFields = (result: DispatchResult): LogFields =>
  'jobName' in result
    ? { outcome: result.outcome, jobName: result.jobName }
    : { outcome: result.outcome, reason: result.reason };
