import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { isoTime } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { type AnswerDeps, answerDeadLetters } from '../../lib/flows/answer-dead-letters.ts';
import type { DeadLetter } from '../../lib/ports.ts';
import { readQueueBody } from '../../lib/schemas/queue-body.ts';
import {
  INSTALLATION,
  ids,
  kubernetesJob,
  NOON,
  PAYLOAD_SECRETS,
  payload,
  reason,
  step,
  terrakubeJob,
} from '../support/builders.ts';
import { createInMemoryClock } from '../support/in-memory-clock.ts';
import { createInMemoryDeadLetters, deadLetter } from '../support/in-memory-dead-letters.ts';
import { createInMemoryJobStore } from '../support/in-memory-job-store.ts';
import { createInMemoryLog } from '../support/in-memory-log.ts';
import { createInMemoryTerrakube } from '../support/in-memory-terrakube.ts';
import { leaksIn } from '../support/leaks.ts';
import { tap } from '../support/tap.ts';

const ofJob = (jobId: string) => ids({ jobId });
const attributes = { acceptedAt: isoTime(NOON) };

/** A payload of a job, as a letter. */
const letterOf = (of = ids(), changes: Partial<DeadLetter> = {}): DeadLetter =>
  deadLetter({ body: Buffer.from(payload(of)).toString('utf8'), attributes, ...changes });

/** A world with these letters, and a Terrakube that has job 17, whose step waits. Its clock is eight hours later. */
function world(letters: readonly DeadLetter[], changes: Partial<AnswerDeps> = {}) {
  const deadLetters = createInMemoryDeadLetters(letters);
  const terrakube = createInMemoryTerrakube();
  const store = createInMemoryJobStore();
  const clock = createInMemoryClock();
  const log = createInMemoryLog();
  clock.advance(28_800_000);
  terrakube.put(ids(), terrakubeJob());
  const deps: AnswerDeps = {
    deadLetters,
    terrakube,
    cluster: store,
    clock,
    log,
    installation: INSTALLATION,
    read: readQueueBody,
    errorFields,
    isReportOnly: false,
    ...changes,
  };
  const run = (more: Partial<AnswerDeps> = {}) => answerDeadLetters({ ...deps, ...more });
  return { deadLetters, terrakube, store, clock, log, deps, run };
}

const counts = (changes: Partial<Awaited<ReturnType<typeof answerDeadLetters>>> = {}) => ({
  answered: 0,
  removed: 0,
  unreadable: 0,
  failed: 0,
  ...changes,
});
const line = (changes: object) => ({
  level: 'info',
  message: 'dead letter looked at',
  messageId: 'm1',
  terrakubeJobId: '17',
  stepId: ids().stepId,
  ...changes,
});

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

    expect(await run()).toEqual(counts());

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

describe('a dead letter that nobody can read', () => {
  test('stays, is counted, and is not quoted', async () => {
    const { deadLetters, log, run } = world([letterOf(ids(), { attributes: { encoding: 'rot13' } })]);

    expect(await run()).toEqual(counts({ unreadable: 1 }));

    expect(deadLetters.removed).toEqual([]);
    expect(log.lines).toEqual([
      {
        level: 'warn',
        message: 'dead letter looked at',
        messageId: 'm1',
        outcome: 'unreadable',
        reason: 'its encoding is not known',
      },
    ]);
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });

  test('does not keep the others when reading it fails', async () => {
    const { deadLetters, log, run } = world([deadLetter({ messageId: 'm0' }), letterOf()]);
    const read = (letter: DeadLetter) => {
      if (letter.messageId === 'm0') throw new RangeError(`cannot read ${PAYLOAD_SECRETS[0]}`);
      return readQueueBody(letter);
    };

    expect(await run({ read })).toEqual(counts({ answered: 1, unreadable: 1 }));

    expect(deadLetters.removed).toEqual(['r-m1']);
    expect(log.lines[0]).toMatchObject({ messageId: 'm0', reason: 'reading it fails (RangeError)' });
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });
});

describe('a fault with one letter', () => {
  const letters = ['16', '17'].map((jobId) => letterOf(ofJob(jobId), { messageId: `m${jobId}` }));
  const down = (what: string) => new DispatcherError('terrakubeUnavailable', `Terrakube gave no answer to ${what}.`);

  test.each(['getJob', 'readLog', 'appendLog', 'patchStep', 'patchJob'])(
    'leaves it when Terrakube does not answer to %s, and the others go on',
    async (broken) => {
      const { terrakube, deadLetters, deps, log, run } = world(letters);
      terrakube.put(ofJob('16'), terrakubeJob());
      let calls = 0;
      const breaking = tap(deps.terrakube, (method, call) => {
        // The first letter gets there first.
        if (method === broken) calls += 1;
        return method === broken && calls === 1 ? Promise.reject(down(method)) : call();
      });

      expect(await run({ terrakube: breaking })).toEqual(counts({ answered: 1, failed: 1 }));

      expect(deadLetters.removed).toHaveLength(1);
      expect(log.lines.filter(({ level }) => level === 'error')).toEqual([
        {
          level: 'error',
          message: 'dead letter looked at',
          messageId: 'm16',
          terrakubeJobId: '16',
          stepId: ids().stepId,
          outcome: 'failed',
          code: 'terrakubeUnavailable',
          reason: `Terrakube gave no answer to ${broken}.`,
        },
      ]);
      expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
    },
  );

  test('leaves a step that waits when the cluster cannot be read', async () => {
    const { terrakube, deadLetters, log, run } = world([letterOf()]);
    const listJobs = () => Promise.reject(new DispatcherError('clusterRefused', 'refused.', { status: 403 }));

    expect(await run({ cluster: { listJobs } })).toEqual(counts({ failed: 1 }));

    expect({ removed: deadLetters.removed, said: terrakube.everyLine }).toEqual({ removed: [], said: [] });
    expect(log.lines).toMatchObject([{ level: 'error', outcome: 'failed', code: 'clusterRefused', status: 403 }]);
  });

  test('of a foreign kind says where it came from, and nothing else', async () => {
    const { log, run } = world([letterOf()]);
    const getJob = () => Promise.reject(new Error(`what about ${PAYLOAD_SECRETS[1]}?`));

    expect(await run({ terrakube: { ...createInMemoryTerrakube(), getJob } })).toEqual(counts({ failed: 1 }));

    expect(log.lines).toMatchObject([{ outcome: 'failed', code: 'unexpected', reason: 'Error' }]);
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });

  test('that was told and could not be removed is removed by the next run, and told once', async () => {
    const { terrakube, deadLetters, run } = world([letterOf()]);
    const remove = () => Promise.reject(new DispatcherError('queueUnavailable', 'no.'));

    expect(await run({ deadLetters: { ...deadLetters, remove } })).toEqual(counts({ failed: 1 }));
    const again = createInMemoryDeadLetters([letterOf()]);
    expect(await run({ deadLetters: again })).toEqual(counts({ removed: 1 }));

    expect(again.removed).toEqual(['r-m1']);
    expect(terrakube.everyLine).toHaveLength(3);
  });
});

describe('a payload', () => {
  const secrets = [...PAYLOAD_SECRETS, 'a-secret-attribute'];
  const letters = [
    letterOf(ids(), { attributes: { ...attributes, other: 'a-secret-attribute' } }),
    letterOf(ofJob('18'), { messageId: 'm2' }),
    letterOf(ofJob('19'), { messageId: 'm3' }),
    letterOf(ids(), { messageId: 'm4', attributes: { kind: 'a-secret-attribute' } }),
    letterOf(ids(), { messageId: 'm5', attributes: { encoding: 'a-secret-attribute' } }),
    deadLetter({ messageId: 'm6', body: `{"accessToken":"${PAYLOAD_SECRETS[0]}"` }),
  ];

  test('is seen neither in the log nor in what Terrakube is told', async () => {
    const { terrakube, deps, log, run } = world(letters);
    terrakube.put(ofJob('19'), terrakubeJob());
    const breaking: AnswerDeps['terrakube'] = {
      ...deps.terrakube,
      getJob: (of) =>
        of.jobId === '19' ? Promise.reject(new Error(PAYLOAD_SECRETS.join())) : deps.terrakube.getJob(of),
    };

    expect(await run({ terrakube: breaking })).toEqual(counts({ answered: 1, removed: 1, unreadable: 3, failed: 1 }));

    expect(log.lines).toHaveLength(6);
    expect(leaksIn([log.lines, terrakube.everyLine, terrakube.job(ids())], secrets)).toEqual([]);
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

    expect(await run({ isReportOnly: true })).toEqual(counts({ unreadable: 1 }));

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
