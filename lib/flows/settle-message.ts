// One message of the job queue, from its reading to its acknowledgement. A message that is not acknowledged comes again
// after a delay, which is set as the very last act: whatever else fails meanwhile, SQS brings it back by itself.

import { readFailure } from '../domain/create-answer.ts';
import type { DispatchRequest, OversizedRequest } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import { stepSelector } from '../domain/job-name.ts';
import type { MetricValues } from '../domain/metric-names.ts';
import { ATTRIBUTE, isWornOut } from '../domain/queue-message.ts';
import { retryDelay } from '../domain/retry-delay.ts';
import { type DurationMs, durationMs, elapsedMs, isoTime, type Seconds, seconds } from '../domain/time.ts';
import { waitingLine } from '../domain/waiting.ts';
import type { Log, LogFields, MessageHandling, Metrics } from '../ports.ts';
import { type DispatchDeps, type DispatchResult, dispatchJob } from './dispatch-job.ts';
import { explainWait, keepAlive, type Waiting } from './keep-waiting.ts';
import type { Wait, WaitResult } from './start-result.ts';
import { type WatchedJobs, watchJobs } from './watch-jobs.ts';

/** A message as it was received. */
export interface ReceivedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly receiveCount: number;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Reads what the message asks for, or why nobody can read it. */
  readonly read: () => Asked | Unreadable;
}

type Asked = DispatchRequest | OversizedRequest;

interface Unreadable {
  readonly problem: string;
}

/** What settling needs. */
export interface SettleDeps extends DispatchDeps {
  readonly messages: MessageHandling;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Gives numbers from 0 up to 1: spreads messages that failed together. */
  readonly random: () => number;
  /** What may be logged about an error. */
  readonly errorFields: (error: unknown) => LogFields;
}

/** Settles one message. It never throws: a failure is an `again`. */
export async function settleMessage(deps: SettleDeps, message: ReceivedMessage): Promise<'done' | 'again'> {
  const request = readRequest(message);
  return 'problem' in request ? moveAside(deps, message, request) : settle(deps, message, request);
}

/** A message that cannot even be looked at would otherwise fail its whole batch. */
function readRequest({ read }: ReceivedMessage): Asked | Unreadable {
  try {
    return read();
  } catch (error) {
    return { problem: `reading it fails (${error instanceof Error ? error.name : 'unexpected'})` };
  }
}

async function moveAside(
  deps: SettleDeps,
  message: ReceivedMessage,
  { problem }: Unreadable,
): Promise<'done' | 'again'> {
  const { messageId } = message;
  try {
    await deps.messages.sendDeadLetter(message);
    deps.log.error('message moved to the dead-letter queue', { messageId, reason: problem });
    return 'done';
  } catch (error) {
    const fields = { messageId, outcome: 'retried', ...deps.errorFields(error) };
    return again(deps, message, growingDelay(deps, message, {}), fields);
  }
}

async function settle(deps: SettleDeps, message: ReceivedMessage, request: Asked): Promise<'done' | 'again'> {
  const watched = watchJobs(deps.jobs);
  const ids = idFields(message, request);
  try {
    const startedAt = deps.clock.now();
    const result = await dispatchJob({ ...deps, jobs: watched.jobs }, request);
    deps.metrics.put(...resultMetrics(result, elapsedMs(request.acceptedAt, deps.clock.now())));
    const fields = { ...ids, ...resultFields(result), durationMs: elapsedMs(startedAt, deps.clock.now()) };
    if (result.outcome !== 'waiting' && result.outcome !== 'retried') {
      deps.log.info('dispatch settled', fields);
      return 'done';
    }
    const { on, reason, wait } = result;
    if (on !== undefined) await waitOn(deps, watched, request, { ...on, text: reason });
    return await giveBack(deps, message, request, delayOf(deps, message, request, wait), fields);
  } catch (error) {
    const failure = error instanceof DispatcherError ? readFailure(error) : undefined;
    if (failure !== undefined) await waitOn(deps, watched, request, { ...failure, mayRun: false });
    const atLeast = error instanceof DispatcherError ? error.retryAfterSeconds : undefined;
    const delay = growingDelay(deps, message, atLeast === undefined ? {} : { atLeast });
    const faults = deps.errorFields(error);
    deps.metrics.put({ Waiting: 1 }, failure?.cause ?? faults.code);
    const fields = { ...ids, outcome: 'retried', ...faults };
    // What nobody foresaw ends on the dead-letter queue one day.
    return error instanceof DispatcherError
      ? giveBack(deps, message, request, delay, fields)
      : again(deps, message, delay, fields);
  }
}

/** Lets a message wait; one that was delivered too often by a copy, whose age goes on counting. */
async function giveBack(
  deps: SettleDeps,
  message: ReceivedMessage,
  { ids, acceptedAt }: Asked,
  delay: Seconds,
  fields: LogFields,
): Promise<'done' | 'again'> {
  const { body, receiveCount, messageId } = message;
  if (!isWornOut(receiveCount, elapsedMs(acceptedAt, deps.clock.now()))) return again(deps, message, delay, fields);
  try {
    const attributes = { [ATTRIBUTE.acceptedAt]: isoTime(acceptedAt), ...message.attributes };
    await deps.messages.sendAgain({ body, attributes, groupId: ids.organizationId }, delay);
  } catch (error) {
    deps.log.warn('message not sent again', { messageId, ...deps.errorFields(error) });
    return again(deps, message, delay, fields);
  }
  deps.log.info('dispatch settled', { ...fields, delaySeconds: delay });
  return 'done';
}

/** Tells the user what is waited for, and Terrakube that somebody waits. When that fails, the message waits all the same. */
async function waitOn(
  deps: SettleDeps,
  watched: WatchedJobs,
  { ids, acceptedAt }: Pick<DispatchRequest, 'ids' | 'acceptedAt'>,
  { cause, text, mayRun }: Pick<WaitResult, 'cause' | 'text' | 'mayRun'>,
): Promise<void> {
  const age = elapsedMs(acceptedAt, deps.clock.now());
  const waiting: Waiting = { ids, text, line: waitingLine(cause, text, age), age };
  try {
    await explainWait(deps.terrakube, waiting);
    const isQuiet = () => watched.isQuiet(stepSelector(ids, deps.installation));
    if (deps.patience.keepAlive && !mayRun) await keepAlive(deps.terrakube, waiting, isQuiet);
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

/** What is waited for exactly passes within two minutes; what lasts longer is looked at less and less often. */
const EXACT_FOR = durationMs(120_000);

function delayOf(
  deps: SettleDeps,
  message: ReceivedMessage,
  { acceptedAt }: Pick<DispatchRequest, 'acceptedAt'>,
  wait: Wait,
): Seconds {
  const isYoung = elapsedMs(acceptedAt, deps.clock.now()) <= EXACT_FOR;
  return wait.exactly !== undefined && isYoung ? wait.exactly : growingDelay(deps, message, wait);
}

/** A job that is kept alive has to be looked at every half minute; without that, five minutes are soon enough. */
const LONGEST_DELAY = { withKeepAlive: seconds(30), without: seconds(300) } as const;

function growingDelay(
  { random, patience }: SettleDeps,
  { receiveCount }: ReceivedMessage,
  { atLeast, atMost: bound }: Wait,
): Seconds {
  const atMost = patience.keepAlive ? LONGEST_DELAY.withKeepAlive : LONGEST_DELAY.without;
  const least = atLeast === undefined ? {} : { atLeast };
  return retryDelay({ receiveCount, jitter: random(), atMost: bound ?? atMost, ...least });
}

const idFields = ({ messageId }: ReceivedMessage, { ids }: Asked): LogFields => ({
  messageId,
  terrakubeJobId: ids.jobId,
  stepId: ids.stepId,
});

/** What is counted of a result. Each delivery that waits counts, so a step that waits for long counts often. */
function resultMetrics(result: DispatchResult, age: DurationMs): [MetricValues, string?] {
  switch (result.outcome) {
    case 'created':
      return [{ Dispatched: 1, AcceptedToCreatedMs: age }];
    case 'exists':
      return [{ AlreadyDispatched: 1 }];
    case 'skipped':
      return [{ Skipped: 1 }, result.reason];
    case 'refused':
    case 'failed':
      return [{ ToldFailed: 1 }, result.outcome];
    case 'waiting':
    case 'retried':
      return [{ Waiting: 1 }, result.on?.cause ?? 'notCommitted'];
  }
}

const resultFields = (result: DispatchResult): LogFields =>
  'jobName' in result
    ? { outcome: result.outcome, jobName: result.jobName }
    : { outcome: result.outcome, reason: result.reason };
