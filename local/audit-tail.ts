// The subscription of CloudWatch Logs on a cluster's audit log: what the API server writes is read as it comes, filtered,
// and handed on in batches. Like an asynchronous invocation of Lambda, a batch that fails comes again, twice. It leaves out
// what CloudWatch does with lines over 256 KB.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** A batch as a subscriber of CloudWatch Logs gets it: `data` is base64 of gzip of JSON. */
export interface LogsBatch {
  readonly awslogs: { readonly data: string };
}

/** What is read, and who gets it. */
export interface AuditTailOptions {
  /** The API server's log: one JSON text for each line. */
  readonly file: string;
  /** The subscription's filter; without it every line passes. */
  passes?(line: string): boolean;
  /** Gets each batch; a rejection brings it again. Batches do not wait for each other. */
  invoke(batch: LogsBatch): Promise<void>;
  /** Between two reads. Default is 50 ms; CloudWatch Logs takes seconds. Infinity reads at each {@link AuditTail.flush}. */
  readonly everyMs?: number;
  /** Between two attempts. Default is one second; Lambda waits a minute and then two. */
  readonly retryMs?: number;
}

/** A tail. */
export interface AuditTail {
  /** Reads what there is and hands it on, as one batch with what was left before. */
  flush(): Promise<void>;
  /** Ends the reading and waits for batches under way. */
  close(): Promise<void>;
}

const ATTEMPTS = 3;
const CHUNK_BYTES = 256 * 1024;

/** Starts at the end of the file: what happened before is not told. @throws Error when there is no such file. */
export async function startAuditTail(options: AuditTailOptions): Promise<AuditTail> {
  const { file, passes = () => true, everyMs = 50 } = options;
  const reader = await openAtEnd(file);
  const underWay = new Set<Promise<void>>();
  const state = { closed: false, batches: 0 };
  const handOn = (lines: readonly string[]): void => {
    const passing = lines.filter(passes);
    if (passing.length === 0) return;
    state.batches += 1;
    const work = deliver(options, logsBatch(passing, state.batches), () => state.closed);
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };
  let turn = Promise.resolve();
  const flush = (): Promise<void> => {
    turn = turn.then(async () => handOn(await reader.lines()));
    return turn;
  };
  const timer = Number.isFinite(everyMs) ? setInterval(() => void flush(), everyMs) : undefined;
  return {
    flush,
    async close() {
      clearInterval(timer);
      state.closed = true;
      await turn;
      await reader.close();
      await Promise.all(underWay);
    },
  };
}

async function deliver(options: AuditTailOptions, batch: LogsBatch, isClosed: () => boolean): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS && !isClosed(); attempt += 1) {
    if (attempt > 1) await pause(options.retryMs ?? 1000);
    try {
      return await options.invoke(batch);
    } catch {
      // What went wrong is in the log of whoever was invoked.
    }
  }
}

/** Packs lines as CloudWatch Logs does. @param number sets the ids of the lines apart from those of other batches. */
function logsBatch(lines: readonly string[], number: number): LogsBatch {
  const text = JSON.stringify({
    messageType: 'DATA_MESSAGE',
    owner: '123456789012',
    logGroup: '/aws/eks/local/cluster',
    logStream: 'kube-apiserver-audit-0123456789abcdef0123456789abcdef',
    subscriptionFilters: ['local'],
    logEvents: lines.map((message, index) => ({ id: `${number}-${index}`, timestamp: Date.now(), message })),
  });
  return { awslogs: { data: gzipSync(text).toString('base64') } };
}

interface Reader {
  /** The lines that have been written since the last call, without one that is not at its end yet. */
  lines(): Promise<readonly string[]>;
  close(): Promise<void>;
}

async function openAtEnd(file: string): Promise<Reader> {
  let handle = await open(file);
  let offset = (await handle.stat()).size;
  let rest = Buffer.alloc(0);
  // One for all reads: a new one for each would keep the garbage collector busy.
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const read = async (): Promise<void> => {
    for (let bytes = await readAt(handle, chunk, offset); bytes > 0; bytes = await readAt(handle, chunk, offset)) {
      rest = Buffer.concat([rest, chunk.subarray(0, bytes)]);
      offset += bytes;
    }
  };
  return {
    async lines() {
      const { ino } = await handle.stat();
      const now = await stat(file).catch(() => undefined);
      await read();
      // A log that has become too large was renamed, and a new one begun.
      if (now !== undefined && now.ino !== ino) {
        await handle.close();
        handle = await open(file);
        offset = 0;
        await read();
      }
      const end = rest.lastIndexOf('\n') + 1;
      const lines = rest.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
      rest = rest.subarray(end);
      return lines;
    },
    close: () => handle.close(),
  };
}

const readAt = async (handle: FileHandle, chunk: Buffer, position: number): Promise<number> =>
  (await handle.read(chunk, 0, chunk.length, position)).bytesRead;
