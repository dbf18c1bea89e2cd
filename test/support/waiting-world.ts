// A step that waits, on a clock that runs as fast as the test: the queue brings messages back after their delay, Terrakube
// sends a step again when its job is set back to pending, and its sweep fails jobs that nobody keeps alive.
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import type { Patience } from '../../lib/domain/payload-age.ts';
import { type DurationMs, type EpochMs, epochMs, isoTime } from '../../lib/domain/time.ts';
import { settleMessage } from '../../lib/flows/settle-message.ts';
import type { JobStore, QueueMessage, TerrakubeChange } from '../../lib/ports.ts';
import { ids, NOON, patience, payload } from './builders.ts';
import { createDispatchWorld, type DispatchWorld, messageOf } from './dispatch-world.ts';

/** How the world waits. */
export interface WaitingOptions {
  readonly ids?: DispatchIds;
  readonly patience?: Partial<Patience>;
  /** What the cluster answers, by the time since the start. */
  readonly jobs?: (store: JobStore, sinceStart: () => DurationMs) => Partial<JobStore>;
  /** Terrakube fails a job in its queue after this long without a change; absent: never. */
  readonly sweepAfterMs?: number;
  /** Every message is delivered this often. */
  readonly copies?: number;
  /** Of the jitter; another seed is another run. */
  readonly seed?: number;
}

/** What happened. */
export interface WaitingWorld extends DispatchWorld {
  /** Runs until the queue is empty or the time is over. */
  run(limitMs: number): Promise<void>;
  /** Lines of the run's log with the second in which they were written. */
  readonly story: readonly string[];
  /** PATCHes of the job, with their second. */
  readonly patches: readonly { readonly atSeconds: number; readonly change: TerrakubeChange }[];
  /** The second of each delivery. */
  readonly deliveries: readonly number[];
  /** Payloads that Terrakube sent, the first one included. */
  readonly sentPayloads: () => number;
  readonly isSwept: () => boolean;
  /** Messages that SQS moved to the dead-letter queue, because they were delivered too often. */
  readonly wornOut: () => number;
}

interface Waiting {
  readonly acceptedAt: EpochMs;
  readonly number: number;
  receiveCount: number;
  visibleAt: number;
}

/** `maxReceiveCount` of the job queue. */
const MOST_DELIVERIES = 1000;

/** How long Terrakube takes to send a step again, and intake to accept it. */
const RESEND_MS = 1000;

/** Creates the world with one accepted message. */
export function createWaitingWorld(options: WaitingOptions = {}): WaitingWorld {
  const of = options.ids ?? ids();
  const world = createDispatchWorld({ ids: of });
  const sinceStart = (): DurationMs => (world.clock.now() - NOON) as DurationMs;
  const seconds = (): number => Math.floor(sinceStart() / 1000);
  const random = seededRandom(options.seed ?? 1);
  const deliveries: number[] = [];
  const story: string[] = [];
  const patches: { atSeconds: number; change: TerrakubeChange }[] = [];
  const queue: Waiting[] = [];
  let sent = 0;
  let changedAt: number = NOON;
  let isSwept = false;
  let wornOut = 0;
  const send = (acceptedAt: number): void => {
    sent += 1;
    for (let copy = 0; copy < (options.copies ?? 1); copy += 1) {
      queue.push({ acceptedAt: epochMs(acceptedAt), number: sent, receiveCount: 0, visibleAt: acceptedAt });
    }
  };
  const sweep = (): void => {
    const grace = options.sweepAfterMs;
    if (grace === undefined || world.terrakube.job(of)?.status !== 'queue' || world.clock.now() - changedAt < grace)
      return;
    isSwept = true;
    world.terrakube.changeJob(of, { status: 'failed' });
    world.terrakube.changeStep(of, { status: 'failed' });
  };
  const terrakube = {
    ...world.deps.terrakube,
    async patchJob(target: DispatchIds, change: TerrakubeChange) {
      const before = world.terrakube.job(of)?.comments;
      await world.deps.terrakube.patchJob(target, change);
      patches.push({ atSeconds: seconds(), change });
      if (change.status !== undefined || (change.comments ?? null) !== before) changedAt = world.clock.now();
      if (change.status === 'pending') {
        send(world.clock.now() + RESEND_MS);
        world.terrakube.changeJob(of, { status: 'queue' });
      }
    },
    async appendLog(target: DispatchIds, lines: readonly string[]) {
      await world.deps.terrakube.appendLog(target, lines);
      story.push(...lines.map((line) => `${seconds()} s: ${line}`));
    },
  };
  const jobs = { ...world.deps.jobs, ...options.jobs?.(world.deps.jobs, sinceStart) };
  const deliver = async (message: Waiting): Promise<void> => {
    if (message.receiveCount === MOST_DELIVERIES) {
      wornOut += 1;
      queue.splice(queue.indexOf(message), 1);
      return;
    }
    message.receiveCount += 1;
    const delays: number[] = [];
    const { acceptedAt, receiveCount, number } = message;
    const messages = {
      ...world.deps.messages,
      setDelay: async (_: string, delay: number) => void delays.push(delay),
      sendAgain: async (_: QueueMessage, delay: number) =>
        void queue.push({ acceptedAt, number, receiveCount: 0, visibleAt: world.clock.now() + delay * 1000 }),
    };
    const deps = { ...world.deps, jobs, terrakube, messages, random, patience: patience(options.patience) };
    deliveries.push(seconds());
    const received = messageOf(of, { payload: payloadOf(of, number), acceptedAt, receiveCount });
    const result = await settleMessage(deps, received);
    if (result === 'done') queue.splice(queue.indexOf(message), 1);
    else message.visibleAt = world.clock.now() + (delays[0] ?? 180) * 1000;
  };
  send(NOON);
  return {
    ...world,
    story,
    patches,
    deliveries,
    sentPayloads: () => sent,
    isSwept: () => isSwept,
    wornOut: () => wornOut,
    async run(limitMs) {
      while (queue.length > 0 && sinceStart() < limitMs) {
        const next = queue.reduce((one, other) => (other.visibleAt < one.visibleAt ? other : one));
        // The sweep looks every second.
        while (world.clock.now() < next.visibleAt) {
          world.clock.advance(Math.min(1000, next.visibleAt - world.clock.now()));
          sweep();
        }
        await deliver(next);
      }
    },
  };
}

/** Each payload has credentials of its own. */
const payloadOf = (of: DispatchIds, number: number): Uint8Array =>
  payload(of, { accessToken: `token ${number}`, commitId: isoTime(NOON) });

/** Numbers like those of Math.random, and the same in each run: mulberry32. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
