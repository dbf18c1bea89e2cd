// What every door shares: middy, the log, and an answer to errors that nobody expected.
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { DispatcherError } from './domain/errors.ts';
import { createLog } from './log.ts';
import type { Log, LogFields } from './ports.ts';

/** What a door does with one event. */
export type Handle<Result> = (event: unknown, log: Log) => Promise<Result>;

/** A Lambda handler. */
export type Handler<Result> = (event: unknown, context: Context) => Promise<Result>;

/**
 * Makes a handler: logs carry the request's id, and an error is logged once, without its message when it is not ours,
 * before Lambda sees it.
 *
 * @param service short name of the function, such as `dispatch`.
 * @param warnings what people should know about the settings; written once a sandbox, at its start.
 */
export function createDoor<Result>(
  service: string,
  handle: Handle<Result>,
  warnings: readonly string[] = [],
): Handler<Result> {
  const log = createLog(service);
  for (const warning of warnings) log.warn(warning);
  // Not with Powertools' own middleware, which can log the event: it holds the payload and the token.
  return middy<unknown, Result, Error, Context>()
    .before(({ context }) => log.logger.addContext(context))
    .use({ onError: ({ error }) => log.error('invocation failed', errorFields(error)) })
    .handler((event) => handle(event, log));
}

/** What may be logged about an error: of a foreign one only its name and where it came from, for its message may quote. */
export function errorFields(error: unknown): LogFields {
  if (error instanceof DispatcherError) {
    return { code: error.code, reason: error.message, ...(error.status === undefined ? {} : { status: error.status }) };
  }
  if (!(error instanceof Error)) return { code: 'unexpected' };
  // The message is cut out first: one of its lines may look like a place.
  const lines = error.stack?.replace(error.message, () => '').split('\n') ?? [];
  const frames = lines.filter((line) => line.trimStart().startsWith('at '));
  return { code: 'unexpected', reason: error.name, stack: frames.slice(0, 8).join('\n') };
}
