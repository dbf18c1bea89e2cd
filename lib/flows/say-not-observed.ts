// The line about a look that failed, for everybody who looks at Jobs.
import type { Log, LogFields } from '../ports.ts';

/**
 * Logs that a Job, or a step without one, could not be observed. When others change it faster than we look, that is a
 * warning: they do what is to be done, and each of their changes rings again.
 *
 * @param jobName empty when there is no Job
 * @param fields what may be logged about the error
 */
export function sayNotObserved(log: Log, jobName: string, fields: LogFields): void {
  const level = fields.code === 'jobChanging' ? 'warn' : 'error';
  log[level]('job not observed', { ...(jobName && { jobName }), ...fields });
}
