// What `redrive` does with letters, over queues in memory: what cannot be made to happen in a real one.
import { describe, expect, test } from 'vitest';
import { type RedriveDeps, type RedriveOptions, redriveLetters } from '../../cli/redrive-letters.ts';
import { redriveText } from '../../cli/redrive-text.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { isoTime } from '../../lib/domain/time.ts';
import type { DeadLetter, SendAnswer } from '../../lib/ports.ts';
import { readQueueBody } from '../../lib/schemas/queue-body.ts';
import { INSTALLATION, ids, kubernetesJob, NOON, payload, reason, step, terrakubeJob } from '../support/builders.ts';
import { createInMemoryClock } from '../support/in-memory-clock.ts';
import { createInMemoryDeadLetters, deadLetter } from '../support/in-memory-dead-letters.ts';
import { createInMemoryJobStore } from '../support/in-memory-job-store.ts';
import { createInMemoryQueue } from '../support/in-memory-queue.ts';
import { createInMemoryTerrakube } from '../support/in-memory-terrakube.ts';

const BODY = Buffer.from(payload()).toString('utf8');
const ACCEPTED_AT = isoTime(NOON);
const letterOf = (changes: Partial<DeadLetter> = {}): DeadLetter =>
  deadLetter({ body: BODY, attributes: { acceptedAt: ACCEPTED_AT }, ...changes });

/** A Terrakube that has job 17, whose step waits, eight hours after these letters. */
function world(letters: readonly DeadLetter[], changes: Partial<RedriveDeps> = {}) {
  const deadLetters = createInMemoryDeadLetters(letters);
  const terrakube = createInMemoryTerrakube();
  const queue = createInMemoryQueue();
  const store = createInMemoryJobStore();
  const clock = createInMemoryClock();
  clock.advance(28_800_000);
  terrakube.put(ids(), terrakubeJob());
  const released: string[] = [];
  const deps: RedriveDeps = {
    deadLetters,
    terrakube,
    queue,
    clock,
    cluster: store,
    installation: INSTALLATION,
    read: readQueueBody,
    release: async (handle) => void released.push(handle),
    ...changes,
  };
  const run = (options: Partial<RedriveOptions> = {}) =>
    redriveLetters(deps, { isDryRun: false, removeDone: false, ...options });
  return { deadLetters, terrakube, queue, store, clock, released, deps, run };
}

const down = (message: string) => new DispatcherError('queueUnavailable', message);
const request = { ...ids(), acceptedAt: ACCEPTED_AT };
const stillWaits = {
  messageId: 'm1',
  request,
  state: 'stillWaits',
  action: 'putBack',
  reason: 'its step waits in Terrakube, and has no Kubernetes Job',
};

describe('a letter whose step still waits', () => {
  test('goes back as it was, in the group of its organization, and is removed', async () => {
    const attributes = { encoding: 'base64', acceptedAt: ACCEPTED_AT, other: 'x' };
    const body = Buffer.from(payload()).toString('base64');
    const { queue, deadLetters, released, run } = world([letterOf({ body, attributes })]);

    expect(await run()).toEqual({ dryRun: false, letters: [stillWaits], hidden: 0 });

    expect(queue.sent).toEqual([{ body, attributes, groupId: ids().organizationId }]);
    expect({ removed: deadLetters.removed, released }).toEqual({ removed: ['r-m1'], released: [] });
  });

  test('takes the time of its sending with it when it has no other', async () => {
    const { queue, run } = world([letterOf({ attributes: {} })]);

    await run();

    expect(queue.sent).toMatchObject([{ attributes: { acceptedAt: ACCEPTED_AT } }]);
  });

  test('is sent before it is removed', async () => {
    const calls: string[] = [];
    const { deadLetters, queue, deps } = world([letterOf()]);
    const remove = async () => void calls.push('remove');
    const send = async (message: Parameters<typeof queue.send>[0]) => {
      calls.push('send');
      return queue.send(message);
    };
    const changed = { ...deps, deadLetters: { ...deadLetters, receive: deadLetters.receive, remove }, queue: { send } };

    await redriveLetters(changed, { isDryRun: false, removeDone: false });

    expect(calls).toEqual(['send', 'remove']);
  });

  test.each<SendAnswer>(['tooLarge', 'contentRefused'])('stays when the queue says %s', async (answer) => {
    const { deadLetters, released, run } = world([letterOf()], { queue: { send: async () => answer } });

    expect((await run()).letters).toEqual([
      { ...stillWaits, state: 'unknown', action: 'stays', reason: `The job queue refuses the message (${answer}).` },
    ]);
    expect({ removed: deadLetters.removed, released }).toEqual({ removed: [], released: ['r-m1'] });
  });

  test('stays when the queue is not there', async () => {
    const { deadLetters, released, run } = world([letterOf()], { queue: createInMemoryQueue(true) });

    expect((await run()).letters).toMatchObject([{ state: 'unknown', action: 'stays' }]);

    expect({ removed: deadLetters.removed, released }).toEqual({ removed: [], released: ['r-m1'] });
  });

  test('says that it is there twice when it could not be removed', async () => {
    const { deadLetters, deps, released } = world([letterOf()]);
    const remove = () => Promise.reject(down('SQS does not remove the dead letter (OverLimit).'));
    const changed = { ...deps, deadLetters: { ...deadLetters, remove } };

    const { letters } = await redriveLetters(changed, { isDryRun: false, removeDone: false });

    expect(letters).toEqual([
      {
        ...stillWaits,
        state: 'unknown',
        reason:
          'It was put back, but is still here: SQS does not remove the dead letter (OverLimit). Doing it again does no harm.',
      },
    ]);
    expect(released).toEqual(['r-m1']);
  });

  test('goes back for dispatch to finish telling', async () => {
    const { terrakube, queue, run } = world([letterOf()]);
    terrakube.changeStep(ids(), { status: 'failed', output: failureTexts(reason(), step()).stepOutput });

    expect((await run()).letters).toMatchObject([{ state: 'halfTold', action: 'putBack' }]);

    expect(queue.sent).toHaveLength(1);
  });
});

describe('a letter that stays', () => {
  test('is seen by others again', async () => {
    const { store, queue, released, run } = world([letterOf()]);
    store.put(kubernetesJob());

    expect((await run()).letters).toEqual([
      { ...stillWaits, state: 'done', action: 'stays', reason: 'the step has its Kubernetes Job' },
    ]);
    expect({ sent: queue.sent, released }).toEqual({ sent: [], released: ['r-m1'] });
  });

  test('is removed on demand when nobody needs it, and only then', async () => {
    const unreadable = deadLetter({ messageId: 'm2' });
    const { terrakube, deadLetters, released, run } = world([letterOf(), unreadable]);
    terrakube.remove(ids());

    expect((await run({ removeDone: true })).letters).toEqual([
      {
        ...stillWaits,
        state: 'done',
        action: 'removed',
        reason: 'Terrakube does not have the job any more',
      },
      { messageId: 'm2', state: 'unreadable', action: 'stays', reason: 'it is not a Terrakube payload' },
    ]);
    expect({ removed: deadLetters.removed, released }).toEqual({ removed: ['r-m1'], released: ['r-m2'] });
  });

  test('is not removed when SQS refuses that', async () => {
    const { terrakube, deadLetters, deps } = world([letterOf()]);
    terrakube.remove(ids());
    const changed = { ...deps, deadLetters: { ...deadLetters, remove: () => Promise.reject(down('no.')) } };

    const { letters } = await redriveLetters(changed, { isDryRun: false, removeDone: true });

    expect(letters).toMatchObject([{ state: 'unknown', action: 'stays', reason: 'no.' }]);
  });

  test('is one that Terrakube still commits', async () => {
    const { terrakube, clock, run } = world([letterOf()]);
    terrakube.put(ids(), terrakubeJob({ steps: [] }));
    clock.advance(-28_790_000);

    expect((await run({ removeDone: true })).letters).toMatchObject([{ state: 'tooEarly', action: 'stays' }]);
  });

  test('is counted when it stays hidden', async () => {
    const { store, run } = world([letterOf()], { release: () => Promise.reject(down('MessageNotInflight')) });
    store.put(kubernetesJob());

    const report = await run();

    expect(report.hidden).toBe(1);
    expect(redriveText(report)).toContain(
      '1 left. Of those that are still here, 1 can be seen again within two minutes.',
    );
  });
});

describe('all letters', () => {
  test('are judged in a dry run, and nothing is done', async () => {
    const { terrakube, queue, deadLetters, released, run } = world([
      letterOf(),
      letterOf({ messageId: 'm2', body: BODY.replace('"jobId":"17"', '"jobId":"18"') }),
    ]);

    const report = await run({ isDryRun: true, removeDone: true });

    expect(report.letters).toMatchObject([
      { messageId: 'm1', action: 'putBack' },
      { messageId: 'm2', action: 'removed', request: { jobId: '18' } },
    ]);
    expect({ sent: queue.sent, removed: deadLetters.removed }).toEqual({ sent: [], removed: [] });
    expect(released).toEqual(['r-m1', 'r-m2']);
    expect(terrakube.job(ids())?.status).toBe('queue');
    expect(redriveText(report)).toMatch(/^Dry run: this would be done\.\n/);
  });

  test('are taken until there are none', async () => {
    const letters = Array.from({ length: 23 }, (_, index) => letterOf({ messageId: `m${index}` }));
    const { queue, deadLetters, run } = world(letters);

    expect((await run()).letters).toHaveLength(23);

    expect({ sent: queue.sent.length, removed: deadLetters.removed.length }).toEqual({ sent: 23, removed: 23 });
  });

  test('are listed once, also when SQS delivers them twice, and removed by the newest handle', async () => {
    const { queue, deadLetters, run } = world([letterOf(), letterOf({ receiptHandle: 'r-newer' })]);

    expect((await run()).letters).toEqual([stillWaits]);

    expect({ sent: queue.sent.length, removed: deadLetters.removed }).toEqual({ sent: 1, removed: ['r-newer'] });
  });

  test('are as many as were had when the queue goes away', async () => {
    let calls = 0;
    const { deadLetters, store, released, deps } = world([letterOf()]);
    store.put(kubernetesJob());
    const receive = () => {
      calls += 1;
      return calls === 1 ? deadLetters.receive() : Promise.reject(down('SQS does not give the dead letters.'));
    };
    const changed = { ...deps, deadLetters: { ...deadLetters, receive } };

    const report = await redriveLetters(changed, { isDryRun: false, removeDone: false });

    expect(report).toMatchObject({ letters: [{ messageId: 'm1' }], problem: 'SQS does not give the dead letters.' });
    expect(redriveText(report)).toContain('There may be more: SQS does not give the dead letters.\n');
    expect(released).toEqual(['r-m1']);
  });

  test('are seen by others again when something unforeseen happens', async () => {
    const getJob = () => Promise.reject(new TypeError('unforeseen'));
    const { released, run } = world([letterOf()], { terrakube: { getJob } });

    await expect(run()).rejects.toThrow('unforeseen');

    expect(released).toEqual(['r-m1']);
  });
});
