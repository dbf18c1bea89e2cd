// What CloudWatch Logs hands to its subscribers: JSON, packed with gzip, as base64.
import { gunzipSync } from 'node:zlib';
import { packedLogs } from '../schemas/job-status-event.ts';

/** A batch unpacks to a few MB at most. More would be a bomb, and the function has 512 MB of memory. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Unpacks the data of an event of CloudWatch Logs; undefined when it is damaged or unpacks to more than 64 MiB.
 *
 * @param data base64 of gzip.
 */
export function gunzipLogs(data: string): string | undefined {
  try {
    return gunzipSync(Buffer.from(data, 'base64'), { maxOutputLength: MAX_BYTES }).toString('utf8');
  } catch {
    return undefined;
  }
}

/** An event of CloudWatch Logs with its text unpacked, as `readJobStatusEvent` takes it; any other event as it is. */
export function unpackLogs(event: unknown): unknown {
  const data = packedLogs(event);
  return data === undefined ? event : { awslogs: { text: gunzipLogs(data) } };
}
