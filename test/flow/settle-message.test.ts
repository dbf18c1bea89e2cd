import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import { seconds } from '../../lib/domain/time.ts';
import { settleMessage } from '../../lib/flows/settle-message.ts';
import type { JobStore } from '../../lib/ports.ts';
import { DENIED, notAllowed, QUOTA, refuse, THROTTLED } from '../support/api-refusals.ts';
import { INSTALLATION, ids, PAYLOAD_SECRETS, payload, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld, type DispatchWorld, receivedMessage } from '../support/dispatch-world.ts';
import { tap } from '../support/tap.ts';

const NAME = jobName(ids(), INSTALLATION, 1);
const IDS = { messageId: 'message-1', terrakubeJobId: ids().jobId, stepId: ids().stepId };

describe('a message that is settled', () => {
  test('is acknowledged with one line about what came of it', async () => {
    const { log, messages, deliver } = createDispatchWorld();
    expect(await deliver()).toBe('done');
    expect(log.lines).toEqual([
      { level: 'info', message: 'dispatch settled', ...IDS, outcome: 'created', jobName: NAME, durationMs: 0 },
    ]);
    expect(messages.delays).toEqual([]);
  });

  test('of a step that is not needed any more is acknowledged with the reason', async () => {
    const { log, deliver } = createDispatchWorld({ job: null });
    expect(await deliver()).toBe('done');
    expect(log.lines).toEqual([
      { level: 'info', message: 'dispatch settled', ...IDS, outcome: 'skipped', reason: 'jobGone', durationMs: 0 },
    ]);
  });

  test('of a step that cannot run is acknowledged when the user was told', async () => {
    const world = createDispatchWorld();
    expect(await world.deliver({ jobs: { ...world.store, createJob: refuse(DENIED) } })).toBe('done');
    expect(world.log.lines).toEqual([
      {
        level: 'info',
        message: 'dispatch settled',
        ...IDS,
        outcome: 'failed',
        reason: "the cluster's admission policy refused the Job",
        durationMs: 2000,
      },
    ]);
  });
});

describe('a message that comes again', () => {
  test.each([
    [1, 5],
    [2, 10],
    [3, 20],
    [4, 30],
    [5, 30],
    [899, 30],
  ])('after delivery %i waits %i s', async (receiveCount, delay) => {
    const world = createDispatchWorld();
    const jobs = { ...world.store, createJob: refuse({ status: 500, message: '' }) };
    expect(await world.deliver({ jobs }, { receiveCount })).toBe('again');
    expect(world.messages.delays).toEqual([['receipt-1', delay]]);
  });

  test('waits up to a quarter less, so that messages that failed together do not come together', async () => {
    const world = createDispatchWorld();
    const jobs = { ...world.store, createJob: refuse({ status: 500, message: '' }) };
    await world.deliver({ jobs, random: () => 0.999 }, { receiveCount: 4 });
    expect(world.messages.delays).toEqual([['receipt-1', 23]]);
  });

  test('waits at least as long as the API server asks', async () => {
    const world = createDispatchWorld();
    await world.deliver({ jobs: { ...world.store, createJob: refuse(THROTTLED) } });
    expect(world.messages.delays).toEqual([['receipt-1', 7]]);
  });

  test('waits exactly as long as a decision says', async () => {
    const world = createDispatchWorld({ job: terrakubeJob({ status: 'pending', steps: [] }) });
    expect(await world.deliver({}, { receiveCount: 9 })).toBe('again');
    expect(world.messages.delays).toEqual([['receipt-1', 1]]);
  });

  test('for a quota waits at most 30 s', async () => {
    const world = createDispatchWorld();
    await world.deliver({ jobs: { ...world.store, createJob: refuse(QUOTA) } }, { receiveCount: 20 });
    expect(world.messages.delays).toEqual([['receipt-1', 30]]);
    expect(world.log.lines.at(-1)).toMatchObject({ level: 'info', outcome: 'waiting', delaySeconds: 30 });
  });

  test('gets its delay as the very last act', async () => {
    const calls: string[] = [];
    const world = createDispatchWorld({
      around: (method, call) => {
        calls.push(method);
        return call();
      },
    });
    const jobs = tap({ ...world.store, createJob: refuse(QUOTA) }, (method, call) => {
      calls.push(method);
      return call();
    });
    await world.deliver({ jobs });
    expect(calls.filter((call) => call === 'setDelay')).toHaveLength(1);
    expect(calls.at(-1)).toBe('setDelay');
    expect(world.log.lines).toHaveLength(1);
  });

  test('comes again by itself when its delay cannot be set', async () => {
    const world = createDispatchWorld();
    const messages = {
      ...world.messages,
      setDelay: () => Promise.reject(new DispatcherError('queueUnavailable', 'SQS does not change the delay.')),
    };
    expect(await world.deliver({ messages, jobs: { ...world.store, createJob: refuse(QUOTA) } })).toBe('again');
    expect(world.log.lines.at(-1)).toEqual({
      level: 'warn',
      message: 'delay not set',
      messageId: 'message-1',
      code: 'queueUnavailable',
      reason: 'SQS does not change the delay.',
    });
  });
});

describe('a message that has come too often to come again', () => {
  const full = ({ store }: DispatchWorld) => ({ jobs: { ...store, createJob: refuse(QUOTA) } });
  const unreadable = () => ({
    terrakube: { getJob: () => Promise.reject(new DispatcherError('terrakubeUnavailable', '503.')) },
  });
  const copy = {
    body: Buffer.from(payload()).toString('utf8'),
    attributes: { acceptedAt: '2026-11-24T20:41:37.504Z' },
    groupId: ids().organizationId,
    delay: 30,
  };
  test.each([
    ['because the cluster is full', 900, full, true],
    ['because nothing can be read', 999, unreadable, true],
    ['a little less often', 899, full, false],
  ])('%s is replaced by a copy with its age', async (_, receiveCount, changesOf, isReplaced) => {
    const world = createDispatchWorld();
    const changes = { ...world.deps, ...changesOf(world) };
    const terrakube = { ...world.terrakube, ...changes.terrakube };
    const settled = await world.deliver({ ...changes, terrakube }, { receiveCount });
    expect(settled).toBe(isReplaced ? 'done' : 'again');
    expect(world.messages.sentAgain).toEqual(isReplaced ? [copy] : []);
    expect(world.messages.delays).toHaveLength(isReplaced ? 0 : 1);
    expect(world.log.lines.at(-1)).toMatchObject({ message: 'dispatch settled', delaySeconds: 30 });
  });

  test('and has no time of its own takes the one that it was received with along', async () => {
    const world = createDispatchWorld();
    const { body } = copy;
    const deps = { ...world.deps, ...full(world) };
    expect(await settleMessage(deps, receivedMessage({ body, receiveCount: 900 }))).toBe('done');
    expect(world.messages.sentAgain).toEqual([copy]);
  });

  test('waits once more when the queue does not take the copy', async () => {
    const world = createDispatchWorld();
    const sendAgain = () => Promise.reject(new DispatcherError('queueUnavailable', 'refused.'));
    const messages = { ...world.messages, sendAgain };
    expect(await world.deliver({ ...full(world), messages }, { receiveCount: 950 })).toBe('again');
    expect(world.messages.delays).toEqual([['receipt-1', 30]]);
    expect(world.log.lines).toMatchObject([
      { level: 'warn', message: 'message not sent again', code: 'queueUnavailable' },
      { message: 'dispatch settled' },
    ]);
  });

  test('for a reason that nobody foresaw, or for a day, is left to the dead-letter queue', async () => {
    const unforeseen = createDispatchWorld();
    const listJobs = () => Promise.reject(new TypeError('x'));
    expect(await unforeseen.deliver({ jobs: { ...unforeseen.store, listJobs } }, { receiveCount: 950 })).toBe('again');
    const old = createDispatchWorld();
    old.clock.advance(24 * 3_600_000);
    const terrakube = { ...old.terrakube, ...unreadable().terrakube };
    expect(await old.deliver({ terrakube }, { receiveCount: 950 })).toBe('again');
    expect([...unforeseen.messages.sentAgain, ...old.messages.sentAgain]).toEqual([]);
  });
});

describe('a message that fails on the way', () => {
  test.each([
    ['because Terrakube does not answer', new DispatcherError('terrakubeUnavailable', 'no answer to GET.'), 5],
    [
      'because the cluster asks to wait',
      new DispatcherError('clusterUnavailable', '429.', { status: 429, retryAfterSeconds: seconds(21) }),
      21,
    ],
  ])('%s comes again', async (_, error, delay) => {
    const world = createDispatchWorld();
    const fail = () => Promise.reject(error);
    const broken =
      error.code === 'terrakubeUnavailable'
        ? { terrakube: { ...world.terrakube, getJob: fail } }
        : { jobs: { ...world.store, listJobs: fail } };
    expect(await world.deliver(broken)).toBe('again');
    expect(world.messages.delays).toEqual([['receipt-1', delay]]);
    expect(world.log.lines).toMatchObject([{ outcome: 'retried', code: error.code, reason: error.message, ...IDS }]);
  });

  test('for a reason that nobody foresaw comes again, and the log says where, not what', async () => {
    const world = createDispatchWorld();
    const getJob = () => Promise.reject(new TypeError(`bad value: ${PAYLOAD_SECRETS[0]}`));
    expect(await world.deliver({ terrakube: { ...world.terrakube, getJob } })).toBe('again');
    expect(world.messages.delays).toHaveLength(1);
    expect(world.log.lines).toMatchObject([{ code: 'unexpected', reason: 'TypeError', outcome: 'retried' }]);
    expect(JSON.stringify(world.log.lines)).not.toContain(PAYLOAD_SECRETS[0]);
  });

  test('when the step could not be told comes again', async () => {
    const world = createDispatchWorld();
    const patchStep = () => Promise.reject(new DispatcherError('terrakubeUnavailable', '503.', { status: 503 }));
    const terrakube = { ...world.terrakube, patchStep };
    const jobs = { ...world.store, createJob: refuse(DENIED) };
    expect(await world.deliver({ terrakube, jobs })).toBe('again');
    expect(await world.deliver({ jobs }, { receiveCount: 2 })).toBe('done');
    expect(world.terrakube.job(ids())).toMatchObject({ status: 'failed' });
  });
});

describe('a message that nobody can read', () => {
  const body = `{"accessToken":"${PAYLOAD_SECRETS[0]}"`;
  const unreadable = receivedMessage({ body, attributes: { acceptedAt: 'yesterday' } });

  test('goes to the dead-letter queue as it is, with one line that quotes nothing of it', async () => {
    const { deps, messages, log, store } = createDispatchWorld();
    expect(await settleMessage(deps, unreadable)).toBe('done');
    expect(messages.deadLetters).toEqual([{ body, attributes: { acceptedAt: 'yesterday' } }]);
    expect(log.lines).toEqual([
      {
        level: 'error',
        message: 'message moved to the dead-letter queue',
        messageId: 'message-1',
        reason: 'it is not a Terrakube payload',
      },
    ]);
    expect(store.createdNames()).toEqual([]);
  });

  test('because reading it fails goes there, too, and fails nobody else', async () => {
    const { deps, messages, log } = createDispatchWorld();
    const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const envelope = `{"source":"terrakube","detail-type":"Terrakube Job","time":"2026-11-24T20:41:37Z","detail":{"a":${nested}}}`;
    expect(await settleMessage(deps, receivedMessage({ body: envelope }))).toBe('done');
    expect(messages.deadLetters).toEqual([{ body: envelope, attributes: {} }]);
    expect(log.lines).toMatchObject([{ level: 'error', reason: 'reading it fails (RangeError)' }]);
  });

  test('comes again when the dead-letter queue does not take it', async () => {
    const { deps, messages, log } = createDispatchWorld();
    const sendDeadLetter = () => Promise.reject(new DispatcherError('queueUnavailable', 'refused.'));
    expect(await settleMessage({ ...deps, messages: { ...messages, sendDeadLetter } }, unreadable)).toBe('again');
    expect(messages.delays).toEqual([['receipt-1', 5]]);
    expect(log.lines).toMatchObject([{ outcome: 'retried', code: 'queueUnavailable', messageId: 'message-1' }]);
  });
});

describe('nothing of the payload is seen outside its Secret', () => {
  /** Everything that a person or a log can read. */
  const seen = ({ store, terrakube, log, messages }: ReturnType<typeof createDispatchWorld>): string =>
    JSON.stringify([store.allJobs(), terrakube.job(ids()), terrakube.everyLine, log.lines, messages.delays]);
  /** The secrets as they are, and the payload as its Secret holds it. */
  const forbidden = [...PAYLOAD_SECRETS, Buffer.from(payload()).toString('base64').slice(0, 60)];

  test.each<readonly [string, (store: JobStore) => Partial<JobStore>]>([
    ['when the step runs', () => ({})],
    ['when the Job is refused', () => ({ createJob: refuse(DENIED) })],
    ['when the Secret is refused', () => ({ createSecret: refuse(notAllowed('secrets')) })],
    ['when the cluster is full', () => ({ createJob: refuse(QUOTA) })],
    ['when a call fails with an error that quotes it', () => ({ createJob: (job) => quote(job) })],
    ['when a call for its Secret fails with an error that quotes it', () => ({ createSecret: (job) => quote(job) })],
    ['when a call is refused with words that quote it', () => ({ createSecret: (secret) => refuseQuoting(secret) })],
  ])('%s', async (_, changes) => {
    const world = createDispatchWorld();
    await world.deliver({ jobs: { ...world.store, ...changes(world.store) } });
    await world.deliver({ jobs: { ...world.store, ...changes(world.store) } }, { receiveCount: 2 });
    for (const secret of forbidden) expect(seen(world)).not.toContain(secret);
  });

  const quote = (object: unknown): Promise<never> =>
    Promise.reject(new Error(`${JSON.stringify(object)} ${PAYLOAD_SECRETS.join(' ')}`));
  const refuseQuoting = (object: unknown) =>
    refuse({
      status: 422,
      reason: 'Invalid',
      message: `Secret is invalid: data: Invalid value: ${JSON.stringify({ object, PAYLOAD_SECRETS })}: bad`,
    })();
});
