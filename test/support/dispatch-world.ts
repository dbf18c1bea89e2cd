// Everything around dispatch in memory: a Terrakube with one waiting step, an empty cluster, and a queue that delivers
// messages as often as a test wants.

import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { messageWays } from '../../lib/domain/queue-message.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import type { EpochMs } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { type ReceivedMessage, type SettleDeps, settleMessage } from '../../lib/flows/settle-message.ts';
import { parseDispatchMessage } from '../../lib/schemas/queue-record.ts';
import { executorSettings, INSTALLATION, ids, NOON, patience, payload, terrakubeJob } from './builders.ts';
import { createInMemoryClock, type InMemoryClock } from './in-memory-clock.ts';
import { createInMemoryJobStore, type InMemoryJobStore } from './in-memory-job-store.ts';
import { createInMemoryLog, type InMemoryLog } from './in-memory-log.ts';
import { createInMemoryMetrics, type InMemoryMetrics } from './in-memory-metrics.ts';
import { createInMemoryMessageHandling, type InMemoryMessageHandling } from './in-memory-queue.ts';
import { createInMemoryTerrakube, type InMemoryTerrakube } from './in-memory-terrakube.ts';
import { type Around, tap } from './tap.ts';

/** How the world begins. */
export interface WorldOptions {
  readonly ids?: DispatchIds;
  /** The Terrakube job; null when there is none. */
  readonly job?: TerrakubeJob | null;
  /** Stands around every call of dispatch to Terrakube, the cluster and the queue. */
  readonly around?: Around;
}

/** The world. */
export interface DispatchWorld {
  readonly ids: DispatchIds;
  readonly store: InMemoryJobStore;
  readonly terrakube: InMemoryTerrakube;
  readonly clock: InMemoryClock;
  readonly log: InMemoryLog;
  readonly metrics: InMemoryMetrics;
  readonly messages: InMemoryMessageHandling;
  readonly deps: SettleDeps;
  /** Delivers the message of this world's step, with other ports where a test gives them. */
  deliver(changes?: Partial<SettleDeps>, delivery?: Delivery): Promise<'done' | 'again'>;
}

/** What a delivery brings. */
export interface Delivery {
  readonly payload?: Uint8Array;
  readonly acceptedAt?: EpochMs;
  readonly receiveCount?: number;
}

/** Creates a world. */
export function createDispatchWorld(options: WorldOptions = {}): DispatchWorld {
  const of = options.ids ?? ids();
  const { job = terrakubeJob(), around = (_, call) => call() } = options;
  const store = createInMemoryJobStore();
  const terrakube = createInMemoryTerrakube();
  const clock = createInMemoryClock();
  const log = createInMemoryLog();
  const metrics = createInMemoryMetrics();
  const messages = createInMemoryMessageHandling();
  if (job) terrakube.put(of, job);
  const deps: SettleDeps = {
    jobs: tap(store, around),
    terrakube: tap(terrakube, around),
    messages: tap(messages, around),
    clock,
    log,
    metrics,
    errorFields,
    executor: executorSettings(),
    installation: INSTALLATION,
    patience: patience(),
    random: () => 0,
  };
  return {
    ids: of,
    store,
    terrakube,
    clock,
    log,
    metrics,
    messages,
    deps,
    deliver: (changes, delivery) => settleMessage({ ...deps, ...changes }, messageOf(of, delivery)),
  };
}

/** The message that intake writes for a payload, as it is received. */
export function messageOf(of: DispatchIds, delivery: Delivery = {}): ReceivedMessage {
  const { payload: body = payload(of), acceptedAt = NOON, receiveCount = 1 } = delivery;
  const [content] = messageWays(of, body, acceptedAt);
  if (!content) throw new Error('a payload has at least one way');
  return receivedMessage({ ...content, receiveCount });
}

/** A message as SQS delivers it. */
export function receivedMessage(
  changes: Partial<Pick<ReceivedMessage, 'body' | 'attributes' | 'receiveCount'>> = {},
): ReceivedMessage {
  const record = { messageId: 'message-1', receiptHandle: 'receipt-1', body: '', receiveCount: 1, ...changes };
  const { attributes = {} } = changes;
  return { ...record, attributes, read: () => parseDispatchMessage({ ...record, attributes, sentAt: NOON }) };
}
