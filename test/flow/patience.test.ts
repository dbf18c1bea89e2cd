// A step that waits: for minutes, past the life of its credentials, under Terrakube's sweep, and in the end in vain.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { recordText, startRecord } from '../../lib/domain/job-comments.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { PAYLOAD_KEY } from '../../lib/domain/payload-secret.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { INSTALLATION, ids, kubernetesJob, NOON, recordedVerdict, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';
import { createWaitingWorld, type WaitingOptions } from '../support/waiting-world.ts';

const MINUTE = 60_000;
const QUOTA = {
  kind: 'refused',
  refusal: {
    status: 403,
    reason: 'Forbidden',
    message:
      'jobs.batch "x" is forbidden: exceeded quota: executors, requested: count/jobs.batch=1, used: count/jobs.batch=20, limited: count/jobs.batch=20',
    causes: [],
  },
} as const;
const QUOTA_LINE =
  'terrakube-dispatcher: waiting: quota executors of namespace terrakube is used up (used count/jobs.batch=20, limit count/jobs.batch=20)';

/** No Job can be created until a time. */
const fullUntil =
  (endMs: number): NonNullable<WaitingOptions['jobs']> =>
  (store, sinceStart) => ({
    createJob: async (job) => (sinceStart() < endMs ? QUOTA : store.createJob(job)),
  });

const unreadable = () => Promise.reject(new DispatcherError('clusterUnavailable', 'no answer.'));

/** The access token in the payload that the executor of a Job is given. */
function tokenOf(store: { allSecrets(): readonly { data?: Record<string, string> }[] }): unknown {
  const [secret] = store.allSecrets();
  const text = Buffer.from(secret?.data?.[PAYLOAD_KEY] ?? '', 'base64').toString('ascii');
  return JSON.parse(Buffer.from(text, 'base64').toString('utf8')).accessToken;
}

describe.each([60_000, 300_000])(
  'a step that waits 40 minutes for a quota, under a sweep after %i ms',
  (sweepAfterMs) => {
    test('ends as one Job with fresh credentials, and its run tells the story', async () => {
      const world = createWaitingWorld({ jobs: fullUntil(40 * MINUTE), sweepAfterMs });

      await world.run(60 * MINUTE);

      expect(world.isSwept()).toBe(false);
      expect(world.store.createdNames()).toEqual([jobName(ids(), INSTALLATION, 1)]);
      expect(world.sentPayloads()).toBe(2);
      expect(tokenOf(world.store)).toBe('token 2');
      expect(world.story).toEqual([`0 s: ${QUOTA_LINE}`]);
      const renewals = world.patches.filter(({ change }) => change.status !== undefined);
      expect(renewals.map(({ change }) => change.status)).toEqual(['pending']);
      expect(renewals[0]?.atSeconds).toBeGreaterThan(1500);
      expect(renewals[0]?.atSeconds).toBeLessThanOrEqual(1530);
    });

    test.each([1, 2, 3, 4, 5])(
      'is kept alive every 20 to 35 seconds, with a text that counts on (%i)',
      async (seed) => {
        const world = createWaitingWorld({ jobs: fullUntil(40 * MINUTE), sweepAfterMs, seed });

        await world.run(60 * MINUTE);

        const changes = [0, ...world.patches.map(({ atSeconds }) => atSeconds)];
        const gaps = changes.slice(1).map((at, index) => at - (changes[index] ?? 0));
        expect(gaps.length).toBeGreaterThan(80);
        // The seconds are cut, and Terrakube needs one of them to send the step again.
        expect(Math.max(...gaps)).toBeLessThanOrEqual(35 + 1);
        // Asking for a fresh payload is a change, too, but none that waits for its time.
        const pings = world.patches
          .filter(({ change }) => change.status === undefined)
          .map(({ atSeconds }) => atSeconds);
        const between = pings.slice(1).map((at, index) => at - (pings[index] ?? 0));
        expect(Math.min(...between)).toBeGreaterThanOrEqual(19);
        expect(world.patches[0]?.change).toEqual({
          comments: `waiting: ${QUOTA_LINE.slice('terrakube-dispatcher: waiting: '.length)}, ${pings[0]} s`,
        });
      },
    );
  },
);

describe('a step that waits', () => {
  test('without keep-alive is looked at every five minutes in the end', async () => {
    const world = createWaitingWorld({
      // A wait whose cause does not ask to be looked at more often, as a quota does.
      jobs: () => ({ listJobs: unreadable }),
      patience: { keepAlive: false },
    });

    await world.run(60 * MINUTE);

    const gaps = world.deliveries.slice(1).map((at, index) => at - (world.deliveries[index] ?? 0));
    const lasting = gaps.slice(6);
    expect(lasting.length).toBeGreaterThan(5);
    expect(Math.min(...lasting)).toBeGreaterThanOrEqual(225);
    expect(Math.max(...lasting)).toBeLessThanOrEqual(300);
    expect(Math.max(...lasting)).toBeGreaterThan(270);
    expect(world.patches).toEqual([]);
  });

  test('without keep-alive for a quota is looked at every half minute all the same, and swept', async () => {
    const world = createWaitingWorld({
      jobs: fullUntil(20 * MINUTE),
      sweepAfterMs: 60_000,
      patience: { keepAlive: false },
    });

    await world.run(60 * MINUTE);

    const gaps = world.deliveries.slice(1).map((at, index) => at - (world.deliveries[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30);
    expect(world.patches).toEqual([]);
    expect(world.isSwept()).toBe(true);
    expect(world.store.createdNames()).toEqual([]);
  });

  test('keeps the record of its starts in the comments that keep it alive', async () => {
    const world = createWaitingWorld({ jobs: fullUntil(27 * MINUTE), sweepAfterMs: 60_000 });

    await world.run(26 * MINUTE + 50_000);

    const comments = world.terrakube.job(ids())?.comments ?? null;
    expect(comments).toMatch(/^fresh 2\/3 \S+ since 2026-\S+Z asked 2026-\S+Z; waiting: quota executors .*, \d+ s$/);
    expect(startRecord(comments, ids().stepId)).toMatchObject({ start: 2, maxStarts: 3, since: NOON });
  });

  test('while Terrakube writes its job down is asked for anew only after that', async () => {
    const world = createDispatchWorld({ job: terrakubeJob({ status: 'pending' }) });
    world.clock.advance(26 * MINUTE);

    expect(await world.deliver()).toBe('again');
    expect(world.log.lines.at(-1)).toMatchObject({ reason: 'Terrakube has not committed the job yet' });
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'pending', comments: null });

    world.terrakube.changeJob(ids(), { status: 'queue' });
    expect(await world.deliver()).toBe('done');
    expect(world.log.lines.at(-1)).toMatchObject({ reason: 'freshPayloadAsked' });
    expect(world.terrakube.job(ids())).toMatchObject({
      status: 'pending',
      comments: expect.stringMatching(/^fresh 2/),
    });
  });

  test('while dispatching is paused says why, is kept alive, and uses up no start', async () => {
    const world = createWaitingWorld({ patience: { isPaused: true }, sweepAfterMs: 60_000 });

    await world.run(60 * MINUTE);

    expect(world.isSwept()).toBe(false);
    expect(world.story).toEqual([
      '0 s: terrakube-dispatcher: waiting: dispatching is paused by the administrators (DispatchPaused)',
    ]);
    expect(world.patches.filter(({ change }) => change.status !== undefined)).toEqual([]);
    expect(world.store.createdNames()).toEqual([]);
  });

  test.each<[string, WaitingOptions]>([
    ['while dispatching is paused', { patience: { isPaused: true } }],
    ['for a cluster that cannot be read', { jobs: () => ({ listJobs: unreadable }) }],
  ])('twelve hours %s is still there, untold, and kept alive', async (_, options) => {
    const world = createWaitingWorld({ ...options, sweepAfterMs: 60_000 });

    await world.run(12 * 60 * MINUTE);

    expect(world.wornOut()).toBe(0);
    expect(world.isSwept()).toBe(false);
    expect(world.patches.at(-1)?.atSeconds).toBeGreaterThan(12 * 3600 - 60);
    expect(world.patches.at(-1)?.change.comments).toMatch(/, 43\d{3} s$/);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
  });

  test('for a cluster that could not be read for eight hours runs, with fresh credentials', async () => {
    const world = createWaitingWorld({
      jobs: (store, sinceStart) => ({
        listJobs: (selector) => (sinceStart() < 8 * 60 * MINUTE ? unreadable() : store.listJobs(selector)),
      }),
      sweepAfterMs: 60_000,
    });

    await world.run(9 * 60 * MINUTE);

    expect(world.sentPayloads()).toBe(2);
    expect(tokenOf(world.store)).toBe('token 2');
  });

  test('for an approval is not started again, since it would have to be approved again', async () => {
    const world = createWaitingWorld({ ids: ids({ type: 'approval' }), jobs: fullUntil(60 * MINUTE) });

    await world.run(120 * MINUTE);

    expect(world.sentPayloads()).toBe(1);
    expect(world.terrakube.job(world.ids)).toMatchObject({ status: 'failed' });
  });
});

describe('histories', () => {
  test('5: no Job can ever be created: after MaxStarts payloads the step fails with what it waited for', async () => {
    const world = createWaitingWorld({ jobs: fullUntil(Number.POSITIVE_INFINITY), sweepAfterMs: 60_000 });

    await world.run(10 * 60 * MINUTE);

    expect(world.sentPayloads()).toBe(3);
    expect(world.store.createdNames()).toEqual([]);
    const job = world.terrakube.job(ids());
    expect(job?.status).toBe('failed');
    expect(job?.steps[0]?.name).toMatch(/^Terraform Plan: waited 7[5-7] minutes and 3 payloads for the cluster$/);
    expect(job?.output).toMatch(
      /^terrakube-dispatcher: waited 7[5-7] minutes and 3 payloads for the cluster What was seen: The step could not be started: quota executors of namespace terrakube is used up \(.*\)\. Nothing was run\. What to do: Make room in the cluster/,
    );
  });

  test('6: a second delivery that finds the payload too old leaves the Job of the first one alone', async () => {
    // Its first list is older than the Job: the other delivery was between its read and its create.
    let lists = 0;
    const world = createWaitingWorld({
      patience: { maxStarts: 1 },
      jobs: (store) => ({
        listJobs: async (selector) => {
          lists += 1;
          return lists === 1 ? [] : store.listJobs(selector);
        },
      }),
    });
    world.store.put(kubernetesJob());
    world.clock.advance(26 * MINUTE);

    await world.run(60 * MINUTE);

    expect(lists).toBe(2);
    expect(world.store.allJobs()).toHaveLength(1);
    expect(world.patches).toEqual([]);
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
  });

  test('6: nor does one that finds it right before it would give the step up', async () => {
    let lists = 0;
    const world = createWaitingWorld({
      patience: { maxStarts: 1 },
      jobs: (store) => ({
        listJobs: async (selector) => {
          lists += 1;
          return lists <= 2 ? [] : store.listJobs(selector);
        },
      }),
    });
    world.store.put(kubernetesJob());
    world.clock.advance(26 * MINUTE);

    await world.run(60 * MINUTE);

    expect(world.terrakube.job(ids())).toMatchObject({ status: 'queue', steps: [{ status: 'pending' }] });
  });

  test('19: the Jobs of earlier starts are gone, but the comments still count them', async () => {
    const world = createWaitingWorld({ jobs: fullUntil(Number.POSITIVE_INFINITY) });
    const record = {
      stepId: ids().stepId,
      start: 3,
      maxStarts: 3,
      since: epochMs(NOON - 60 * MINUTE),
      askedAt: epochMs(NOON - 1000),
    };
    world.terrakube.changeJob(ids(), { comments: recordText(record) });

    await world.run(60 * MINUTE);

    expect(world.sentPayloads()).toBe(1);
    expect(world.terrakube.job(ids())?.steps[0]?.name).toMatch(/waited 8[5-7] minutes and 3 payloads/);
  });

  test('19: the comments of earlier starts are overwritten, but the Jobs still count them', async () => {
    const world = createWaitingWorld();
    const verdict = recordedVerdict({ action: 'restart' });
    world.store.put(kubernetesJob({ start: 3, ended: 'Failed', verdict }));
    world.terrakube.changeJob(ids(), { comments: 'please hurry' });
    world.clock.advance(26 * MINUTE);

    await world.run(60 * MINUTE);

    expect(world.sentPayloads()).toBe(1);
    expect(world.terrakube.job(ids())?.steps[0]?.name).toMatch(/waited 26 minutes and 3 payloads/);
  });

  test('23: an old message that comes after a fresh payload was asked for makes nothing', async () => {
    const world = createWaitingWorld({ jobs: fullUntil(26 * MINUTE), copies: 2 });

    await world.run(60 * MINUTE);

    // Both copies of the first message grew old; one asked for a fresh payload, the other one learnt of it.
    expect(world.sentPayloads()).toBe(2);
    expect(world.store.createdNames()).toEqual([jobName(ids(), INSTALLATION, 1)]);
    expect(tokenOf(world.store)).toBe('token 2');
  });
});
