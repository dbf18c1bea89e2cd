// A log that keeps its lines.
import type { Log, LogFields } from '../../lib/ports.ts';

/** One line. */
export interface LogLine extends LogFields {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
}

/** A log for tests. */
export interface InMemoryLog extends Log {
  readonly lines: readonly LogLine[];
}

/** Creates a log. */
export function createInMemoryLog(): InMemoryLog {
  const lines: LogLine[] = [];
  const line = (level: LogLine['level']) => (message: string, fields?: LogFields) => {
    lines.push({ level, message, ...fields });
  };
  return { lines, info: line('info'), warn: line('warn'), error: line('error') };
}
