import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { QUOTA, refuse, THROTTLED } from '../support/api-refusals.ts';
import { ids, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

const FULL =
  'terrakube-dispatcher: waiting: quota terrakube-quota of namespace terrakube is used up ' +
  '(used count/jobs.batch=20, limit count/jobs.batch=20)';
const BUSY = 'terrakube-dispatcher: waiting: the Kubernetes API is throttling';

/** A step whose Job is refused in one way after the other; the age of its message is given in seconds. */
async function waitFor(...looks: readonly (readonly [answer: Parameters<typeof refuse>[0], ageSeconds: number])[]) {
  const world = createDispatchWorld();
  let age = 0;
  for (const [answer, ageSeconds] of looks) {
    world.clock.advance((ageSeconds - age) * 1000);
    age = ageSeconds;
    expect(await world.deliver({ jobs: { ...world.store, createJob: refuse(answer) } })).toBe('again');
  }
  return world;
}

const fullWith = (used: number) => ({
  ...QUOTA,
  message: QUOTA.message?.replace('used: count/jobs.batch=20', `used: count/jobs.batch=${used}`) ?? '',
});

describe('a run whose step waits for the cluster says so in its log', () => {
  test('at once when a quota is used up', async () => {
    const { terrakube } = await waitFor([QUOTA, 0]);
    expect(terrakube.everyLine).toEqual([FULL]);
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
  });

  test('once, however often it looks and whatever the figures are', async () => {
    const { terrakube } = await waitFor([QUOTA, 0], [fullWith(19), 5], [QUOTA, 15]);
    expect(terrakube.everyLine).toEqual([FULL]);
  });

  test('again when the cause changes, and when it changes back', async () => {
    const { terrakube } = await waitFor([QUOTA, 0], [THROTTLED, 40], [QUOTA, 70]);
    expect(terrakube.everyLine).toEqual([FULL, BUSY, FULL]);
  });

  test('not for the first 30 s of a cause that usually passes', async () => {
    expect((await waitFor([THROTTLED, 0], [THROTTLED, 29])).terrakube.everyLine).toEqual([]);
    expect((await waitFor([THROTTLED, 0], [THROTTLED, 30])).terrakube.everyLine).toEqual([BUSY]);
  });

  test('for a sign-in that the cluster does not accept only after five minutes, with what to check', async () => {
    const unknown = { status: 401, reason: 'Unauthorized', message: 'Unauthorized' };
    expect((await waitFor([unknown, 299])).terrakube.everyLine).toEqual([]);
    expect((await waitFor([unknown, 300])).terrakube.everyLine).toEqual([
      'terrakube-dispatcher: waiting: the cluster does not accept the sign-in of the dispatcher; check the EKS access ' +
        'entry of the dispatch role (group terrakube-dispatch)',
    ]);
  });

  test('also when the cluster cannot even be read', async () => {
    const world = createDispatchWorld();
    world.clock.advance(30_000);
    const listJobs = () => Promise.reject(new DispatcherError('clusterUnavailable', 'no answer.'));
    expect(await world.deliver({ jobs: { ...world.store, listJobs } })).toBe('again');
    expect(world.terrakube.everyLine).toEqual(['terrakube-dispatcher: waiting: the Kubernetes API does not answer']);
  });

  test('and what to look at when the cluster itself cannot be found', async () => {
    const world = createDispatchWorld();
    world.clock.advance(30_000);
    const message = 'Cluster prdo cannot be described (ResourceNotFoundException).';
    const listJobs = () => Promise.reject(new DispatcherError('clusterUnknown', message));
    expect(await world.deliver({ jobs: { ...world.store, listJobs } })).toBe('again');
    expect(world.terrakube.everyLine).toEqual([
      'terrakube-dispatcher: waiting: Cluster prdo cannot be described (ResourceNotFoundException)',
    ]);
  });

  test('not when it waits for Terrakube', async () => {
    const world = createDispatchWorld({ job: terrakubeJob({ status: 'pending', steps: [] }) });
    world.clock.advance(60_000);
    expect(await world.deliver()).toBe('again');
    expect(world.terrakube.everyLine).toEqual([]);
  });

  test('and waits all the same when the log cannot be written', async () => {
    const world = createDispatchWorld();
    const appendLog = () => Promise.reject(new DispatcherError('terrakubeUnavailable', '503.', { status: 503 }));
    const jobs = { ...world.store, createJob: refuse(QUOTA) };
    expect(await world.deliver({ jobs, terrakube: { ...world.terrakube, appendLog } })).toBe('again');
    expect(world.messages.delays).toEqual([['receipt-1', 5]]);
    expect(world.log.lines).toMatchObject([
      { level: 'warn', message: 'waiting not told', code: 'terrakubeUnavailable' },
      { level: 'info', message: 'dispatch settled', outcome: 'waiting' },
    ]);
  });
});
