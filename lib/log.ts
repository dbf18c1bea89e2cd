// The log of every door: one JSON object a line on standard output. What may stand in a line is the type LogFields; a
// value that is not one of them has no way in.
import { Logger } from '@aws-lambda-powertools/logger';
import type { Log, LogFields } from './ports.ts';

/** Creates the log of one function. @param service its short name, such as `dispatch`. */
export function createLog(service: string): Log & { readonly logger: Logger } {
  const logger = new Logger({ serviceName: service });
  const line =
    (level: 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}) =>
      logger[level](message, { ...fields });
  return { logger, info: line('info'), warn: line('warn'), error: line('error') };
}
