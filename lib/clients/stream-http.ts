// Answers that go on for minutes, over node:https, each on a connection of its own: one that is not used for anything else
// may be closed in the middle, and takes no place in the pool of short calls.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import { text } from 'node:stream/consumers';

/** A GET whose answer is a stream. */
export interface StreamCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** PEM text of the certificate authority to trust. */
  readonly caPem: string;
  /** Longest time until the answer begins; for an answer that is none, until its end. */
  readonly timeoutMs: number;
  /** Closes the connection, at any time. */
  readonly signal: AbortSignal;
}

/** The answer's beginning. */
export interface StreamReply {
  readonly kind: 'stream';
  readonly status: number;
  /** By their lower-case names. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** What comes, when the status is 200. */
  readonly stream: IncomingMessage;
  /** The whole body of any other answer; else empty. */
  readonly body: string;
}

/** Opens a stream. Rejects with node's own error (and its `code`) when there is no answer. */
export function openHttpStream({ url, headers, caPem, timeoutMs, signal }: StreamCall): Promise<StreamReply> {
  return new Promise((resolve, reject) => {
    const request = https.get(url, { agent: false, ca: caPem, headers, signal });
    const giveUp = setTimeout(() => {
      request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    const begin = async (stream: IncomingMessage): Promise<void> => {
      const { statusCode: status = 0 } = stream;
      const body = status === 200 ? '' : await text(stream);
      clearTimeout(giveUp);
      resolve({ kind: 'stream', status, headers: stream.headers, stream, body });
    };
    request.on('response', (stream) => void begin(stream).catch(reject));
    request.on('error', reject);
    request.on('close', () => clearTimeout(giveUp));
  });
}
