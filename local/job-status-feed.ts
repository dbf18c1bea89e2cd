// A watcher as a user may have one: each change of a Job, Pod or Event goes to job-status as an event of EventBridge, one
// at a time for each object. Like Lambda's asynchronous invocation it tries three times; one that finds no room is no
// attempt.
import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterChange } from './cluster/cluster.ts';
import type { InvokeResult } from './lambda/sandbox.ts';

/** The feed. */
export interface JobStatusFeed {
  ring(change: ClusterChange): void;
  /** Waits for what is under way; what waits behind it is dropped. */
  close(): Promise<void>;
}

/** How the feed works. */
export interface JobStatusFeedOptions {
  /** Invokes job-status. */
  invoke(event: unknown): Promise<InvokeResult>;
  /** Between two attempts; Lambda waits a minute, people in front of a terminal do not. */
  readonly retryMs?: number;
}

const KINDS = new Set(['Job', 'Pod', 'Event']);
const ATTEMPTS = 3;
/** Lambda keeps such an event for hours. */
const THROTTLED = 429;

/** Starts a feed. */
export function startJobStatusFeed({ invoke, retryMs = 1000 }: JobStatusFeedOptions): JobStatusFeed {
  const waiting = new Map<string, unknown>();
  const working = new Map<string, Promise<void>>();
  let isClosed = false;
  const deliver = async (key: string): Promise<void> => {
    for (let event = take(waiting, key); event !== undefined && !isClosed; event = take(waiting, key)) {
      for (let attempt = 1; attempt <= ATTEMPTS && !isClosed; ) {
        const { status, functionError } = await invoke(event);
        if (status === 200 && functionError === undefined) break;
        if (status !== THROTTLED) attempt += 1;
        await pause(retryMs);
      }
    }
    working.delete(key);
  };
  return {
    ring({ object }) {
      const { kind, metadata } = object;
      if (isClosed || typeof kind !== 'string' || !KINDS.has(kind)) return;
      const key = `${kind} ${metadata.name}`;
      waiting.set(key, { source: 'terrakube.executor', 'detail-type': 'Kubernetes Job', detail: object });
      if (!working.has(key)) working.set(key, deliver(key));
    },
    async close() {
      isClosed = true;
      await Promise.all(working.values());
    },
  };
}

function take(waiting: Map<string, unknown>, key: string): unknown {
  const event = waiting.get(key);
  waiting.delete(key);
  return event;
}
