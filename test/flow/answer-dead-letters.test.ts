import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { isoTime } from '../../lib/domain/time.ts';
import type { DeadLetter } from '../../lib/ports.ts';
import { ids, kubernetesJob, NOON, payload, reason, step, terrakubeJob } from '../support/builders.ts';
import { attributes, counts, letterOf, line, ofJob, world } from '../support/dead-letter-world.ts';
import { deadLetter } from '../support/in-memory-dead-letters.ts';
import { tap } from '../support/tap.ts';

describe('a dead letter whose step still waits', () => {
  test('is answered with what was waited for last, then removed', async () => {
    const { terrakube, deadLetters, log, run } = world([letterOf()]);
    await terrakube.appendLog(ids(), ['terrakube-dispatcher: waiting: the quota "jobs" is used up (9 of 9)', 'other']);

    expect(await run()).toEqual(counts({ answered: 1 }));

    const output =
      'terrakube-dispatcher: its dispatch failed each time What was seen: The message of the step was delivered until ' +
      'the queue gave it up: the quota "jobs" is used up (9 of 9). Nothing was run. What to do: Mend what the message ' +
      'names, then run the job again.';
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed', output, steps: [{ status: 'failed' }] });
    expect(deadLetters.removed).toEqual(['r-m1']);
    expect(log.lines).toEqual([line({ outcome: 'answered', reason: 'stillWaits' })]);
  });

  test('is answered with where to look when nothing was said', async () => {
    const { terrakube, run } = world([letterOf()]);

    expect(await run()).toEqual(counts({ answered: 1 }));

    expect(terrakube.job(ids())?.output).toContain('the log of dispatch has the reason');
  });

  test.each<[string, Partial<DeadLetter>]>([
    ['base64', { body: Buffer.from(payload()).toString('base64'), attributes: { ...attributes, encoding: 'base64' } }],
    [
      'an oversized notice',
      {
        body: JSON.stringify({ ...ids(), bodyBytes: 2, limitBytes: 1 }),
        attributes: { ...attributes, kind: 'oversized' },
      },
    ],
    [
      'an EventBridge envelope',
      {
        body: JSON.stringify({
          source: 'terrakube',
          'detail-type': 'Terrakube Job',
          time: isoTime(NOON),
          detail: JSON.parse(Buffer.from(payload()).toString('utf8')),
        }),
        attributes: {},
      },
    ],
  ])('may be %s', async (_, changes) => {
    const { terrakube, run } = world([letterOf(ids(), changes)]);

    expect(await run()).toEqual(counts({ answered: 1 }));

    expect(terrakube.job(ids())?.status).toBe('failed');
  });

  test('is removed without a word when another delivery got through', async () => {
    const { terrakube, store, deadLetters, log, run } = world([letterOf()]);
    store.put(kubernetesJob());

    expect(await run()).toEqual(counts({ removed: 1 }));

    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
    expect({ removed: deadLetters.removed, said: terrakube.everyLine }).toEqual({ removed: ['r-m1'], said: [] });
    expect(log.lines).toEqual([line({ outcome: 'removed', reason: 'anotherDelivery' })]);
  });

  test('does not fail a step that gets its Job meanwhile', async () => {
    const { terrakube, store, deps, deadLetters, run } = world([letterOf()]);
    const whileTelling = tap(deps.terrakube, (method, call) => {
      if (method === 'appendLog') store.put(kubernetesJob());
      return call();
    });

    expect(await run({ terrakube: whileTelling })).toEqual(counts({ removed: 1 }));

    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
    expect(deadLetters.removed).toEqual(['r-m1']);
  });

  test('stays while Terrakube does not have its job in the queue', async () => {
    const { terrakube, deadLetters, log, run } = world([letterOf()]);
    terrakube.put(ids(), terrakubeJob({ status: 'pending' }));

    expect(await run()).toEqual(counts({ waiting: 1 }));

    expect(deadLetters.removed).toEqual([]);
    expect(log.lines).toEqual([line({ outcome: 'left', reason: 'stillWaits' })]);
  });

  test('is told once when there are two letters of it', async () => {
    const { terrakube, deadLetters, run } = world([letterOf(), letterOf(ids(), { messageId: 'm2' })]);

    expect(await run()).toEqual(counts({ answered: 1, removed: 1 }));

    expect(terrakube.everyLine).toHaveLength(3);
    expect(deadLetters.removed).toEqual(['r-m1', 'r-m2']);
  });
});

describe('a dead letter that is not needed any more', () => {
  test('is removed, and the cluster is not asked', async () => {
    const { terrakube, deadLetters, log, run } = world([letterOf()]);
    terrakube.put(ids(), terrakubeJob({ status: 'cancelled' }));
    const listJobs = () => Promise.reject(new DispatcherError('clusterUnavailable', 'no answer.'));

    expect(await run({ cluster: { listJobs } })).toEqual(counts({ removed: 1 }));

    expect(deadLetters.removed).toEqual(['r-m1']);
    expect(log.lines).toEqual([line({ outcome: 'removed', reason: 'jobEnded' })]);
  });

  test('finishes telling when an earlier tell was stopped half-way', async () => {
    const { terrakube, deadLetters, log, run } = world([letterOf()]);
    const texts = failureTexts(reason(), step());
    terrakube.changeStep(ids(), { status: 'failed', output: texts.stepOutput });

    expect(await run()).toEqual(counts({ answered: 1 }));

    expect(terrakube.job(ids())).toMatchObject({ status: 'failed', output: texts.jobOutput });
    expect(deadLetters.removed).toEqual(['r-m1']);
    expect(log.lines).toEqual([line({ outcome: 'answered', reason: 'halfTold' })]);
  });

  test('does not finish telling while an executor of the step runs', async () => {
    const { terrakube, store, run } = world([letterOf()]);
    terrakube.changeStep(ids(), { status: 'failed', output: failureTexts(reason(), step()).stepOutput });
    store.put(kubernetesJob());

    expect(await run()).toEqual(counts({ removed: 1 }));

    expect(terrakube.job(ids())?.status).toBe('queue');
  });

  test('waits for the next run while Terrakube commits its job', async () => {
    const { terrakube, clock, deadLetters, log, run } = world([
      letterOf(ids(), { attributes: { acceptedAt: isoTime(NOON) } }),
    ]);
    terrakube.put(ids(), terrakubeJob({ steps: [] }));
    clock.advance(-28_790_000);

    expect(await run()).toEqual(counts());

    expect(deadLetters.removed).toEqual([]);
    expect(log.lines).toEqual([line({ outcome: 'left', reason: 'tooEarly' })]);
  });
});

describe('a run', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => letterOf(ofJob(`${100 + index}`), { messageId: `m${index}` }));

  test('asks for letters until there are none', async () => {
    const { deadLetters, run } = world(many(11));

    expect(await run()).toEqual(counts({ removed: 11 }));

    expect(deadLetters.receives).toBe(3);
  });

  test('takes 50 letters at most', async () => {
    const { deadLetters, run } = world(many(60));

    expect(await run()).toEqual(counts({ removed: 50 }));

    expect({ receives: deadLetters.receives, removed: deadLetters.removed.length }).toEqual({
      receives: 5,
      removed: 50,
    });
  });

  test('tells the letters of ten steps side by side', async () => {
    const { terrakube, deps, run } = world(many(10));
    for (let index = 0; index < 10; index += 1) terrakube.put(ofJob(`${100 + index}`), terrakubeJob());
    const linesWhenFailed: number[] = [];
    const noting = tap(deps.terrakube, (method, call) => {
      if (method === 'patchJob') linesWhenFailed.push(terrakube.everyLine.length);
      return call();
    });

    expect(await run({ terrakube: noting })).toEqual(counts({ answered: 10 }));

    // All of them have written their three lines before the first job fails.
    expect(linesWhenFailed).toEqual(Array.from({ length: 10 }, () => 30));
  });

  test('looks once at a letter that SQS delivers twice', async () => {
    const { deadLetters, log, run } = world([letterOf(), letterOf(ids(), { receiptHandle: 'r-again' })]);

    expect(await run()).toEqual(counts({ answered: 1 }));

    expect(deadLetters.removed).toEqual(['r-m1']);
    expect(log.lines).toHaveLength(1);
  });

  test('does nothing but log when it only reports', async () => {
    const { terrakube, deadLetters, log, run } = world([
      letterOf(),
      letterOf(ofJob('18'), { messageId: 'm2' }),
      deadLetter({ messageId: 'm3' }),
    ]);

    expect(await run({ isReportOnly: true })).toEqual(counts({ unreadable: 1, waiting: 1 }));

    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
    expect({ removed: deadLetters.removed, said: terrakube.everyLine }).toEqual({ removed: [], said: [] });
    expect(log.lines.map(({ messageId, outcome, reason: why }) => [messageId, outcome, why]).sort()).toEqual([
      ['m1', 'reported', 'stillWaits'],
      ['m2', 'reported', 'jobGone'],
      ['m3', 'unreadable', 'it is not a Terrakube payload'],
    ]);
  });

  test('fails when there is no queue', async () => {
    const receive = () => Promise.reject(new DispatcherError('queueUnavailable', 'SQS does not give them.'));
    const { deadLetters, run } = world([]);

    await expect(run({ deadLetters: { ...deadLetters, receive } })).rejects.toMatchObject({ code: 'queueUnavailable' });
  });
});
