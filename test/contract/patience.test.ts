// A step that waits for 40 minutes, against the stand-in Terrakube itself: its clock, its sweep and its own re-dispatch. Date and
// intervals are faked, so the minutes pass at once; the HTTP between the two is real.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import { PAYLOAD_KEY } from '../../lib/domain/payload-secret.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { settleMessage } from '../../lib/flows/settle-message.ts';
import { parseDispatchMessage } from '../../lib/schemas/queue-record.ts';
import { startTerrakube } from '../../local/terrakube/terrakube.ts';
import { NOON } from '../support/builders.ts';
import { startDispatchSink } from '../support/dispatch-sink.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

const INTERNAL_SECRET = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64url');
const FREE_AFTER_MS = 40 * 60_000;
const quotaIsUsedUp = {
  kind: 'refused',
  refusal: {
    status: 403,
    reason: 'Forbidden',
    message:
      'jobs.batch "x" is forbidden: exceeded quota: executors, requested: pods=1, used: pods=20, limited: pods=20',
    causes: [],
  },
} as const;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets what is under way over HTTP come to its end. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

test.each([60_000, 300_000])(
  'a sweep after %i ms does not end it: it runs once, with fresh credentials',
  { timeout: 60_000 },
  async (graceMs) => {
    const sink = await startDispatchSink();
    const logged: string[] = [];
    let payloads = 0;
    const terrakube = await startTerrakube({
      internalSecret: INTERNAL_SECRET,
      executorUrl: `${sink.url}/api/v1/terraform-rs`,
      sweep: { graceMs, everyMs: 30_000 },
      onEvent: ({ kind, text }) => {
        if (kind === 'log' && text !== undefined) logged.push(text);
      },
    });
    try {
      const { jobId } = terrakube.createJob({
        steps: [{ type: 'terraformPlan' }],
        accessToken: () => {
          payloads += 1;
          return `token ${payloads}`;
        },
      });
      while (sink.received.length === 0) await settled();
      const world = createDispatchWorld();
      const now = () => epochMs(Date.now());
      const deps = {
        ...world.deps,
        clock: { now, sleep: () => Promise.resolve() },
        terrakube: createTerrakubeApi({ apiUrl: terrakube.url, secret: createFixedSecret(INTERNAL_SECRET), now }),
        jobs: {
          ...world.store,
          createJob: async (job: Parameters<typeof world.store.createJob>[0]) =>
            Date.now() - NOON < FREE_AFTER_MS ? quotaIsUsedUp : world.store.createJob(job),
        },
      };
      const waiting = new Map<number, { acceptedAt: number; visibleAt: number; receiveCount: number }>();
      // Until its Job is there: then its executor speaks for itself.
      for (let minutes = 0; minutes < 45 && world.store.createdNames().length === 0; ) {
        for (const number of sink.received.keys()) {
          if (!waiting.has(number))
            waiting.set(number, { acceptedAt: Date.now(), visibleAt: Date.now(), receiveCount: 0 });
        }
        for (const [number, message] of waiting) {
          if (message.visibleAt > Date.now()) continue;
          message.receiveCount += 1;
          const delays: number[] = [];
          const record = {
            messageId: `message ${number}`,
            receiptHandle: '',
            body: sink.received[number]?.text ?? '',
            attributes: { acceptedAt: new Date(message.acceptedAt).toISOString() },
            receiveCount: message.receiveCount,
            sentAt: epochMs(message.acceptedAt),
          };
          const messages = { ...world.messages, setDelay: async (_: string, delay: number) => void delays.push(delay) };
          const result = await settleMessage(
            { ...deps, messages },
            { ...record, read: () => parseDispatchMessage(record) },
          );
          message.visibleAt = result === 'done' ? Number.POSITIVE_INFINITY : Date.now() + (delays[0] ?? 180) * 1000;
          await settled();
        }
        // On a busy machine a fresh payload may be under way for longer than that; its minutes must not pass meanwhile.
        while (sink.received.length < payloads) await settled();
        vi.advanceTimersByTime(1000);
        minutes = (Date.now() - NOON) / 60_000;
      }

      expect(terrakube.job(jobId)).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
      expect(payloads).toBe(2);
      expect(world.store.createdNames()).toHaveLength(1);
      const text = Buffer.from(world.store.allSecrets()[0]?.data?.[PAYLOAD_KEY] ?? '', 'base64').toString('ascii');
      expect(JSON.parse(Buffer.from(text, 'base64').toString('utf8')).accessToken).toBe('token 2');
      // Terrakube forgets the log with each dispatch, so each payload tells the cause once.
      const line =
        'terrakube-dispatcher: waiting: quota executors of namespace terrakube is used up (used pods=20, limit pods=20)';
      expect(logged).toEqual([line, line]);
    } finally {
      await terrakube.close();
      await sink.close();
    }
  },
);
